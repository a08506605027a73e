"""Recurrent captures in JSON: GuitarML's files with PyTorch's weights, and AIDA-X's with Keras' weights.

Knobs are further inputs of the recurrent layer, from 0 to 1.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from effects.captures.fields import Fields
from effects.captures.info import CaptureInfo, clean_text, read_metadata
from effects.knobs import Knob, KnobSet
from effects.models.recurrent import Recurrent, RecurrentConfig
from effects.runtimes.rtneural import GATES
from vocoders.core.errors import CheckpointError, ConfigError

__all__ = ["AIDAX_RATE", "GUITARML_RATE", "KNOBS_KEY", "read_aidax", "read_guitarml"]

# What the programs assume of files without a sample rate.
GUITARML_RATE, AIDAX_RATE = 44100, 48000
#: Our key with the knobs' names and ranges; other programs ignore it.
KNOBS_KEY = "knobs"
_MAX_UNITS, _MAX_KNOBS = 1024, 16
# A gain of this many dB or less is zero.
_SILENT_DB = -90.0
# Difference from a stored test vector, relative to its peak.
_TOLERANCE = 1e-4


def read_guitarml(file: Fields) -> tuple[Recurrent, CaptureInfo]:
    """Return the model of a GuitarML file (Proteus, NeuralPi, TS-M1N3) and its description."""
    data, state = file.inner("model_data"), file.inner("state_dict")
    if data.text("model", "SimpleRNN") != "SimpleRNN":
        data.fail(f"model '{clean_text(data.text('model'))}'; only SimpleRNN is played")
    cell = _cell(data, data.text("unit_type", "LSTM"))
    if data.whole("output_size", 1, _MAX_UNITS, default=1) != 1 or data.whole("num_layers", 1, 16, default=1) != 1:
        data.fail("several layers or outputs; only one is played")
    units, inputs = data.whole("hidden_size", 1, _MAX_UNITS), data.whole("input_size", 1, _MAX_KNOBS + 1)
    rows = len(GATES[cell]) * units
    shapes: dict[str, tuple[int, ...]] = {
        "rec.weight_ih_l0": (rows, inputs),
        "rec.weight_hh_l0": (rows, units),
        "rec.bias_ih_l0": (rows,),
        "rec.bias_hh_l0": (rows,),
        "lin.weight": (1, units),
        "lin.bias": (1,),
    }
    has_bias = data.flag("bias_fl", True)
    found = {
        name: np.zeros(shape, np.float32) if "bias" in name and not has_bias else state.array(name, *shape)
        for name, shape in shapes.items()
    }
    skip = data.flag("skip", True)
    rate = round(data.number("sample_rate", 1000, 1_000_000, default=GUITARML_RATE))
    knobs = _read_knobs(data, inputs - 1, "knob", 0.5)
    cells = [torch.from_numpy(found[name]) for name in shapes]
    model = _make(cell, cells, knobs, rate, float(skip))
    return model, CaptureInfo("guitarml", f"{cell.upper()} {units}")


def read_aidax(file: Fields, verify: bool = False) -> tuple[Recurrent, CaptureInfo]:
    """Return the model of an AIDA-X file and its description.

    Args:
        file: content of the file.
        verify: compare with the test vector in the file.
    """
    layers = list(file.objects("layers", 64))
    if len(layers) != 2 or layers[1].text("type") not in ("dense", "time-distributed-dense"):
        names = ", ".join(clean_text(layer.text("type")) or "" for layer in layers[:4])
        file.fail(f"layers {names}; expected lstm or gru, then dense with 1 unit")
    recurrent, dense = layers
    cell = _cell(recurrent, recurrent.text("type"))
    if dense.text("activation", "") not in ("", "linear"):
        dense.fail(f"activation '{clean_text(dense.text('activation'))}'; expected none")
    inputs, units = _last(file, "in_shape", _MAX_KNOBS + 1), _last(recurrent, "shape", _MAX_UNITS)
    if _last(dense, "shape", _MAX_UNITS) != 1:
        dense.fail("several units; expected 1")
    columns = len(GATES[cell]) * units
    biases = (columns,) if cell == "lstm" else (2, columns)
    kernel, state_kernel, bias = _weights(recurrent, (inputs, columns), (units, columns), biases)
    weight, offset = _weights(dense, (units, 1), (1,))
    before, after = (_factor(file, name) for name in ("in_gain", "out_gain"))
    skip = file.whole("in_skip", 0, 1, default=0)
    bias_pair = torch.stack([bias, torch.zeros_like(bias)]) if cell == "lstm" else bias
    tensors = [_to_pytorch(part, cell) for part in (kernel.T, state_kernel.T, *bias_pair)]
    # Gains that players apply around the net belong to the model, so they become part of its weights.
    tensors[0] = torch.cat([before * tensors[0][:, :1], tensors[0][:, 1:]], dim=1)
    metadata = file.optional("metadata") or Fields({}, file.place)
    knobs = _read_knobs(metadata, inputs - 1, "param", 0.0)
    model = _make(
        cell, [*tensors, after * weight.T, after * offset], knobs, _rate(file, metadata), skip * before * after
    )
    if verify:
        _verify(file, model, before, after)
    info = CaptureInfo("aidax", f"{cell.upper()} {units}", **read_metadata(metadata.content))
    esr = metadata.content.get("esr")
    told = float(esr) if isinstance(esr, (int, float)) and not isinstance(esr, bool) and 0 <= esr < 1e6 else None
    author = clean_text(metadata.content.get("author")) or info.modeled_by
    return model, replace(info, modeled_by=author, validation_esr=told or info.validation_esr)


def _make(cell: str, tensors: list[Tensor], knobs: KnobSet, sample_rate: int, skip: float) -> Recurrent:
    """Return a model with PyTorch's weights: of inputs, of states, their biases, of the output, its bias."""
    config = RecurrentConfig.from_dict(
        {
            "sample_rate": sample_rate,
            "knobs": knobs.to_dict(),
            "cell": cell,
            "hidden_size": tensors[1].shape[1],
            "head": "linear",
            "residual": skip != 0,
            "residual_gain": skip if skip else 1.0,
        }
    )
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    places = [*(f"cells.{name}" for name in names), "projection.weight", "projection.bias"]
    model = Recurrent(config).eval()
    model.load_state_dict(dict(zip(places, tensors, strict=True)))
    return model


