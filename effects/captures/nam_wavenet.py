"""WaveNets in `.nam` files: the fields of both generations, read into our configuration and weights."""

from collections.abc import Callable
from typing import Any, TypeVar, get_args

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from effects.captures.fields import Fields, shortest
from effects.captures.nam import Part, check_count, read_rate, read_weights
from effects.captures.nam_activations import read_activation
from effects.captures.slimming import cannot_slim, slim_network
from effects.models.activations import Activation
from effects.models.wavenet import WaveNet
from effects.models.wavenet_config import FILMS, ArrayConfig, FilmConfig, Gating, PostHeadConfig, WaveNetConfig
from effects.models.wavenet_network import WaveNetNetwork
from vocoders.core.errors import ConfigError

__all__ = ["FILM_KEYS", "read_wavenet"]

#: Keys of the modulations, in our order.
FILM_KEYS = dict(
    zip(
        FILMS,
        (
            "conv_pre_film",
            "conv_post_film",
            "input_mixin_pre_film",
            "input_mixin_post_film",
            "activation_pre_film",
            "activation_post_film",
            "layer1x1_post_film",
            "head1x1_post_film",
        ),
        strict=True,
    )
)

Built = TypeVar("Built")

# Bounds of what is read, some ten times beyond the largest networks that play in real time.
_MAX_ARRAYS, _MAX_LAYERS, _MAX_CHANNELS, _MAX_TAPS = 16, 256, 512, 4096
_MAX_DILATION = 1 << 20
# Numbers that a stream remembers: channels times samples.
_MAX_MEMORY = 1 << 24
_MAX_CONDITIONS = 4


def read_wavenet(part: Part) -> tuple[WaveNet, tuple[float, ...]]:
    """Return the network of a WaveNet file at the wanted size."""
    config, states = _read_network(part.config, part.weights, part.sample_rate, 0)
    if config.num_outputs != 1:
        part.config.fail(f"{config.num_outputs} output channels; only captures of one channel are played")
    allowed = [_read_allowed(fields) for fields in part.config.objects("layers", _MAX_ARRAYS)]
    if any(allowed):
        if reason := cannot_slim(config):
            part.config.fail(f"'slimmable' together with {reason}; players refuse it too")
        config, states[0] = slim_network(config, states[0], _choose(config, allowed, part.slim))
    model = WaveNet(config)
    for network, state in zip([model.network, *model.conditions], states, strict=True):
        network.load_state_dict(state)
    return model.eval(), _sizes(allowed)


def _read_network(
    fields: Fields, weights: np.ndarray, sample_rate: int, depth: int
) -> tuple[WaveNetConfig, list[dict[str, Tensor]]]:
    """Return a configuration, and the weights of its network and of its condition networks, outermost first."""
    if fields.whole("in_channels", 1, _MAX_CHANNELS, default=1) != 1:
        fields.fail("in_channels is above 1; only captures of one channel are played")
    condition, states = None, []
    if fields.has("condition_dsp"):
        condition, states = _read_condition(fields.inner("condition_dsp"), sample_rate, depth + 1)
    arrays = tuple(_read_array(array) for array in fields.objects("layers", _MAX_ARRAYS))
    last = arrays[-1].head_channels
    post, num_outputs = _read_post_head(fields.inner("head"), last) if fields.has("head") else (None, last)
    common = {"sample_rate": sample_rate, "arrays": arrays, "condition": condition, "num_outputs": num_outputs}
    config = _checked(fields, lambda: WaveNetConfig(post_head=post, head_scale=shortest(weights[-1:])[0], **common))
    _check_sizes(fields, config)
    return config, [_read_state(fields, config, weights), *states]


def _read_state(fields: Fields, config: WaveNetConfig, weights: np.ndarray) -> dict[str, Tensor]:
    """Return the weights by name, once their number is known to be right."""
    with torch.device("meta"):
        network = _checked(fields, lambda: WaveNetNetwork(config))
    shapes = {name: parameter.shape for name, parameter in network.named_parameters()}
    counts = [shape.numel() for shape in shapes.values()]
    # The last number is head_scale, which overrides that in the configuration.
    check_count(fields, sum(counts) + 1, len(weights))
    parts = torch.from_numpy(weights[:-1].copy()).split(counts)
    return {name: part.view(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)}


