"""A neural effect with one knob and a memory of one sample."""

import torch
from torch import Tensor, nn

from effects.knobs import Knob, KnobSet
from effects.models import EffectConfig, EffectModel, State


class TubeConfig(EffectConfig):
    """Sample rate, channels and knobs, as every effect has them; a recipe may bring other knobs."""

    knobs: KnobSet = KnobSet(knobs=(Knob(name="drive", unit="dB", min=0, max=24, default=12, scale="db"),))


class ToyTube(EffectModel):
    """A filter of two taps into a tanh, driven by the knobs."""

    family = "toy_tube"
    config_class = TubeConfig
    onnx_graph = "ondes_toy.effect_graph:build"

    def __init__(self, config: TubeConfig) -> None:
        super().__init__()
        self.config = config
        self.drive = nn.Linear(len(config.knobs), 1)
        self.memory = nn.Parameter(torch.tensor(0.1))

    def initial_state(
        self, batch: int, channels: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
    ) -> State:
        """Return what a stream starts with: silence."""
        return {"last": torch.zeros(batch, channels, 1, device=device, dtype=dtype)}

    def forward(self, audio: Tensor, knobs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return the next samples (B, C, T) and the state; knobs (B, K), or (B, K, T) while they move."""
        state = self.check_inputs(audio, knobs, state)
        heard = torch.cat([state["last"], audio], dim=-1)
        moving = knobs if knobs.ndim == 3 else knobs[..., None]
        gain = self.drive(moving.transpose(1, 2)).transpose(1, 2).exp()
        output = torch.tanh(gain * (audio + self.memory * heard[..., :-1]))
        return output, {"last": heard[..., -1:]}
