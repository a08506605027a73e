"""The choice among runtimes: the fastest that is installed and agrees with PyTorch, or the one that is requested."""

import importlib.util
import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from vocoders.core.errors import CheckpointError, ConfigError, OndesError
from vocoders.core.graphs.agreement import relative_error
from vocoders.core.runtime_names import RuntimeName
from vocoders.core.submodules import parameters_of
from vocoders.runtimes.graphs import import_runtime, open_graph

if TYPE_CHECKING:
    from vocoders.core.graphs.tracing import GraphPlan
    from vocoders.registry import VocoderFamily

__all__ = ["TOLERANCE", "ModelRuntime"]

_logger = logging.getLogger(__name__)

# Largest difference from PyTorch, as a fraction of the output's peak.
TOLERANCE = 1e-4

Computing = Callable[..., Tensor]


class ModelRuntime:
    """Computes parts of a model by other code; a part is opened at its first use, and again if its weights change.

    Args:
        name: ``auto``, ``torch``, ``compiled`` (our own loops), ``onnx`` or ``openvino``.
        family: the family of the model, which says what there is.

    Raises:
        ConfigError: if the family has nothing for this runtime, or the runtime is too old.
        MissingExtraError: if it is not installed.
    """

    def __init__(self, name: RuntimeName, family: "VocoderFamily") -> None:
        self.name: RuntimeName = name
        self.family = family
        if name == "compiled" and family.compiled is None:
            raise ConfigError(
                f"models of family '{family.name}' have no compiled network; expected runtime auto or torch"
            )
        if name in ("onnx", "openvino"):
            if family.runtime_plan is None:
                raise ConfigError(f"models of family '{family.name}' have no graph for {name}; expected auto or torch")
            import_runtime(name)
        self._opened: dict[tuple[int, int], tuple[Any, str, Computing]] = {}
        self._lock = threading.Lock()

    def __deepcopy__(self, memo: Any) -> "ModelRuntime":
        """Return one that has opened nothing: a copied model has its own weights."""
        return ModelRuntime(self.name, self.family)

    def __reduce__(self) -> Any:
        """Pickle what it was made from."""
        return ModelRuntime, (self.name, self.family)

    def __call__(self, model: Any, part: nn.Module, arguments: Sequence[Tensor]) -> Tensor:
        """Return what ``part`` of a model computes from its arguments.

        Raises:
            ConfigError: if the requested runtime has no code for this model.
            CheckpointError: if it differs from PyTorch.
            MissingExtraError: if it is not installed.
        """
        return self._computing(model, part)[1](*arguments)

    def chosen(self, model: Any, part: nn.Module | None = None) -> str:
        """Return the name of the runtime that computes a part, by default the whole model; errors as for a call."""
        return self._computing(model, model if part is None else part)[0]

    def open_stream(self, model: Any, batch: int) -> Callable[..., Tensor] | None:
        """Return what computes frames of ``batch`` streams by compiled code; ``None``: PyTorch does."""
        if self.family.compiled_stream is None or self.chosen(model) != "compiled":
            return None
        return self.family.import_part(self.family.compiled_stream)(model, batch)

    def _computing(self, model: Any, part: nn.Module) -> tuple[str, Computing]:
        threads = torch.get_num_threads()
        # Tensors of a model that was loaded in inference mode have no versions.
        state = tuple((item.data_ptr(), -1 if item.is_inference() else item._version) for item in parameters_of(part))
        with self._lock:
            known = self._opened.get((id(part), threads))
            if known is None or known[0] != state:
                # Runtimes read weights outside of inference mode: tensors made within it have no versions.
                known = (state, *self._open(model, part, threads))
                self._opened[id(part), threads] = known
        return known[1:]

    def _open(self, model: Any, part: nn.Module, threads: int) -> tuple[str, Computing]:
        if self.name == "torch":
            return "torch", part
        # Graphs and packed weights outlive the call; in inference mode they would be tensors of this mode alone.
        with torch.inference_mode(False), torch.no_grad():
            if self.name != "auto":
                return self.name, self._open_and_try(self.name, model, part, threads)
            for name in filter(_is_installed, self.family.fastest):
                try:
                    return name, self._open_and_try(name, model, part, threads)
                except OndesError as error:
                    level = logging.WARNING if isinstance(error, CheckpointError) else logging.DEBUG
                    _logger.log(level, "runtime %s is left out: %s", name, error)
        return "torch", part

    def _open_and_try(self, name: str, model: Any, part: nn.Module, threads: int) -> Computing:
        family = self.family
        assert family.runtime_plan is not None, "what has code also has a plan, with inputs for trials"
        plan: GraphPlan = family.import_part(family.runtime_plan)(model, part)
        if name == "compiled":
            computing = family.import_part(str(family.compiled))(model, part, threads)
        else:
            computing = open_graph(name, model, plan, threads)
        for trial in plan.trials:
            arguments = tuple(trial[port.name] for port in plan.inputs)
            error = relative_error(computing(*arguments).numpy(), part(*arguments).numpy())
            if not error <= TOLERANCE:
                raise CheckpointError(
                    f"runtime {name} differs from PyTorch by {error:.1e} of the peak; expected at most "
                    f"{TOLERANCE:.0e}; pass --runtime torch"
                )
        _logger.debug("%s: runtime %s on %d threads", family.name, name, threads)
        return computing


def _is_installed(name: str) -> bool:
    package = {"onnx": "onnxruntime"}.get(name, name)
    return name == "compiled" or importlib.util.find_spec(package) is not None