def _read_condition(file: Fields, sample_rate: int, depth: int) -> tuple[WaveNetConfig, list[dict[str, Tensor]]]:
    if depth > _MAX_CONDITIONS:
        file.fail(f"condition_dsp nested deeper than {_MAX_CONDITIONS}")
    if file.text("architecture") != "WaveNet":
        file.fail(f"condition_dsp of architecture '{file.text('architecture')}'; only a WaveNet is played there")
    if file.has("sample_rate") and read_rate(file) != sample_rate:
        file.fail(f"condition_dsp of {read_rate(file)} Hz in a model of {sample_rate} Hz; expected equal rates")
    config = file.inner("config")
    if any(_read_allowed(array) for array in config.objects("layers", _MAX_ARRAYS)):
        file.fail("'slimmable' in a condition_dsp; players refuse it too")
    return _read_network(config, read_weights(file), sample_rate, depth)


def _read_array(fields: Fields) -> ArrayConfig:
    channels = fields.whole("channels", 1, _MAX_CHANNELS)
    width = fields.whole("bottleneck", 1, _MAX_CHANNELS, default=channels)
    dilations = fields.wholes("dilations", 1, _MAX_DILATION, _MAX_LAYERS)
    count = len(dilations)
    gating = _read_gating(fields, count)
    skip, residual = fields.optional("head1x1"), fields.optional("layer1x1")
    has_skip = skip is not None and skip.flag("active", True)
    channels_of_head, size_of_head, dilation_of_head, bias_of_head = _read_head(fields)
    return _checked(
        fields,
        lambda: ArrayConfig(
            channels=channels,
            dilations=dilations,
            kernel_size=_read_kernel_sizes(fields, count),
            bottleneck=None if width == channels else width,
            activation=_read_activations(fields, width, count),
            gating=_shortened(gating, count),
            gate=_read_gates(fields, gating, width),
            residual=residual is None or residual.flag("active", True),
            skip_channels=skip.whole("out_channels", 1, _MAX_CHANNELS) if skip and has_skip else None,
            groups=_groups(fields, "groups_input"),
            mixin_groups=_groups(fields, "groups_input_mixin"),
            residual_groups=_groups(residual, "groups"),
            skip_groups=_groups(skip, "groups") if has_skip else 1,
            films=tuple(film for place, key in FILM_KEYS.items() if (film := _read_film(fields, place, key))),
            head_channels=channels_of_head,
            head_kernel_size=size_of_head,
            head_dilation=dilation_of_head,
            head_bias=bias_of_head,
        ),
    )


def _read_kernel_sizes(fields: Fields, count: int) -> int | tuple[int, ...]:
    if fields.has("kernel_sizes") == fields.has("kernel_size"):
        fields.fail("expected one of 'kernel_size' and 'kernel_sizes'")
    if fields.has("kernel_size"):
        return fields.whole("kernel_size", 1, _MAX_TAPS)
    sizes = fields.wholes("kernel_sizes", 1, _MAX_TAPS, count)
    return sizes if len(set(sizes)) > 1 or len(sizes) != count else sizes[0]


def _read_activations(fields: Fields, width: int, count: int) -> Activation | tuple[Activation, ...]:
    value = fields.content.get("activation")
    if not isinstance(value, list):
        return read_activation(fields, value, width)
    entries = fields.each("activation", count)
    return _shortened([read_activation(fields, entry, width) for entry in entries], count)


def _read_gating(fields: Fields, count: int) -> list[Gating]:
    """Return the gating of each layer."""
    if not fields.has("gating_mode"):
        return ["gated" if fields.flag("gated", False) else "none"] * count
    value = fields.content["gating_mode"]
    modes = value if isinstance(value, list) else [value] * count
    if len(modes) != count or any(mode not in get_args(Gating) for mode in modes if isinstance(mode, str)):
        fields.fail(f"gating_mode; expected one of {', '.join(get_args(Gating))}, or such a list of {count}")
    if not all(isinstance(mode, str) for mode in modes):
        fields.fail("gating_mode; expected texts")
    return modes


def _read_gates(fields: Fields, gating: list[Gating], width: int) -> Activation | tuple[Activation, ...]:
    """Return the activations of the second halves; fields of layers without one are not looked at."""
    usual, value = Activation(name="sigmoid"), fields.content.get("secondary_activation")
    # The old key, `gated`, knows no other activation.
    value = value if fields.has("gating_mode") else None
    entries = value if isinstance(value, list) else [value] * len(gating)
    if len(entries) != len(gating):
        fields.fail(f"secondary_activation has {len(entries)} entries for {len(gating)} layers")
    gates = [
        usual if mode == "none" or entry in (None, "") else read_activation(fields, entry, width)
        for mode, entry in zip(gating, entries, strict=True)
    ]
    return _shortened(gates, len(gating))


