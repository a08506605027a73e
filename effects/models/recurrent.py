"""Recurrent networks: the LSTM baseline of micro-TCN (arXiv 2102.06200) and our variants.

Examples:
    >>> import torch
    >>> from effects.models.recurrent import VARIANTS, Recurrent
    >>> model = Recurrent(VARIANTS["lstm_32"]).eval()  # untrained
    >>> knobs = model.knobs.normalize(model.knobs.values())[None].float()
    >>> with torch.inference_mode():
    ...     first, state = model(torch.zeros(1, 1, 512), knobs)
    ...     second, state = model(torch.zeros(1, 1, 512), knobs, state)
    >>> second.shape
    torch.Size([1, 1, 512])
"""

from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from effects.models.devices import LA2A_KNOBS
from effects.models.film import Condition, FiLM
from effects.models.head import Head, HeadName
from effects.models.model import EffectConfig, EffectModel, State

__all__ = ["VARIANTS", "Recurrent", "RecurrentConfig"]


class RecurrentConfig(EffectConfig):
    """Configuration of a recurrent effect; the defaults are the published LSTM-32, except for the knobs.

    Attributes:
        cell: ``lstm`` or ``gru``.
        hidden_size: number of units.
        num_layers: number of stacked layers.
        conditioning: ``concat``: the knobs are concatenated to the audio at every sample; ``film``: they modulate the
            output of the cells.
        head: ``direct`` (published), ``linear`` (captures) or ``gain``, see :class:`~effects.models.head.Head`.
        residual: head ``direct`` or ``linear``: add the dry audio.
        residual_gain: factor on the dry audio that is added.
        stored_start: streams start from a state that is stored with the weights, instead of zeros.
        condition_channels: ``film``: widths of the layers of the condition.
    """

    cell: Literal["lstm", "gru"] = "lstm"
    hidden_size: int = Field(default=32, gt=0)
    num_layers: int = Field(default=1, gt=0)
    conditioning: Literal["concat", "film"] = "concat"
    head: HeadName = "direct"
    residual: bool = False
    residual_gain: float = 1.0
    stored_start: bool = False
    condition_channels: tuple[int, ...] = Field(default=(16, 32), min_length=1)

    @model_validator(mode="after")
    def _check(self) -> "RecurrentConfig":
        if self.residual and self.head == "gain":
            raise ValueError(
                "residual belongs to head 'direct' or 'linear'; head 'gain' multiplies the dry audio already"
            )
        return self


class Recurrent(EffectModel[RecurrentConfig]):
    """LSTM or GRU at the rate of the audio.

    Args:
        config: see :class:`RecurrentConfig`.
    """

    family = "recurrent"
    runtime = "effects.runtimes.recurrent:RecurrentStream"
    config_class = RecurrentConfig
    onnx_graph = "effects.runtimes.onnx.recurrent:build_recurrent"
    rtneural_layers = "effects.runtimes.rtneural:recurrent_layers"

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        concat = config.conditioning == "concat"
        inputs = config.audio_channels + (len(config.knobs) if concat else 0)
        cell = nn.LSTM if config.cell == "lstm" else nn.GRU
        self.cells = cell(inputs, config.hidden_size, config.num_layers, batch_first=True)
        if not concat:
            self.condition = Condition(len(config.knobs), config.condition_channels)
            self.film = FiLM(config.hidden_size, config.condition_channels[-1])
        self.head = Head(config.head, config.audio_channels, config.residual, config.residual_gain)
        self.projection = nn.Linear(config.hidden_size, self.head.num_features)
        self.head.start(self.projection)
        if config.stored_start:
            for name in self.state_names:
                self.register_buffer(f"start_{name}", torch.zeros(config.num_layers, config.hidden_size))

    @property
    def takes_linked_channels(self) -> bool:
        """Whether a mono model takes several channels and applies the same gain to all."""
        return self.config.head == "gain"

    def forward(self, audio: Tensor, knobs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Apply the effect; see :meth:`EffectModel.forward`."""
        state = self.check_inputs(audio, knobs, state)
        if audio.shape[-1] == 0:
            return audio.clone(), state
        knobs = knobs.to(audio.dtype)
        hidden = tuple(state[name].transpose(0, 1).contiguous() for name in self.state_names)
        x, hidden = self.cells(self.rows(audio, knobs), hidden if self.config.cell == "lstm" else hidden[0])
        hidden = hidden if self.config.cell == "lstm" else (hidden,)
        pairs = zip(self.state_names, hidden, strict=True)
        return self.output(x, audio, knobs), {name: tensor.transpose(0, 1) for name, tensor in pairs}

    def rows(self, audio: Tensor, knobs: Tensor) -> Tensor:
        """Return the inputs of the cells, (B, T, inputs)."""
        x = self.detector(audio)
        if self.config.conditioning == "concat":
            still = knobs if knobs.ndim == 3 else knobs[..., None]
            x = torch.cat([x, still.expand(-1, -1, audio.shape[-1])], dim=1)
        return x.transpose(1, 2)

    def output(self, x: Tensor, audio: Tensor, knobs: Tensor) -> Tensor:
        """Return the audio for outputs (B, T, units) of the cells."""
        if self.config.conditioning == "film":
            x = self.film(x.transpose(1, 2), self.condition(knobs)).transpose(1, 2)
        return self.head(self.projection(x).transpose(1, 2), audio)

    def initial_state(
        self, batch: int, channels: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
    ) -> State:
        """Return the state at the start (B, layers, units): the stored one, or zeros."""
        shape = (batch, self.config.num_layers, self.config.hidden_size)
        if not self.config.stored_start:
            return {name: torch.zeros(shape, device=device, dtype=dtype) for name in self.state_names}
        starts = {name: self.get_buffer(f"start_{name}").expand(shape) for name in self.state_names}
        return {name: start.to(device=device, dtype=dtype, copy=True) for name, start in starts.items()}

    def warm_up(self, samples: int) -> None:
        """Let streams start from the state that the knobs' defaults and this many silent samples lead to."""
        knobs = self.knobs.normalize(self.knobs.values())[None].to(self.projection.weight)
        with torch.no_grad():
            silence = self.projection.weight.new_zeros(1, self.config.audio_channels, samples)
            _, state = self.stream(silence, knobs, self.initial_state(1, 1))
        for name in self.state_names:
            self.get_buffer(f"start_{name}").copy_(state[name][0])

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states."""
        return ("hidden", "cell") if self.config.cell == "lstm" else ("hidden",)


VARIANTS: dict[str, RecurrentConfig] = {
    "lstm_32": RecurrentConfig(knobs=LA2A_KNOBS),
    # Captures: the usual sizes of players, see effects.captures.
    "proteus": RecurrentConfig(hidden_size=40, head="linear", residual=True),
    "aidax": RecurrentConfig(hidden_size=16, head="linear", residual=True, sample_rate=48000),
    "nam_lstm": RecurrentConfig(hidden_size=16, head="linear", sample_rate=48000),
}
