"""The step graph of any effect, recorded from its ``forward``."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from effects.export.graph import OPSET, StateTensor, import_onnx
from effects.models import EffectModel
from vocoders.core.errors import ConfigError, MissingExtraError

__all__ = ["trace"]


class _Step(nn.Module):
    """``forward`` with its state as a list of arguments."""

    def __init__(self, model: EffectModel, names: list[str], knobs: Tensor | None) -> None:
        super().__init__()
        self.model, self._names = model, names
        self.register_buffer("knobs", knobs)

    def forward(self, audio: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        knobs, states = (rest[0], rest[1:]) if self.knobs is None else (self.knobs, rest)
        output, state = self.model(audio, knobs, dict(zip(self._names, states, strict=True)))
        return output, *(state[name] for name in self._names)


def trace(model: EffectModel, frozen: Tensor | None) -> tuple[Any, list[StateTensor]]:
    """Return the graph (ModelProto) of an effect and its states.

    Args:
        model: in single precision on the CPU.
        frozen: normalised knobs (K,) that replace the input.

    Raises:
        ConfigError: if the effect does what ONNX cannot.
        MissingExtraError: if onnxscript is not installed.
    """
    onnx = import_onnx()
    try:
        import onnxscript  # noqa: F401
    except ModuleNotFoundError:
        raise MissingExtraError("onnxscript", "export", f"export of {model.family} to ONNX") from None
    channels, length = model.config.audio_channels, 300 // model.block_length + 2
    initial = model.initial_state(1, channels)
    states = [StateTensor(name, tuple(value.shape), str(value.numpy().dtype)) for name, value in initial.items()]
    if any(value.any() for value in initial.values()):
        raise ConfigError(f"{model.family}: a stream does not start with a state of zeros, which an export needs")
    fixed = None if frozen is None and len(model.knobs) else torch.zeros(0) if frozen is None else frozen
    step = _Step(model, list(initial), None if fixed is None else fixed[None].float()).eval()
    arguments = [torch.zeros(1, channels, length * model.block_length)]
    arguments += [torch.zeros(1, len(model.knobs))] if fixed is None else []
    samples = torch.export.Dim("samples", min=1, max=1 << 24) * model.block_length
    dynamic = ({2: samples}, tuple({} for _ in [*arguments[1:], *initial]))
    names = ["audio", *(["knobs"] if fixed is None else []), *(state.input for state in states)]
    try:
        with _quietly(), torch.no_grad():
            program = torch.onnx.export(
                step,
                (*arguments, *initial.values()),
                dynamo=True,
                verbose=False,
                opset_version=OPSET,
                dynamic_shapes=dynamic,
                input_names=names,
                output_names=["output", *(state.output for state in states)],
            )
    except Exception as error:  # whatever the exporter meets in a model that it cannot record
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(f"{model.family} cannot be exported to ONNX: {reason}") from None
    return _without_origin(onnx, program.model_proto), states


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep the exporter from telling what it does not find, which nothing here needs."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _without_origin(onnx: Any, model: Any) -> Any:
    """Remove what the exporter tells about the machine and the files that it ran on."""
    for item in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.functions):
        del item.metadata_props[:]
        item.doc_string = ""
    for value in model.graph.value_info:
        del value.metadata_props[:]
    onnx.checker.check_model(model)
    return model