def _shortened(values: list[Any], count: int) -> Any:
    """Return the one value of all layers, or one per layer."""
    return values[0] if len(values) == count and all(value == values[0] for value in values) else tuple(values)


def _read_head(fields: Fields) -> tuple[int, int, int, bool]:
    """Return channels, taps, dilation and bias of an array's head."""
    if not fields.has("head"):
        return fields.whole("head_size", 1, _MAX_CHANNELS), 1, 1, fields.flag("head_bias")
    head = fields.inner("head")
    channels, size = head.whole("out_channels", 1, _MAX_CHANNELS), head.whole("kernel_size", 1, _MAX_TAPS)
    return channels, size, head.whole("head_dilation", 1, _MAX_DILATION, default=1), head.flag("bias")


def _read_film(fields: Fields, place: str, key: str) -> FilmConfig | None:
    if fields.content.get(key) in (None, False):
        return None
    film = fields.inner(key)
    if not film.flag("active", True):
        return None
    return FilmConfig(place=place, shift=film.flag("shift", True), groups=_groups(film, "groups"))


def _groups(fields: Fields | None, name: str) -> int:
    return 1 if fields is None else fields.whole(name, 1, _MAX_CHANNELS, default=1)


def _read_post_head(fields: Fields, last: int) -> tuple[PostHeadConfig, int]:
    """Return the configuration of the head after all arrays, and its number of outputs."""
    if fields.whole("in_channels", 1, _MAX_CHANNELS, default=last) != last:
        fields.fail(f"in_channels is not {last}, the channels of the last array's head")
    channels = fields.whole("channels", 1, _MAX_CHANNELS)
    activation = read_activation(fields, fields.content.get("activation"), 1)
    sizes = fields.wholes("kernel_sizes", 1, _MAX_TAPS, _MAX_LAYERS)
    post = PostHeadConfig(channels=channels, kernel_sizes=sizes, activation=activation)
    return post, fields.whole("out_channels", 1, _MAX_CHANNELS)


def _check_sizes(fields: Fields, config: WaveNetConfig) -> None:
    """Compare the sizes that a file repeats, and bound what a stream would remember."""
    before = 1
    for index, entry in enumerate(fields.objects("layers", _MAX_ARRAYS)):
        array = config.arrays[index]
        for name, expected in (("input_size", before), ("condition_size", config.condition_channels)):
            if entry.whole(name, 1, _MAX_CHANNELS) != expected:
                entry.fail(f"{name} is {entry.content[name]}; expected {expected}, as the rest of the file says")
        before = array.channels
    widest = max(max(array.channels, array.skip_width) for array in config.arrays)
    if config.receptive_field * widest > _MAX_MEMORY:
        fields.fail(f"a past of {config.receptive_field} samples of {widest} channels; too much to be a capture")


def _read_allowed(fields: Fields) -> tuple[int, ...]:
    """Return the channels to which an array can be reduced; empty: it cannot."""
    if not fields.has("slimmable"):
        return ()
    slimmable = fields.inner("slimmable")
    if slimmable.text("method") != "slice_channels_uniform":
        slimmable.fail(f"method '{slimmable.text('method')[:40]}'; expected slice_channels_uniform")
    channels = fields.whole("channels", 1, _MAX_CHANNELS)
    kwargs = slimmable.optional("kwargs")
    if kwargs is None or not kwargs.has("allowed_channels"):
        return tuple(range(1, channels + 1))
    allowed = kwargs.wholes("allowed_channels", 1, channels, channels)
    if list(allowed) != sorted(set(allowed)) or allowed[-1] != channels:
        kwargs.fail(f"allowed_channels are {list(allowed)}; expected rising numbers up to {channels}")
    return allowed


def _choose(config: WaveNetConfig, allowed: list[tuple[int, ...]], slim: float) -> list[int]:
    """Return the channels of each array at a size in [0, 1]."""
    return [
        choices[min(int(slim * len(choices)), len(choices) - 1)] if choices else array.channels
        for choices, array in zip(allowed, config.arrays, strict=True)
    ]


def _sizes(allowed: list[tuple[int, ...]]) -> tuple[float, ...]:
    """Return the largest ``slim`` of every size."""
    return tuple(sorted({number / len(each) for each in allowed for number in range(1, len(each) + 1)}))


def _checked(fields: Fields, build: Callable[[], Built]) -> Built:
    """Build a configuration or a network; sizes that do not fit each other are errors of the file."""
    try:
        return build()
    except ValidationError as error:
        fields.fail(error.errors()[0]["msg"].removeprefix("Value error, "))
    except (ValueError, ConfigError) as error:
        fields.fail(str(error))
