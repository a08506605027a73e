"""The stream of a ConvNet, in compiled code where possible."""

from torch import Tensor

from effects.models.convnet import ConvNet
from effects.runtimes.row_program import ProgramStream, RowProgram

__all__ = ["ConvNetStream"]


class ConvNetStream(ProgramStream[ConvNet]):
    """Stream of a ConvNet."""

    def rows(self, audio: Tensor, knobs: Tensor) -> Tensor:
        """Return the audio."""
        return audio

    def build(self) -> RowProgram:
        """Return the steps of all blocks, with norms folded into the convolutions, and of the head."""
        model, program = self.model, RowProgram(1)
        x = program.input
        for index, (name, (channels, context)) in enumerate(model.contexts.items()):
            heard = program.past(name, channels, context)
            if index == 0:
                program.fill(heard, None, x)
            else:
                program.apply(model.config.activation, heard, x)
            kernel, bias = model.folded(index)
            x = program.work("convolved", model.config.channels)
            program.fill(x, bias)
            program.convolve(x, heard, kernel.detach(), model.convolutions[index].dilation[0])
        program.apply(model.config.activation, x, x)
        program.output = program.work("output", 1)
        program.project(program.output, x, model.head)
        return program
