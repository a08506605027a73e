"""Plain stack of dilated convolutions: the ConvNet of `.nam` files.

Examples:
    >>> import torch
    >>> from effects import render
    >>> from effects.models.convnet import ConvNet, ConvNetConfig
    >>> model = ConvNet(ConvNetConfig(channels=4, dilations=(1, 2, 4)))  # untrained
    >>> wet = render(model, torch.zeros(1, 4800), 48000)
"""

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from effects.models.activations import Activation, activate
from effects.models.histories import ConstantPast, Past, StoredPast, context_of
from effects.models.model import EffectConfig, EffectModel, State
from vocoders.layers.containers import ModuleListOf

__all__ = ["VARIANTS", "ConvNet", "ConvNetConfig"]


class ConvNetConfig(EffectConfig):
    """Configuration of a ConvNet; the defaults are the usual ones of captures.

    Attributes:
        channels: width.
        dilations: dilation of each block.
        batch_norm: whether each convolution is followed by a batch norm instead of having a bias.
        epsilon: added to the variance of batch norms; one number, or one for each block.
        activation: activation of the blocks.
    """

    sample_rate: int = Field(default=48000, gt=0)
    channels: int = Field(default=16, gt=0)
    dilations: tuple[int, ...] = Field(default=tuple(2**power for power in range(12)) * 2, min_length=1)
    batch_norm: bool = True
    epsilon: float | tuple[float, ...] = 1e-5
    activation: Activation = Activation(name="tanh")

    @model_validator(mode="after")
    def _check(self) -> "ConvNetConfig":
        if self.audio_channels != 1 or len(self.knobs):
            raise ValueError("a ConvNet has 1 audio channel and no knobs")
        if min(self.dilations) < 1:
            raise ValueError("dilations are at least 1")
        return self

    @property
    def epsilons(self) -> tuple[float, ...]:
        """The number added to the variance in each block."""
        return self.epsilon if isinstance(self.epsilon, tuple) else (self.epsilon,) * len(self.dilations)


class ConvNet(EffectModel[ConvNetConfig]):
    """Blocks of a convolution with two taps and an activation, then a 1x1 convolution.

    Args:
        config: see :class:`ConvNetConfig`.
    """

    family = "convnet"
    runtime = "effects.runtimes.convnet:ConvNetStream"
    config_class = ConvNetConfig
    onnx_graph = "effects.runtimes.onnx.wavenet:build_convnet"

    def __init__(self, config: ConvNetConfig) -> None:
        super().__init__()
        self.config = config
        widths = [1, *[config.channels] * (len(config.dilations) - 1)]
        self.convolutions = ModuleListOf(
            nn.Conv1d(width, config.channels, 2, dilation=dilation, bias=not config.batch_norm)
            for width, dilation in zip(widths, config.dilations, strict=True)
        )
        self.norms = ModuleListOf(
            nn.BatchNorm1d(config.channels, epsilon) for epsilon in config.epsilons if config.batch_norm
        )
        self.head = nn.Conv1d(config.channels, 1, 1)

    @property
    def receptive_field(self) -> int:
        """Number of input samples on which an output sample depends."""
        return 1 + sum(self.config.dilations)

    def forward(self, audio: Tensor, knobs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Apply the effect; see :meth:`EffectModel.forward`."""
        state = self.check_inputs(audio, knobs, state)
        if audio.numel() == 0:
            return audio.clone(), state
        past = StoredPast(state)
        return self._run(audio, past), past.latest

    def _run(self, x: Tensor, past: Past) -> Tensor:
        for index, convolution in enumerate(self.convolutions):
            x = convolution(past.extend(f"blocks.{index}", x, context_of(convolution)))
            x = activate(self.norms[index](x) if self.config.batch_norm else x, self.config.activation)
        return self.head(x)

    def folded(self, index: int) -> tuple[Tensor, Tensor]:
        """Return kernel and bias of a block's convolution with the running statistics of its norm folded in."""
        convolution = self.convolutions[index]
        if not self.config.batch_norm:
            assert convolution.bias is not None
            return convolution.weight, convolution.bias
        norm = self.norms[index]
        mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
        gain = norm.weight * torch.rsqrt(variance + norm.eps)
        return convolution.weight * gain[:, None, None], norm.bias - gain * mean

    def initial_state(
        self, batch: int, channels: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
    ) -> State:
        """Return the state in rest: the past (B, C, context) of every convolution."""
        past, was_training = ConstantPast(), self.training
        with torch.no_grad():
            self.eval()
            self._run(self.head.weight.new_zeros(1, 1, 1), past)
            self.train(was_training)
        state = {name: tensor.expand(batch, -1, -1) for name, tensor in past.latest.items()}
        return {name: tensor.to(device=device, dtype=dtype).contiguous() for name, tensor in state.items()}

    @property
    def contexts(self) -> dict[str, tuple[int, int]]:
        """Channels and number of samples of the past of every convolution, by its name in states."""
        found = enumerate(self.convolutions)
        return {f"blocks.{index}": (each.in_channels, context_of(each)) for index, each in found}


VARIANTS: dict[str, ConvNetConfig] = {"standard": ConvNetConfig()}
