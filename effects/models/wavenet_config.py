"""Configuration of WaveNets for captures: the architecture of `.nam` files of both generations, and its usual sizes."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeVar

from pydantic import Field, model_validator

from effects.models.activations import Activation
from effects.models.model import EffectConfig
from vocoders.core.config import Config

__all__ = [
    "FILMS",
    "VARIANTS",
    "ArrayConfig",
    "FilmConfig",
    "Gating",
    "LayerShape",
    "PostHeadConfig",
    "WaveNetConfig",
    "two_arrays",
]

Gating = Literal["none", "gated", "blended"]

#: Places in a layer where the condition can modulate, in the order of their weights.
FILMS = (
    "conv_input",
    "conv_output",
    "mixin_input",
    "mixin_output",
    "activation_input",
    "activation_output",
    "residual_output",
    "skip_output",
)

Value = TypeVar("Value")


class FilmConfig(Config):
    """Modulation of one place in a layer.

    Attributes:
        place: one of ``FILMS``.
        shift: add a shift, besides the scale.
        groups: groups of the convolution from the condition.
    """

    place: str
    shift: bool = True
    groups: int = Field(default=1, gt=0)

    @model_validator(mode="after")
    def _check(self) -> "FilmConfig":
        if self.place not in FILMS:
            raise ValueError(f"place '{self.place}'; expected one of {', '.join(FILMS)}")
        return self


class LayerShape(NamedTuple):
    """What distinguishes the layers of an array."""

    kernel_size: int
    dilation: int
    activation: Activation
    gating: Gating
    gate: Activation


class ArrayConfig(Config):
    """An array of layers with a common width. Values that differ between layers are lists with one entry per layer.

    Attributes:
        channels: width of the residual path.
        dilations: dilation of each layer; their number is the number of layers.
        kernel_size: taps of the convolutions.
        bottleneck: width after the activation; ``None``: ``channels``.
        activation: activation of the layers.
        gating: ``gated``: a second half of channels multiplies the first; ``blended``: it blends between the activated
            and the plain first half.
        gate: activation of the second half.
        residual: the 1x1 convolution from the activation to the residual path; ``False``: the path goes on unchanged.
        skip_channels: width of a 1x1 convolution from the activation towards the head; ``None``: there is none.
        groups: groups of the dilated convolution.
        mixin_groups: groups of the condition's convolution.
        residual_groups: groups of ``residual``.
        skip_groups: groups of the convolution towards the head.
        films: modulations by the condition.
        head_channels: output channels of the head.
        head_kernel_size: taps of the head.
        head_dilation: dilation of the head.
        head_bias: whether the head has a bias.
    """

    channels: int = Field(gt=0)
    dilations: tuple[int, ...] = Field(min_length=1)
    kernel_size: int | tuple[int, ...] = 3
    bottleneck: int | None = Field(default=None, gt=0)
    activation: Activation | tuple[Activation, ...] = Activation(name="tanh")
    gating: Gating | tuple[Gating, ...] = "none"
    gate: Activation | tuple[Activation, ...] = Activation(name="sigmoid")
    residual: bool = True
    skip_channels: int | None = Field(default=None, gt=0)
    groups: int = Field(default=1, gt=0)
    mixin_groups: int = Field(default=1, gt=0)
    residual_groups: int = Field(default=1, gt=0)
    skip_groups: int = Field(default=1, gt=0)
    films: tuple[FilmConfig, ...] = ()
    head_channels: int = Field(default=1, gt=0)
    head_kernel_size: int = Field(default=1, gt=0)
    head_dilation: int = Field(default=1, gt=0)
    head_bias: bool = True

    @model_validator(mode="after")
    def _check(self) -> "ArrayConfig":
        shapes = self.layers
        if any(shape.kernel_size < 1 or shape.dilation < 1 for shape in shapes):
            raise ValueError("kernel sizes and dilations are at least 1")
        places = [film.place for film in self.films]
        if len(set(places)) < len(places):
            raise ValueError(f"a film occurs twice among {', '.join(places)}")
        if not self.residual and self.width != self.channels:
            raise ValueError(f"without residual the bottleneck {self.width} must equal the channels {self.channels}")
        if not self.residual and "residual_output" in places:
            raise ValueError("film residual_output needs residual")
        if self.skip_channels is None and "skip_output" in places:
            raise ValueError("film skip_output needs skip_channels")
        for shape in shapes:
            for activation in (shape.activation, shape.gate):
                if activation.name == "leaky_relu" and len(activation.slopes) not in (1, self.width):
                    raise ValueError(f"{len(activation.slopes)} slopes for {self.width} channels")
        return self

    @property
    def width(self) -> int:
        """Channels after the activation."""
        return self.bottleneck or self.channels

    @property
    def skip_width(self) -> int:
        """Channels that each layer adds for the head."""
        return self.skip_channels or self.width

    @property
    def layers(self) -> list[LayerShape]:
        """The shape of each layer."""
        columns = (self.kernel_size, self.dilations, self.activation, self.gating, self.gate)
        return [LayerShape(*row) for row in zip(*(self._each(column) for column in columns), strict=True)]

    def _each(self, value: Value | tuple[Value, ...]) -> Sequence[Value]:
        if not isinstance(value, tuple):
            return [value] * len(self.dilations)
        if len(value) != len(self.dilations):
            raise ValueError(f"{len(value)} values for {len(self.dilations)} layers; expected one, or one per layer")
        return value

    def reach(self, x: int, condition: int, head: int) -> tuple[int, int]:
        """Return on how many past samples the residual path and the head depend.

        Args:
            x: past samples on which the input depends.
            condition: those of the condition.
            head: those of what is added to the input of the head.
        """
        is_modulated = any(film.place == "conv_input" for film in self.films)
        for shape in self.layers:
            heard = max(x, condition) if is_modulated else x
            activated = max(heard + (shape.kernel_size - 1) * shape.dilation, condition)
            x, head = max(x, activated) if self.residual else x, max(head, activated)
        return x, head + (self.head_kernel_size - 1) * self.head_dilation


class PostHeadConfig(Config):
    """Convolutions after all arrays, each after its activation.

    Attributes:
        channels: width between them.
        kernel_sizes: taps of each.
        activation: activation before each.
    """

    channels: int = Field(gt=0)
    kernel_sizes: tuple[int, ...] = Field(min_length=1)
    activation: Activation = Activation(name="tanh")

    @model_validator(mode="after")
    def _check(self) -> "PostHeadConfig":
        if min(self.kernel_sizes) < 1:
            raise ValueError("kernel sizes are at least 1")
        return self


def two_arrays(
    channels: int, dilations: tuple[Sequence[int], Sequence[int]], activation: str = "tanh"
) -> tuple[ArrayConfig, ...]:
    """Return the arrays of the first generation: one of ``channels``, then one of half as many."""
    kind = Activation.from_dict({"name": activation})
    first, second = (tuple(each) for each in dilations)
    half = channels // 2
    return (
        ArrayConfig(channels=channels, dilations=first, activation=kind, head_channels=half, head_bias=False),
        ArrayConfig(channels=half, dilations=second, activation=kind),
    )


_DOUBLING = tuple(2**power for power in range(10))
_SPLIT = (_DOUBLING[:7], _DOUBLING[7:] + _DOUBLING)


class WaveNetConfig(EffectConfig):
    """Configuration of a WaveNet; the defaults are the usual capture of the first generation.

    Attributes:
        arrays: the arrays; each takes the residual path of the one before, and adds to its head.
        head_scale: factor on the output of the last head.
        post_head: convolutions after the last head; ``None``: there are none.
        condition: a network whose outputs replace the audio as the condition of all layers.
        num_outputs: output channels: 1, or those of a condition.
    """

    sample_rate: int = Field(default=48000, gt=0)
    arrays: tuple[ArrayConfig, ...] = Field(default=two_arrays(16, (_DOUBLING, _DOUBLING)), min_length=1)
    head_scale: float = 0.02
    post_head: PostHeadConfig | None = None
    condition: "WaveNetConfig | None" = None
    num_outputs: int = Field(default=1, gt=0)

    @model_validator(mode="after")
    def _check(self) -> "WaveNetConfig":
        if self.audio_channels != 1:
            raise ValueError(
                f"a WaveNet has 1 audio channel, found {self.audio_channels}; channels are processed alike"
            )
        for before, array in zip(self.arrays, self.arrays[1:], strict=False):
            if not before.head_channels == array.channels == array.skip_width:
                raise ValueError(
                    f"an array of {array.channels} channels that adds {array.skip_width} to the head, after one with a "
                    f"head of {before.head_channels}; expected equal numbers"
                )
        last = self.arrays[-1].head_channels
        if self.post_head is None and last != self.num_outputs:
            raise ValueError(f"{last} head channels in the last array; expected {self.num_outputs}")
        if self.condition is not None and (len(self.knobs) or len(self.condition.knobs)):
            raise ValueError("a WaveNet with a condition network has no knobs")
        return self

    @property
    def condition_channels(self) -> int:
        """Channels of the condition: the audio, or the outputs of the condition network; then the knobs."""
        return (self.condition.num_outputs if self.condition else 1) + len(self.knobs)

    @property
    def receptive_field(self) -> int:
        """Number of input samples on which an output sample depends."""
        x, head, condition = 0, 0, self.condition.receptive_field - 1 if self.condition else 0
        for array in self.arrays:
            x, head = array.reach(x, condition, head)
        return 1 + head + (sum(size - 1 for size in self.post_head.kernel_sizes) if self.post_head else 0)


def _second_generation(channels: int) -> WaveNetConfig:
    cycle = (1, 3, 7, 17, 41, 101, 239)
    array = ArrayConfig(
        channels=channels,
        dilations=(*cycle, *cycle, 1, 13, *cycle),
        kernel_size=(*[6] * 14, 15, 15, *[6] * 7),
        activation=Activation(name="leaky_relu"),
        head_kernel_size=16,
    )
    return WaveNetConfig(arrays=(array,), head_scale=0.01)


VARIANTS: dict[str, WaveNetConfig] = {
    "standard": WaveNetConfig(),
    "lite": WaveNetConfig(arrays=two_arrays(12, _SPLIT)),
    "feather": WaveNetConfig(arrays=two_arrays(8, _SPLIT)),
    "nano": WaveNetConfig(arrays=two_arrays(4, _SPLIT)),
    "a2_full": _second_generation(8),
    "a2_lite": _second_generation(3),
}
