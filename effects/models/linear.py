"""Linear filter with a finite impulse response: the Linear model of `.nam` files, such as a cabinet.

Examples:
    >>> import torch
    >>> from effects import render
    >>> from effects.models.linear import Linear, LinearConfig
    >>> model = Linear(LinearConfig(taps=64))  # untrained
    >>> wet = render(model, torch.zeros(1, 4800), 48000)
"""

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from effects.models.model import EffectConfig, EffectModel, State

__all__ = ["VARIANTS", "Linear", "LinearConfig"]


class LinearConfig(EffectConfig):
    """Configuration of a linear filter.

    Attributes:
        taps: length of the impulse response in samples.
        bias: whether a constant is added.
    """

    sample_rate: int = Field(default=48000, gt=0)
    taps: int = Field(default=8192, gt=0)
    bias: bool = False

    @model_validator(mode="after")
    def _check(self) -> "LinearConfig":
        if self.audio_channels != 1 or len(self.knobs):
            raise ValueError("a linear filter has 1 audio channel and no knobs")
        return self


class Linear(EffectModel[LinearConfig]):
    """Convolution with a learned impulse response.

    Args:
        config: see :class:`LinearConfig`.

    Attributes:
        response: the impulse response (taps,), from the time of the impulse on.
        offset: what is added, (1,), or ``None``.
    """

    family = "linear"
    runtime = "effects.runtimes.linear:LinearStream"
    config_class = LinearConfig
    onnx_graph = "effects.runtimes.onnx.wavenet:build_linear"

    def __init__(self, config: LinearConfig) -> None:
        super().__init__()
        self.config = config
        self.response = nn.Parameter(F.one_hot(torch.tensor(0), config.taps).float())
        self.offset = nn.Parameter(torch.zeros(1)) if config.bias else None

    @property
    def receptive_field(self) -> int:
        """Number of input samples on which an output sample depends."""
        return self.config.taps

    def forward(self, audio: Tensor, knobs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Apply the effect; see :meth:`EffectModel.forward`."""
        state = self.check_inputs(audio, knobs, state)
        if audio.numel() == 0:
            return audio.clone(), state
        heard = torch.cat([state["past"], audio], dim=-1)
        y = F.conv1d(heard, self.response.flip(0)[None, None], self.offset)
        return y, {"past": heard[..., heard.shape[-1] - self.config.taps + 1 :]}

    def initial_state(
        self, batch: int, channels: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
    ) -> State:
        """Return the state after silence: the past (B, 1, taps - 1)."""
        return {"past": torch.zeros(batch, 1, self.config.taps - 1, device=device, dtype=dtype)}


VARIANTS: dict[str, LinearConfig] = {"impulse_response": LinearConfig()}
