"""Import of the parameters of state-space kernels from every reference version.

Names differ between versions, and similar names may have another meaning:

==========  ===================  ==================  =================================
ours        V4 and standalone    V3 (and DiffWave)   V2
==========  ===================  ==================  =================================
``inv_dt``  ``inv_dt`` (H, 1)    ``log_dt`` (H)      ``log_dt`` (H)
``A_real``  ``A_real``           ``inv_w_real``      ``log_w_real``, or Re ``w``
``A_imag``  ``A_imag``           minus ``w_imag``    minus ``w_imag``, or minus Im ``w``
``Q``       (conjugate of P)     (conjugate of P)    ``Q``, with ``w``
length      ``l_kernel``         ``L``               from the size of ``omega``
==========  ===================  ==================  =================================

The length is the truncation length of C in samples (0: no truncation). Without it the weights are ambiguous.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from vocoders.core.errors import CheckpointError

__all__ = ["OfficialKernel", "read_kernel"]

Structure = Literal["dplr", "dplr_free", "diagonal"]


@dataclass(frozen=True)
class OfficialKernel:
    """One layer's kernel: our parameters, and the configuration that they imply.

    Attributes:
        state: parameters under our names.
        structure: as in :class:`~vocoders.layers.s4.S4Config`.
        version: ``V2``, ``V3`` or ``V4``.
        length: truncation length of C in samples; 0: no truncation.
    """

    state: dict[str, Tensor]
    structure: Structure
    version: str
    length: int


def read_kernel(tensors: Mapping[str, Tensor], where: str) -> OfficialKernel:
    """Translate the tensors of one kernel.

    Args:
        tensors: tensors by the last part of their names.
        where: name of the layer, for error messages.

    Raises:
        CheckpointError: for names from an unknown version, or if the truncation length is missing.
    """
    version = _version(tensors, where)
    state = {"C": tensors["C"], "B": _unbatched(tensors["B"])}
    state["inv_dt"] = tensors["inv_dt" if version == "V4" else "log_dt"].flatten()
    structure: Structure = "dplr" if "P" in tensors else "diagonal"
    if version == "V4":
        state["A_real"], state["A_imag"] = tensors["A_real"], tensors["A_imag"]
    elif "w" in tensors:
        structure = "dplr_free"
        w = _unbatched(tensors["w"])
        state["A_real"], state["A_imag"] = w[..., 0], -w[..., 1]
        state["Q"] = _unbatched(tensors["Q"])
    else:
        state["A_real"] = tensors["inv_w_real" if version == "V3" else "log_w_real"]
        state["A_imag"] = -tensors["w_imag"]
    if "P" in tensors:
        state["P"] = _unbatched(tensors["P"])
    num_states = state["C"].shape[-2]
    for name in ("A_real", "A_imag"):
        state[name] = state[name].reshape(-1, num_states)
    length = 0 if structure == "diagonal" else _length(tensors, version, where)
    return OfficialKernel({name: value.contiguous() for name, value in state.items()}, structure, version, length)


def _version(tensors: Mapping[str, Tensor], where: str) -> str:
    for version, names in (("V4", {"inv_dt", "A_real"}), ("V3", {"log_dt", "inv_w_real"})):
        if names <= tensors.keys():
            return version
    if "log_dt" in tensors and ({"log_w_real", "w_imag"} <= tensors.keys() or {"w", "Q"} <= tensors.keys()):
        return "V2"
    raise CheckpointError(
        f"{where}: kernel parameters {', '.join(sorted(tensors))} are of no known version; expected V2, V3 or V4"
    )


def _length(tensors: Mapping[str, Tensor], version: str, where: str) -> int:
    for name in ("l_kernel", "L"):
        if name in tensors:
            return int(tensors[name])
    if version == "V2" and "omega" in tensors:
        return 2 * (tensors["omega"].shape[0] - 1)
    raise CheckpointError(
        f"{where}: the kernel length (l_kernel, L or omega) is missing, so C may or may not be truncated; expected the "
        "whole state, buffers included"
    )


def _unbatched(stored: Tensor) -> Tensor:
    """Return (S, n, 2) of a real view (S, n, 2) or (1, S, n, 2), or of a complex tensor."""
    stored = torch.view_as_real(stored) if stored.is_complex() else stored
    return stored.reshape(-1, *stored.shape[-2:])
