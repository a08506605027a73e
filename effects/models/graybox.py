"""Gray boxes: the stages of a real device, whose few parameters a small network computes from the knobs.

What a stage can do is known (a compressor's curve and ballistics, a resonant filter, a bent transfer curve); what is
learned is where knobs put it. So a device is found with few parameters, from little audio, and between the settings
that were heard; it streams sample by sample, without latency. Ours, after the differentiable compressors and chains of
the literature (Wright and Valimaki 2022; Yu and Fazekas 2025).

Examples:
    >>> import torch
    >>> from effects import load, render
    >>> model = load("overdrive-graybox")
    >>> [knob.name for knob in model.knobs.knobs]
    ['drive', 'tone', 'level']
    >>> dry = 0.5 * torch.sin(2 * torch.pi * 220 * torch.arange(44100) / 44100)[None]
    >>> wet = render(model, dry, 44100, {"drive": 0.8})
    >>> wet.shape
    torch.Size([1, 44100])
"""

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from effects.models.devices import LA2A_KNOBS
from effects.models.differentiable_recursions import LN_9, ballistics, two_poles
from effects.models.head import detector_signal
from effects.models.model import EffectConfig, EffectModel, State

__all__ = ["VARIANTS", "GrayBox", "GrayBoxConfig", "StageName"]

StageName = Literal["dynamics", "filter", "shaper", "blend"]

_DB = math.log(10) / 20


class GrayBoxConfig(EffectConfig):
    """Configuration of a gray box.

    Attributes:
        stages: the stages in order: ``dynamics``, ``filter``, ``shaper``, ``blend`` (with the dry audio).
        hidden_sizes: widths of the layers between knobs and parameters; a linear map is added in parallel.
        num_sections: number of second-order sections of a ``filter``.
        num_curves: number of nonlinear curves that a ``shaper`` sums.
    """

    stages: tuple[StageName, ...] = Field(default=("dynamics",), min_length=1)
    hidden_sizes: tuple[int, ...] = Field(default=(16, 16), min_length=1)
    num_sections: int = Field(default=2, gt=0)
    num_curves: int = Field(default=8, gt=0)


class Stage(ABC):
    """A part of a device: a pure function of audio, parameters and state, without weights.

    Attributes:
        num_parameters: P; with all parameters 0 a stage is near the identity, a good start for training.
    """

    num_parameters: int

    @abstractmethod
    def initial_state(self, batch: int, channels: int) -> State:
        """Return the state after silence, in float64."""

    @abstractmethod
    def __call__(self, x: Tensor, dry: Tensor, parameters: Tensor, state: State, linked: bool) -> tuple[Tensor, State]:
        """Process x (B, C, T) with parameters (B, P, 1 or T); ``dry`` is the input of the first stage."""


class Dynamics(Stage):
    """Compressor or expander: sample level in dB, static curve with a knee, smoothing in dB, make-up gain.

    Args:
        sample_rate: in Hz.
    """

    num_parameters = 6

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate

    def initial_state(self, batch: int, channels: int) -> State:
        """Return a gain of 0 dB."""
        return {"gain_db": torch.zeros(batch, channels, dtype=torch.float64)}

    def __call__(self, x: Tensor, dry: Tensor, parameters: Tensor, state: State, linked: bool) -> tuple[Tensor, State]:
        """Process audio; linked channels have a common gain."""
        threshold, slope, knee, attack, release, makeup = parameters.double().unbind(dim=1)
        heard = detector_signal(x) if linked else x
        level = torch.log(heard.double().abs() + 1e-8) / _DB
        # Widths and times are exponentials, so that every number is valid.
        width = 0.3 * torch.exp(knee.clamp(-6, 6))[:, None]
        over = width * F.softplus((level - (20 * threshold - 20)[:, None]) / width)
        fall, rise = (
            torch.exp(-LN_9 / (self.sample_rate * 0.01 * torch.exp(time.clamp(-9, 9)))) for time in (attack, release)
        )
        gain = ballistics(-(0.5 + slope)[:, None] * over, fall, rise, state["gain_db"][:, : heard.shape[1]])
        last = gain[..., -1].expand(-1, x.shape[1])
        return x * torch.exp(_DB * (gain + makeup[:, None])).to(x.dtype), {"gain_db": last}


