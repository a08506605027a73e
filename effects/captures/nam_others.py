"""LSTM, ConvNet and Linear in `.nam` files."""

import torch

from effects.captures.fields import Fields
from effects.captures.nam import Part, check_count
from effects.captures.nam_activations import read_activation
from effects.models.convnet import ConvNet, ConvNetConfig
from effects.models.linear import Linear, LinearConfig
from effects.models.recurrent import Recurrent, RecurrentConfig

__all__ = ["read_convnet", "read_linear", "read_lstm"]

_MAX_UNITS, _MAX_LAYERS, _MAX_BLOCKS = 1024, 16, 256
_MAX_DILATION, _MAX_MEMORY = 1 << 20, 1 << 24
# Every sample of the silence before a stream takes a product with each of them.
_MAX_CELL_WEIGHTS = 500_000
# Silence that players let an LSTM hear before a stream begins, in seconds.
_WARM_UP = 0.5


def read_lstm(part: Part) -> tuple[Recurrent, tuple[float, ...]]:
    """Return an LSTM, whose streams start from the state after the file's and half a second of silence."""
    fields = part.config
    _check_mono(fields)
    units = fields.whole("hidden_size", 1, _MAX_UNITS)
    layers = fields.whole("num_layers", 1, _MAX_LAYERS)
    if fields.whole("input_size", 1, _MAX_UNITS, default=1) != 1:
        fields.fail("input_size is above 1; only captures of one channel are played")
    inputs = [1] + [units] * (layers - 1)
    counts = [4 * units * (size + units) + 4 * units + 2 * units for size in inputs]
    check_count(fields, sum(counts) + units + 1, len(part.weights))
    if len(part.weights) > _MAX_CELL_WEIGHTS:
        fields.fail(f"{len(part.weights)} weights; recurrent captures that can play have at most {_MAX_CELL_WEIGHTS}")
    config = RecurrentConfig(
        sample_rate=part.sample_rate, hidden_size=units, num_layers=layers, head="linear", stored_start=True
    )
    model = Recurrent(config).eval()
    state, weights = {}, torch.from_numpy(part.weights.copy())
    *parts, head = weights.split([*counts, units + 1])
    for layer, (size, values) in enumerate(zip(inputs, parts, strict=True)):
        matrix, bias, hidden, cell = values.split([4 * units * (size + units), 4 * units, units, units])
        from_input, from_state = matrix.view(4 * units, size + units).split([size, units], dim=1)
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        tensors = (from_input, from_state, bias, torch.zeros_like(bias))
        state |= {f"cells.{name}_l{layer}": tensor for name, tensor in zip(names, tensors, strict=True)}
        model.get_buffer("start_hidden")[layer], model.get_buffer("start_cell")[layer] = hidden, cell
    state |= {"projection.weight": head[:-1][None], "projection.bias": head[-1:]}
    model.load_state_dict(model.state_dict() | state)
    model.warm_up(max(1, int(_WARM_UP * part.sample_rate)))
    return model, ()


def read_convnet(part: Part) -> tuple[ConvNet, tuple[float, ...]]:
    """Return a ConvNet."""
    fields = part.config
    _check_mono(fields)
    channels = fields.whole("channels", 1, _MAX_UNITS)
    dilations = fields.wholes("dilations", 1, _MAX_DILATION, _MAX_BLOCKS)
    normed = fields.flag("batchnorm")
    if fields.whole("groups", 1, _MAX_UNITS, default=1) > 1:
        fields.fail("groups above 1 in a ConvNet are not played here")
    if channels * sum(dilations) > _MAX_MEMORY:
        fields.fail(f"a past of {sum(dilations)} samples of {channels} channels; too much to be a capture")
    activation = read_activation(fields, fields.content.get("activation"), channels)
    widths = [1, *[channels] * (len(dilations) - 1)]
    extra = 4 * channels + 1 if normed else channels
    counts = [2 * channels * width + extra for width in widths]
    check_count(fields, sum(counts) + channels + 1, len(part.weights))
    *blocks, head = torch.from_numpy(part.weights.copy()).split([*counts, channels + 1])
    epsilon = tuple(_check_epsilon(fields, block[-1].item()) for block in blocks) if normed else 1e-5
    config = ConvNetConfig(
        sample_rate=part.sample_rate,
        channels=channels,
        dilations=dilations,
        batch_norm=normed,
        epsilon=epsilon,
        activation=activation,
    )
    state = {"head.weight": head[:-1].view(1, channels, 1), "head.bias": head[-1:]}
    for index, (width, block) in enumerate(zip(widths, blocks, strict=True)):
        state[f"convolutions.{index}.weight"] = block[: 2 * channels * width].view(channels, width, 2)
        rest = block[2 * channels * width : 2 * channels * width + extra - normed].view(-1, channels)
        if not normed:
            state[f"convolutions.{index}.bias"] = rest[0]
            continue
        for name, values in zip(("running_mean", "running_var", "weight", "bias"), rest, strict=True):
            state[f"norms.{index}.{name}"] = values
        if not (rest[1] + block[-1] > 0).all():
            fields.fail(f"a variance in block {index} is negative; the file is damaged")
    model = ConvNet(config).eval()
    model.load_state_dict(model.state_dict() | state)
    return model, ()


def read_linear(part: Part) -> tuple[Linear, tuple[float, ...]]:
    """Return a linear filter; the weights are its impulse response."""
    fields = part.config
    _check_mono(fields)
    taps, bias = fields.whole("receptive_field", 1, 1 << 22), fields.flag("bias")
    check_count(fields, taps + bias, len(part.weights))
    model = Linear(LinearConfig(sample_rate=part.sample_rate, taps=taps, bias=bias)).eval()
    weights = torch.from_numpy(part.weights.copy())
    model.load_state_dict({"response": weights[:taps]} | ({"offset": weights[taps:]} if bias else {}))
    return model, ()


def _check_mono(fields: Fields) -> None:
    for name in ("in_channels", "out_channels"):
        if fields.whole(name, 1, _MAX_UNITS, default=1) != 1:
            fields.fail(f"{name} is {fields.content[name]}; only captures of one channel are played")


def _check_epsilon(fields: Fields, value: float) -> float:
    if not 0 <= value <= 1:
        fields.fail(f"the number added to a variance is {value:g}; the file is damaged")
    return value
