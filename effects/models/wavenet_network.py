"""The network of a WaveNet for captures: arrays of dilated layers, whose activations add up to the input of a head.

Modules are registered in the order of the weights in a `.nam` file, so that the parameters, flat one after the other,
are such a list of weights.
"""

from torch import Tensor, nn

from effects.models.activations import activate
from effects.models.histories import Past, context_of
from effects.models.wavenet_config import FILMS, ArrayConfig, LayerShape, PostHeadConfig, WaveNetConfig
from vocoders.layers.containers import ModuleDictOf, ModuleListOf

__all__ = ["Array", "Film", "Layer", "PostHead", "WaveNetNetwork"]


class Film(nn.Module):
    """Scale each channel, and shift it, by linear functions of the condition.

    Shape:
        x (B, C, T), condition (B, condition_channels, T) -> (B, C, T).
    """

    def __init__(self, channels: int, condition_channels: int, shift: bool, groups: int) -> None:
        super().__init__()
        self.channels = channels
        self.projection = nn.Conv1d(condition_channels, channels * (1 + shift), 1, groups=groups)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Modulate ``x``."""
        values = self.projection(condition)
        y = x * values[:, : self.channels]
        return y if values.shape[1] == self.channels else y + values[:, self.channels :]


class Layer(nn.Module):
    """A dilated convolution with the condition mixed in, an activation with an optional gate, and a residual path.

    Args:
        array: the array.
        shape: what is special to this layer.
        condition_channels: channels of the condition.

    Shape:
        x (B, channels, T), condition (B, condition_channels, T) -> residual path (B, channels, T), and what is added to
        the input of the head (B, skip_width, T).
    """

    def __init__(self, array: ArrayConfig, shape: LayerShape, condition_channels: int) -> None:
        super().__init__()
        self.shape, self.width = shape, array.width
        channels, width = array.channels, array.width
        activated = width if shape.gating == "none" else 2 * width
        self.conv = nn.Conv1d(channels, activated, shape.kernel_size, dilation=shape.dilation, groups=array.groups)
        self.mixin = nn.Conv1d(condition_channels, activated, 1, groups=array.mixin_groups, bias=False)
        self.residual = nn.Conv1d(width, channels, 1, groups=array.residual_groups) if array.residual else None
        skips = array.skip_channels
        self.skip = None if skips is None else nn.Conv1d(width, skips, 1, groups=array.skip_groups)
        sizes = (channels, activated, condition_channels, activated, activated, width, channels, array.skip_width)
        found = {film.place: film for film in array.films}
        self.films = ModuleDictOf(
            {
                place: Film(size, condition_channels, found[place].shift, found[place].groups)
                for place, size in zip(FILMS, sizes, strict=True)
                if place in found
            }
        )

    def forward(self, x: Tensor, condition: Tensor, past: Past, name: str) -> tuple[Tensor, Tensor]:
        """Return the residual path and the input of the head; ``name`` is that of the convolution's past."""
        heard = past.extend(name, self.film("conv_input", x, condition), context_of(self.conv))
        convolved = self.film("conv_output", self.conv(heard), condition)
        mixed = self.film("mixin_output", self.mixin(self.film("mixin_input", condition, condition)), condition)
        z = self.film("activation_input", convolved + mixed, condition)
        a = self.film("activation_output", self._activate(z), condition)
        residual = None if self.residual is None else self.film("residual_output", self.residual(a), condition)
        skip = a if self.skip is None else self.film("skip_output", self.skip(a), condition)
        return x if residual is None else x + residual, skip

    def film(self, place: str, x: Tensor, condition: Tensor) -> Tensor:
        """Modulate ``x`` if the layer does so at this place."""
        film = self.film_at(place)
        return x if film is None else film(x, condition)

    def film_at(self, place: str) -> Film | None:
        """Return the modulation of a place, if there is one."""
        return self.films[place] if place in self.films else None

    def _activate(self, z: Tensor) -> Tensor:
        first = z[:, : self.width]
        activated = activate(first, self.shape.activation)
        if self.shape.gating == "none":
            return activated
        gate = activate(z[:, self.width :], self.shape.gate)
        return gate * activated if self.shape.gating == "gated" else first + gate * (activated - first)


