"""State-space networks with knobs: S4D layers (arXiv 2206.11893) for audio effects, after Yin et al. 2024.

Examples:
    >>> import torch
    >>> from effects import Engine
    >>> from effects.models.s4 import VARIANTS, S4Effect
    >>> model = S4Effect(VARIANTS["s4_32"])  # untrained
    >>> engine = Engine(model, sample_rate=48000)
    >>> engine.process(torch.zeros(1, 512)).shape
    torch.Size([1, 512])
"""

import torch
from pydantic import Field
from torch import Tensor, nn

from effects.models.devices import LA2A_KNOBS
from effects.models.film import Condition, FiLM
from effects.models.head import Head, HeadName
from effects.models.model import EffectConfig, EffectModel, State
from vocoders.layers.containers import ModuleListOf
from vocoders.layers.s4.config import S4Config
from vocoders.layers.s4.layer import S4Layer, S4State

__all__ = ["VARIANTS", "S4Effect", "S4EffectConfig"]


class S4EffectConfig(EffectConfig):
    """Configuration of a state-space effect.

    Attributes:
        channels: width of the network.
        num_blocks: number of blocks.
        d_state: number of complex states per feature, conjugates included.
        dt_min: smallest initial step size in samples: the longest memory is about ``1 / dt_min``.
        dt_max: largest initial step size.
        head: ``direct`` or ``gain``, see :class:`~effects.models.head.Head`.
        residual: head ``direct``: add the dry audio.
        condition_channels: widths of the layers of the condition.
    """

    channels: int = Field(default=32, gt=0)
    num_blocks: int = Field(default=4, gt=0)
    d_state: int = Field(default=4, gt=0, multiple_of=2)
    dt_min: float = Field(default=0.001, gt=0)
    dt_max: float = Field(default=0.1, gt=0)
    head: HeadName = "gain"
    residual: bool = False
    condition_channels: tuple[int, ...] = Field(default=(16, 32), min_length=1)

    @property
    def layer(self) -> S4Config:
        """Configuration of each block's state-space layer."""
        return S4Config(
            structure="diagonal",
            d_state=self.d_state,
            num_systems=None,
            initialisation="lin",
            discretisation="zoh",
            dt_min=self.dt_min,
            dt_max=self.dt_max,
        )


class S4Block(nn.Module):
    """State-space layer and modulation, with a residual connection.

    Shape:
        x (B, C, T), condition (B, c, T or 1) -> (B, C, T).
    """

    def __init__(self, config: S4EffectConfig) -> None:
        super().__init__()
        self.layer = S4Layer(config.channels, config.layer)
        self.film = FiLM(config.channels, config.condition_channels[-1])

    def forward(self, x: Tensor, condition: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Return the output and the state after it, complex (B, C, n)."""
        system = self.layer.kernel.discretise().to(state.dtype)
        y, after = self.layer.advance(x, S4State(system, state))
        return x + self.film(y, condition), after.x


class S4Effect(EffectModel[S4EffectConfig]):
    """State-space effect at the rate of the audio.

    It trains as a convolution and streams as a recurrence, with equal results.

    Args:
        config: see :class:`S4EffectConfig`.
    """

    family = "s4"
    runtime = "effects.runtimes.s4:S4Stream"
    config_class = S4EffectConfig
    onnx_graph = "effects.runtimes.onnx.s4:build_s4"

    def __init__(self, config: S4EffectConfig) -> None:
        super().__init__()
        self.config = config
        self.condition = Condition(len(config.knobs), config.condition_channels)
        self.expansion = nn.Conv1d(config.audio_channels, config.channels, 1)
        self.blocks = ModuleListOf(S4Block(config) for _ in range(config.num_blocks))
        self.head = Head(config.head, config.audio_channels, config.residual)
        self.projection = nn.Conv1d(config.channels, self.head.num_features, 1)
        self.head.start(self.projection)

    @property
    def takes_linked_channels(self) -> bool:
        """Whether a mono model takes several channels and applies the same gain to all."""
        return self.config.head == "gain"

    def system_parameters(self) -> list[str]:
        """Return the names of parameters (step sizes, A, B) with a separate learning rate and no weight decay."""
        return [name for name, _ in self.named_parameters() if ".kernel." in name and not name.endswith(".C")]

    def forward(self, audio: Tensor, knobs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Apply the effect; see :meth:`EffectModel.forward`."""
        state = self.check_inputs(audio, knobs, state)
        if audio.shape[-1] == 0:
            return audio.clone(), state
        condition = self.condition(knobs.to(audio.dtype))
        x, after = self.expansion(self.detector(audio)), {}
        for index, block in enumerate(self.blocks):
            x, new = block(x, condition, torch.view_as_complex(state[f"states.{index}"].contiguous()))
            after[f"states.{index}"] = torch.view_as_real(new)
        return self.head(self.projection(x), audio), after

    def initial_state(
        self, batch: int, channels: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
    ) -> State:
        """Return the state after silence: zeros (B, C, n, 2), real and imaginary parts, for each block.

        States are always in float64, since they sum thousands of samples.
        """
        shape = (batch, self.config.channels, self.config.d_state // 2, 2)
        names = (f"states.{index}" for index in range(self.config.num_blocks))
        return {name: torch.zeros(shape, device=device, dtype=torch.float64) for name in names}


VARIANTS: dict[str, S4EffectConfig] = {
    "s4_32": S4EffectConfig(knobs=LA2A_KNOBS),
}
