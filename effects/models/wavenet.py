"""WaveNet: the usual network of captures of amplifiers and pedals, in both generations of `.nam` files.

The knobs, if there are any, join the audio in the condition, which is mixed into every layer (van den Oord et al. 2016,
arXiv 1609.03499; Wright et al. 2019 for amplifiers).

Examples:
    >>> import torch
    >>> from effects import render
    >>> from effects.models.wavenet import VARIANTS, WaveNet
    >>> model = WaveNet(VARIANTS["nano"])  # untrained
    >>> wet = render(model, torch.zeros(1, 4800), 48000)
"""

import torch
from torch import Tensor

from effects.models.histories import ConstantPast, Past, StoredPast
from effects.models.model import EffectModel, State
from effects.models.wavenet_config import VARIANTS, WaveNetConfig
from effects.models.wavenet_network import WaveNetNetwork
from vocoders.core.errors import ConfigError
from vocoders.layers.containers import ModuleListOf

__all__ = ["VARIANTS", "WaveNet", "WaveNetConfig"]

_CONDITION = "condition."


class WaveNet(EffectModel[WaveNetConfig]):
    """WaveNet for one audio channel.

    A stream starts in rest: as if the input had been silent for ever, with the knobs at their defaults.

    Args:
        config: see :class:`WaveNetConfig`.

    Raises:
        ConfigError: if the network has several outputs.
    """

    family = "wavenet"
    runtime = "effects.runtimes.wavenet:WaveNetStream"
    config_class = WaveNetConfig
    onnx_graph = "effects.runtimes.onnx.wavenet:build_wavenet"

    def __init__(self, config: WaveNetConfig) -> None:
        super().__init__()
        if config.num_outputs != 1:
            raise ConfigError(f"a WaveNet of {config.num_outputs} outputs is a condition; expected 1 for an effect")
        self.config = config
        self.network = WaveNetNetwork(config)
        # The outermost condition comes last, as each network hears those after it.
        conditions, inner = [], config.condition
        while inner is not None:
            conditions.append(WaveNetNetwork(inner))
            inner = inner.condition
        self.conditions = ModuleListOf(conditions)

    @property
    def receptive_field(self) -> int:
        """Number of input samples on which an output sample depends."""
        return self.config.receptive_field

    def forward(self, audio: Tensor, knobs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Apply the effect; see :meth:`EffectModel.forward`."""
        state = self.check_inputs(audio, knobs, state)
        if audio.numel() == 0:
            return audio.clone(), state
        past = StoredPast(state)
        return self._run(audio, self.condition(audio, knobs), past), past.latest

    def condition(self, audio: Tensor, knobs: Tensor) -> Tensor:
        """Return audio and knobs as rows (B, 1 + K, T)."""
        still = knobs.to(audio.dtype)
        still = still if still.ndim == 3 else still[..., None]
        return torch.cat([audio, still.expand(-1, -1, audio.shape[-1])], dim=1)

    def _run(self, audio: Tensor, condition: Tensor, past: Past) -> Tensor:
        for index in reversed(range(len(self.conditions))):
            condition = self.conditions[index](audio, condition, past, f"{_CONDITION}{index}.")
        return self.network(audio, condition, past, "")

    def initial_state(
        self, batch: int, channels: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
    ) -> State:
        """Return the state in rest: the past (B, C, context) of every convolution."""
        past, own = ConstantPast(), next(self.parameters())
        silence = own.new_zeros(1, 1, 1)
        knobs = self.knobs.normalize(self.knobs.values())[None].to(own)
        with torch.no_grad():
            self._run(silence, self.condition(silence, knobs), past)
        state = {name: past.latest[name].expand(batch, -1, -1) for name in self.contexts}
        return {name: tensor.to(device=device, dtype=dtype).contiguous() for name, tensor in state.items()}

    @property
    def contexts(self) -> dict[str, tuple[int, int]]:
        """Channels and number of samples of the past of every convolution, by its name in states."""
        found = {}
        for index, network in enumerate(self.conditions):
            found |= network.contexts(f"{_CONDITION}{index}.")
        return found | self.network.contexts("")