class Filter(Stage):
    """Second-order sections: each is a weighted sum of its low-pass, band-pass and high-pass outputs.

    With all weights 1 a section is the identity. In the analogue prototype resonance and weights are independent, and
    the bilinear transform keeps the filter stable for any parameters.

    Args:
        sample_rate: in Hz.
        num_sections: sections in series, initialised at frequencies from 60 Hz to 6 kHz.
    """

    def __init__(self, sample_rate: int, num_sections: int) -> None:
        self.sample_rate, self.num_sections = sample_rate, num_sections
        self.num_parameters = 5 * num_sections
        places = [(index + 0.5) / num_sections for index in range(num_sections)]
        self.centres = [60.0 * 100.0**place for place in places]

    def initial_state(self, batch: int, channels: int) -> State:
        """Return the last two inputs and outputs of each section: zeros."""
        return {"memory": torch.zeros(batch, channels, self.num_sections, 4, dtype=torch.float64)}

    def __call__(self, x: Tensor, dry: Tensor, parameters: Tensor, state: State, linked: bool) -> tuple[Tensor, State]:
        """Process audio; channels are independent."""
        y, memories = x.double(), []
        for centre, section, memory in zip(
            self.centres, parameters.double().chunk(self.num_sections, dim=1), state["memory"].unbind(2), strict=True
        ):
            b0, b1, b2, a1, a2 = self._coefficients(centre, section)
            before = torch.cat([memory[..., :2].flip(-1), y], dim=-1)
            length = y.shape[-1]
            moving = b0[:, None] * y + b1[:, None] * before[..., 1 : 1 + length] + b2[:, None] * before[..., :length]
            y = two_poles(moving, a1, a2, memory[..., 2:])
            after = torch.cat([memory[..., 2:].flip(-1), y], dim=-1)
            memories.append(torch.cat([before[..., -2:].flip(-1), after[..., -2:].flip(-1)], dim=-1))
        return y.to(x.dtype), {"memory": torch.stack(memories, dim=2)}

    def _coefficients(self, centre: float, section: Tensor) -> tuple[Tensor, ...]:
        frequency, resonance, low, band, high = section.unbind(dim=1)
        frequency = (centre * torch.exp(2 * frequency.clamp(-9, 9))).clamp(2.0, 0.49 * self.sample_rate)
        g = torch.tan(math.pi * frequency / self.sample_rate)
        damping = math.sqrt(2) * torch.exp(-resonance.clamp(-4, 4)) * g
        low, band, high = (1 + low) * g**2, (1 + band) * damping, 1 + high
        scale = 1 / (1 + damping + g**2)
        numerator = (high + band + low, 2 * (low - high), high - band + low)
        denominator = (2 * (g**2 - 1), 1 - damping + g**2)
        return tuple(term * scale for term in (*numerator, *denominator))


class Shaper(Stage):
    """A transfer curve: the input plus a sum of hyperbolic tangents; silence stays silent.

    Args:
        num_curves: number of tangents, initialised at slopes from 0.5 to 50.
    """

    def __init__(self, num_curves: int) -> None:
        self.num_parameters = 3 * num_curves + 1
        self.slopes = 0.5 * 100.0 ** torch.linspace(0, 1, num_curves)

    def initial_state(self, batch: int, channels: int) -> State:
        """Return nothing: the curve has no memory."""
        return {}

    def __call__(self, x: Tensor, dry: Tensor, parameters: Tensor, state: State, linked: bool) -> tuple[Tensor, State]:
        """Process audio."""
        linear, rest = parameters[:, :1], parameters[:, 1:, None]
        sizes, slopes, offsets = rest.chunk(3, dim=1)
        y = x * (1 + linear)
        for index, slope in enumerate(self.slopes.tolist()):
            steep, offset = slope * torch.exp(slopes[:, index]), offsets[:, index]
            # Divided by the root of the slope, so that steep and gentle curves learn at the same speed.
            y = y + sizes[:, index] / math.sqrt(slope) * (torch.tanh(steep * x + offset) - torch.tanh(offset))
        return y, {}