class Array(nn.Module):
    """Layers of a common width, and their head.

    Args:
        config: see :class:`ArrayConfig`.
        in_channels: channels of the input: those of the array before, or of the audio.
        condition_channels: channels of the condition.
    """

    def __init__(self, config: ArrayConfig, in_channels: int, condition_channels: int) -> None:
        super().__init__()
        self.rechannel = nn.Conv1d(in_channels, config.channels, 1, bias=False)
        self.layers = ModuleListOf(Layer(config, shape, condition_channels) for shape in config.layers)
        self.head = nn.Conv1d(
            config.skip_width,
            config.head_channels,
            config.head_kernel_size,
            dilation=config.head_dilation,
            bias=config.head_bias,
        )

    def forward(
        self, x: Tensor, condition: Tensor, head: Tensor | None, past: Past, name: str
    ) -> tuple[Tensor, Tensor]:
        """Return the residual path and the output of the head, to whose input ``head`` is added."""
        x = self.rechannel(x)
        for index, layer in enumerate(self.layers):
            x, skip = layer(x, condition, past, f"{name}.layers.{index}")
            head = skip if head is None else head + skip
        assert head is not None
        return x, self.head(past.extend(f"{name}.head", head, context_of(self.head)))


class PostHead(nn.Module):
    """Convolutions after the last head, each after its activation.

    Shape:
        (B, in_channels, T) -> (B, out_channels, T).
    """

    def __init__(self, config: PostHeadConfig, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.activation = config.activation
        widths = [in_channels, *[config.channels] * (len(config.kernel_sizes) - 1), out_channels]
        self.layers = ModuleListOf(
            nn.Conv1d(before, after, size)
            for before, after, size in zip(widths, widths[1:], config.kernel_sizes, strict=False)
        )

    def forward(self, x: Tensor, past: Past, name: str) -> Tensor:
        """Return the outputs."""
        for index, layer in enumerate(self.layers):
            x = layer(past.extend(f"{name}.{index}", activate(x, self.activation), context_of(layer)))
        return x


class WaveNetNetwork(nn.Module):
    """All arrays and the heads, without the condition network.

    Args:
        config: see :class:`WaveNetConfig`.
    """

    def __init__(self, config: WaveNetConfig) -> None:
        super().__init__()
        self.head_scale = config.head_scale
        widths = [1, *(array.channels for array in config.arrays)]
        self.arrays = ModuleListOf(
            Array(array, width, config.condition_channels) for array, width in zip(config.arrays, widths, strict=False)
        )
        last = config.arrays[-1].head_channels
        post = config.post_head
        self.post_head = None if post is None else PostHead(post, last, config.num_outputs)
        # Nothing follows the last residual path; files contain its weights all the same.
        for name, parameter in self.arrays[-1].layers[-1].named_parameters():
            if name.startswith(("residual.", "films.residual_output.")):
                parameter.requires_grad_(False)

    def forward(self, audio: Tensor, condition: Tensor, past: Past, name: str) -> Tensor:
        """Return outputs (B, num_outputs, T) for audio (B, 1, T) and condition (B, condition_channels, T)."""
        x, head = audio, None
        for index, array in enumerate(self.arrays):
            x, head = array(x, condition, head, past, f"{name}arrays.{index}")
        assert head is not None
        y = self.head_scale * head
        return y if self.post_head is None else self.post_head(y, past, f"{name}post_head")

    def contexts(self, name: str) -> dict[str, tuple[int, int]]:
        """Return channels and number of samples of the past of every convolution, by its name."""
        found = {}
        for index, array in enumerate(self.arrays):
            here = f"{name}arrays.{index}"
            convolutions = {f"{here}.layers.{number}": layer.conv for number, layer in enumerate(array.layers)}
            for place, convolution in (convolutions | {f"{here}.head": array.head}).items():
                found[place] = convolution.in_channels, context_of(convolution)
        for index, convolution in enumerate(self.post_head.layers if self.post_head else ()):
            found[f"{name}post_head.{index}"] = convolution.in_channels, context_of(convolution)
        return found
