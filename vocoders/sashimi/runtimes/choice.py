"""Choice of the fastest stepper for a model on its device."""

import importlib.util
import logging
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vocoders.core.errors import ConfigError
from vocoders.sashimi.options import WeightFormat
from vocoders.sashimi.runtimes.plain import PlainStepper
from vocoders.sashimi.runtimes.stepper import Stepper

if TYPE_CHECKING:
    from vocoders.sashimi.model import Sashimi

__all__ = ["make_stepper"]

_logger = logging.getLogger(__name__)


def make_stepper(
    model: "Sashimi",
    batch_size: int = 1,
    prompt: Tensor | None = None,
    *,
    weights: WeightFormat = "float32",
    labels: Tensor | None = None,
    guidance: float = 1.0,
) -> Stepper:
    """Return the fastest stepper for a model on its device.

    Args:
        model: a causal model.
        batch_size: number of sequences.
        prompt: int64 (L,) codes at the start of every sequence, or None.
        weights: ``int16`` halves the memory traffic per sample on a CPU and changes logits by some 1e-4.
        labels: int64 (B,), for a model with labels; :func:`~vocoders.sashimi.sampler.item_labels` draws them.
        guidance: see :class:`~vocoders.sashimi.options.CodeSampling`.

    Raises:
        ConfigError: for ``int16`` where the fused step does not run, or guidance for a model without labels.
        ShapeError: for a prompt or labels that do not fit the model.
    """
    parameter = model.head.weight
    if parameter.device.type == "cpu" and parameter.dtype == torch.float32 and importlib.util.find_spec("numba"):
        from vocoders.sashimi.runtimes.fused.stepper import FusedStepper

        return FusedStepper(model, batch_size, prompt, weights=weights, labels=labels, guidance=guidance)
    if weights != "float32":
        raise ConfigError(f"weights '{weights}' need a float32 model on a CPU, and numba; use weights 'float32'")
    if parameter.device.type == "cuda":
        from vocoders.sashimi.runtimes.graph import GraphStepper

        try:
            return GraphStepper(model, batch_size, prompt, labels=labels, guidance=guidance)
        except RuntimeError as error:
            reason = (str(error).strip() or "no message").splitlines()[0]
            _logger.warning("steps cannot be recorded on this GPU (%s); stepping without recording", reason)
    return PlainStepper(model, batch_size, prompt, labels=labels, guidance=guidance)