def _cell(fields: Fields, name: str) -> str:
    if name.lower() not in GATES:
        fields.fail(f"unit '{clean_text(name)}'; expected {' or '.join(GATES)}")
    return name.lower()


def _read_knobs(fields: Fields, count: int, name: str, default: float) -> KnobSet:
    """Return the knobs: those that we have written, else as many without a meaning from 0 to 1."""
    written = fields.content.get(KNOBS_KEY)
    if isinstance(written, dict):
        try:
            knobs = KnobSet.from_dict(written)
        except ConfigError as error:
            raise CheckpointError(f"{fields.place}.{KNOBS_KEY}: {error}") from None
        if len(knobs) == count:
            return knobs.model_copy(update={"norm": (0.0, 1.0)})
    if not count:
        return KnobSet()
    numbered = (Knob(name=f"{name}{number}", min=0, max=1, default=default) for number in range(1, count + 1))
    return KnobSet(knobs=tuple(numbered), norm=(0.0, 1.0))


def _last(fields: Fields, name: str, most: int) -> int:
    shape = fields.each(name, 3)
    return fields.entry(name, len(shape) - 1, shape[-1]).whole("", 1, most)


def _weights(layer: Fields, *shapes: tuple[int, ...]) -> list[Tensor]:
    entries = layer.each("weights", len(shapes))
    if len(entries) != len(shapes):
        layer.fail(f"{len(entries)} arrays of weights; expected {len(shapes)}")
    arrays = (
        Fields({"": entry}, f"{layer.place}.weights[{index}]").array("", *shape)
        for index, (entry, shape) in enumerate(zip(entries, shapes, strict=True))
    )
    return [torch.from_numpy(array) for array in arrays]


def _to_pytorch(tensor: Tensor, cell: str) -> Tensor:
    """Return rows of Keras' gates in PyTorch's order; the exchange is its own inverse."""
    parts = tensor.chunk(len(GATES[cell]))
    return torch.cat([parts[gate] for gate in GATES[cell]])


def _factor(file: Fields, name: str) -> float:
    decibels = file.number(name, -1000.0, 200.0, default=0.0)
    return 10 ** (decibels / 20) if decibels > _SILENT_DB else 0.0


def _rate(file: Fields, metadata: Fields) -> int:
    """Return the sample rate; it is often written as a text."""
    for fields in (metadata, file):
        value: Any = fields.content.get("samplerate")
        try:
            number = float(value) if isinstance(value, str) else value
        except ValueError:
            number = None
        if isinstance(number, (int, float)) and not isinstance(number, bool) and 1000 <= number <= 1_000_000:
            return round(number)
    return AIDAX_RATE


@torch.no_grad()
def _verify(file: Fields, model: Recurrent, before: float, after: float) -> None:
    if len(model.knobs) or not (file.has("input_batch") and file.has("output_batch")) or not before or not after:
        file.fail("it contains no test vector with which it could be verified")
    heard, expected = (
        torch.from_numpy(file.floats(name, _flat(file, name))) for name in ("input_batch", "output_batch")
    )
    if len(heard) != len(expected):
        file.fail(f"a test vector of {len(heard)} samples with an output of {len(expected)}")
    # The vector is what the net itself hears and gives, without the gains.
    output, _ = model(heard[None, None] / before, torch.zeros(1, 0))
    error = float((output[0, 0] / after - expected).abs().max() / expected.abs().max().clamp(min=1e-3))
    if not error <= _TOLERANCE:
        file.fail(f"the output differs from the stored test vector by {error:.1e} of its peak; the file is damaged")


def _flat(file: Fields, name: str) -> list[Any]:
    values = file.each(name, 1 << 16)
    while values and isinstance(values[0], list):
        values = [entry for row in values if isinstance(row, list) for entry in row]
    return values
