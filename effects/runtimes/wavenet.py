"""The stream of a WaveNet, in compiled code where possible."""

from torch import Tensor, nn

from effects.models.histories import context_of
from effects.models.wavenet import WaveNet
from effects.models.wavenet_network import Array, Layer, PostHead, WaveNetNetwork
from effects.runtimes.row_kernels import ADD, BLEND, MODULATE, MULTIPLY
from effects.runtimes.row_program import ProgramStream, RowProgram, Rows, dense_kernel

__all__ = ["WaveNetStream"]


class WaveNetStream(ProgramStream[WaveNet]):
    """Stream of a WaveNet."""

    def rows(self, audio: Tensor, knobs: Tensor) -> Tensor:
        """Return audio and knobs."""
        return self.model.condition(audio, knobs) if len(self.model.knobs) else audio

    def build(self) -> RowProgram:
        """Return the steps of the condition networks, innermost first, and of the network."""
        program = RowProgram(1 + len(self.model.knobs))
        condition = program.input
        for index in reversed(range(len(self.model.conditions))):
            name = f"condition.{index}."
            condition = _Writer(program, condition, name).add_network(self.model.conditions[index])
        program.output = _Writer(program, condition, "").add_network(self.model.network)
        return program


class _Writer:
    """Writes a network into a program.

    Args:
        program: the program.
        condition: rows of the condition.
        name: prefix of the names of the pasts.
    """

    def __init__(self, program: RowProgram, condition: Rows, name: str) -> None:
        self._program, self._condition, self._name = program, condition, name

    def add_network(self, network: WaveNetNetwork) -> Rows:
        """Write all arrays and heads; return the output rows."""
        # The first channel of the input is the audio.
        x, head = self._program.input._replace(channels=1), None
        arrays = list(network.arrays)
        for index, array in enumerate(arrays):
            is_last = index + 1 == len(arrays)
            scale = network.head_scale if is_last else 1.0
            x, head = self._add_array(array, x, head, f"{self._name}arrays.{index}", scale)
        assert head is not None
        return head if network.post_head is None else self._add_post_head(network.post_head, head)

    def _add_array(self, array: Array, x: Rows, head: Rows | None, name: str, scale: float) -> tuple[Rows, Rows]:
        """Write an array; return the rows of its residual path and of its head."""
        program = self._program
        layers = list(array.layers)
        places = [self._add_place(layer, f"{name}.layers.{index}") for index, layer in enumerate(layers)]
        program.project(places[0], x, array.rechannel)
        added = program.past(f"{name}.head", array.head.in_channels, context_of(array.head))
        program.fill(added, None, head)
        after = program.work(f"{name}.output", array.rechannel.out_channels)
        for index, layer in enumerate(layers):
            following = places[index + 1] if index + 1 < len(layers) else after
            self._add_layer(layer, places[index], following, added, f"{name}.layers.{index}")
        output = program.work(f"{name}.head_output", array.head.out_channels)
        program.fill(output, None if array.head.bias is None else scale * array.head.bias)
        program.convolve(output, added, scale * dense_kernel(array.head), array.head.dilation[0])
        return after, output

    def _add_place(self, layer: Layer, name: str) -> Rows:
        """Return the rows of a layer's input: its convolution's past, unless that hears it modulated."""
        past = self._program.past(name, layer.conv.in_channels, context_of(layer.conv))
        return self._program.work(name, layer.conv.in_channels) if "conv_input" in layer.films else past

    def _add_layer(self, layer: Layer, x: Rows, following: Rows, head: Rows, name: str) -> None:
        """Write a layer from ``x`` to ``following`` and to ``head``, to which it is added."""
        program = self._program
        heard = program.pasts[name]
        if "conv_input" in layer.films:
            program.fill(heard, None, x)
            self._modulate(layer, "conv_input", heard)
        count = 1 if layer.shape.gating == "none" else 2
        halves = []
        for half in range(count):
            part = slice(half * layer.width, (half + 1) * layer.width)
            z = program.work(f"half.{half}", layer.width)
            program.project(z, heard, layer.conv, part)
            self._modulate(layer, "conv_output", z, part)
            self._mix(layer, z, part)
            self._modulate(layer, "activation_input", z, part)
            halves.append(z)
        a = self._activate(layer, halves)
        self._modulate(layer, "activation_output", a)
        self._add_residual(layer, x, a, following)
        skip = a
        if layer.skip is not None:
            skip = program.work("skip", layer.skip.out_channels)
            program.project(skip, a, layer.skip)
            self._modulate(layer, "skip_output", skip)
        program.combine(ADD, head, skip)

    def _mix(self, layer: Layer, z: Rows, part: slice) -> None:
        """Add the condition to a half."""
        program, condition = self._program, self._condition
        kernel = dense_kernel(layer.mixin)[part]
        if not layer.films.keys() & {"mixin_input", "mixin_output"}:
            program.convolve(z, condition, kernel)
            return
        if "mixin_input" in layer.films:
            heard = program.work("mixin_input", condition.channels)
            program.fill(heard, None, condition)
            self._modulate(layer, "mixin_input", heard)
            condition = heard
        mixed = program.work("mixed", layer.width)
        program.fill(mixed)
        program.convolve(mixed, condition, kernel)
        self._modulate(layer, "mixin_output", mixed, part)
        program.combine(ADD, z, mixed)

    def _activate(self, layer: Layer, halves: list[Rows]) -> Rows:
        program, shape = self._program, layer.shape
        first = halves[0]
        if shape.gating == "none":
            program.apply(shape.activation, first, first)
            return first
        program.apply(shape.gate, halves[1], halves[1])
        if shape.gating == "gated":
            program.apply(shape.activation, first, first)
            program.combine(MULTIPLY, first, halves[1])
            return first
        activated = program.work("activated", layer.width)
        program.apply(shape.activation, activated, first)
        program.combine(BLEND, activated, halves[1], first)
        return activated

    def _add_residual(self, layer: Layer, x: Rows, a: Rows, following: Rows) -> None:
        program = self._program
        if layer.residual is None:
            program.fill(following, None, x)
        elif "residual_output" not in layer.films:
            program.fill(following, layer.residual.bias, x)
            program.convolve(following, a, dense_kernel(layer.residual))
        else:
            path = program.work("residual", layer.residual.out_channels)
            program.project(path, a, layer.residual)
            self._modulate(layer, "residual_output", path)
            program.fill(following, None, x)
            program.combine(ADD, following, path)

    def _modulate(self, layer: Layer, place: str, rows: Rows, part: slice = slice(None)) -> None:
        """Modulate rows, which are some of the channels of a place, if the layer does so there."""
        film = layer.film_at(place)
        if film is None:
            return
        channels = range(film.channels)[part]
        scale = self._film_part(film.projection, "scale", rows, slice(channels.start, channels.stop))
        if film.projection.out_channels == film.channels:
            self._program.combine(MULTIPLY, rows, scale)
            return
        shift_part = slice(film.channels + channels.start, film.channels + channels.stop)
        shift = self._film_part(film.projection, "shift", rows, shift_part)
        self._program.combine(MODULATE, rows, scale, shift)

    def _film_part(self, projection: nn.Conv1d, name: str, like: Rows, part: slice) -> Rows:
        rows = self._program.work(name, like.channels)
        self._program.project(rows, self._condition, projection, part)
        return rows

    def _add_post_head(self, head: PostHead, x: Rows) -> Rows:
        """Write the convolutions after all arrays; return the output rows."""
        for index, layer in enumerate(head.layers):
            name = f"{self._name}post_head.{index}"
            heard = self._program.past(name, layer.in_channels, context_of(layer))
            self._program.apply(head.activation, heard, x)
            x = self._program.work(f"{self._name}post_head.{index}.output", layer.out_channels)
            self._program.project(x, heard, layer)
        return x