class Blend(Stage):
    """A blend of the processed with the dry audio, as in devices that add distortion to the input."""

    num_parameters = 2

    def initial_state(self, batch: int, channels: int) -> State:
        """Return nothing: there is no memory."""
        return {}

    def __call__(self, x: Tensor, dry: Tensor, parameters: Tensor, state: State, linked: bool) -> tuple[Tensor, State]:
        """Process audio."""
        wet, added = parameters[:, :1], parameters[:, 1:]
        return x * (1 + wet) + dry * added, {}


class GrayBox(EffectModel[GrayBoxConfig]):
    """A chain of stages, set by the knobs.

    Args:
        config: see :class:`GrayBoxConfig`.
    """

    family = "graybox"
    config_class = GrayBoxConfig
    onnx_graph = "effects.runtimes.onnx.graybox:build_graybox"

    def __init__(self, config: GrayBoxConfig) -> None:
        super().__init__()
        self.config = config
        self.stages = [self._make(name) for name in config.stages]
        self.sizes = [stage.num_parameters for stage in self.stages]
        sizes = [len(config.knobs), *config.hidden_sizes]
        layers = [(nn.Linear(a, b), nn.Tanh()) for a, b in zip(sizes, sizes[1:], strict=False)]
        self.hidden = nn.Sequential(*(layer for pair in layers for layer in pair))
        self.projection = nn.Linear(sizes[-1], sum(self.sizes))
        self.direct = nn.Linear(sizes[0], sum(self.sizes), bias=False)
        for parameter in (self.projection.bias, self.projection.weight, self.direct.weight):
            nn.init.zeros_(parameter)

    def _make(self, name: StageName) -> Stage:
        if name == "dynamics":
            return Dynamics(self.config.sample_rate)
        if name == "filter":
            return Filter(self.config.sample_rate, self.config.num_sections)
        return Shaper(self.config.num_curves) if name == "shaper" else Blend()

    @property
    def takes_linked_channels(self) -> bool:
        """Whether a mono model takes several channels and gives all of them one gain."""
        return set(self.config.stages) == {"dynamics"}

    def forward(self, audio: Tensor, knobs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Apply the effect; see :meth:`EffectModel.forward`."""
        state = self.check_inputs(audio, knobs, state)
        if audio.shape[-1] == 0:
            return audio.clone(), state
        linked = audio.shape[1] != self.config.audio_channels
        x, after = audio, {}
        for number, (stage, parameters) in enumerate(zip(self.stages, self._parameters_at(knobs, audio), strict=True)):
            prefix = f"{number}."
            own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
            x, own = stage(x, audio, parameters, own, linked)
            after |= {prefix + name: value for name, value in own.items()}
        return x, after

    def initial_state(
        self, batch: int, channels: int, device: torch.device | None = None, dtype: torch.dtype = torch.float32
    ) -> State:
        """Return the state after silence; the state of recursions is always in float64."""
        return {
            f"{number}.{name}": value.to(device)
            for number, stage in enumerate(self.stages)
            for name, value in stage.initial_state(batch, channels).items()
        }

    def _parameters_at(self, knobs: Tensor, audio: Tensor) -> tuple[Tensor, ...]:
        """Return the parameters (B, P, 1 or T) of each stage."""
        still = knobs.to(audio.dtype)
        rows = still.transpose(1, 2) if knobs.ndim == 3 else still[:, None]
        parameters = self.projection(self.hidden(rows)) + self.direct(rows)
        return parameters.transpose(1, 2).split(self.sizes, dim=1)


VARIANTS: dict[str, GrayBoxConfig] = {
    "compressor": GrayBoxConfig(knobs=LA2A_KNOBS),
    "filter": GrayBoxConfig(knobs=LA2A_KNOBS, stages=("filter",)),
    "drive": GrayBoxConfig(knobs=LA2A_KNOBS, stages=("filter", "shaper", "blend", "filter")),
}
