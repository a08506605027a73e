"""Process an effect in blocks of any size, and render whole files as one stream of blocks.

The model works on a grid of hops that begins at the first sample of the stream. The output is therefore the same, bit
for bit, for any division into blocks. Waiting for complete hops causes latency. With ``zero_latency`` the model runs on
the host's blocks directly, and the output is the same up to rounding.
"""

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from effects.automation import Automation, KnobPath
from effects.levels import UNITY, Levels
from effects.models import EffectModel
from effects.resampling import StreamResampler
from vocoders.core.checks import check_audio
from vocoders.core.errors import CheckpointError, ConfigError, ShapeError

__all__ = ["DEFAULT_HOP", "Engine", "StereoMode", "render"]

_logger = logging.getLogger(__name__)

StereoMode = Literal["dual", "linked"]

DEFAULT_HOP = 256
# Samples of a file to process at once.
_RENDERED_AT_ONCE = 1 << 15


class Engine:
    """One stream through one effect.

    Args:
        model: the effect; it is put into evaluation mode.
        sample_rate: rate of the stream in Hz; ``None``: the model's. At another rate the stream is resampled to the
            model's rate and back.
        settings: settings of the knobs at the start, in the form of :meth:`KnobSet.resolve`.
        automation: settings of the knobs over time.
        stereo: treatment of several channels by a mono model: ``dual``: each separately; ``linked``: one gain for all,
            for models with a gain head.
        hop: number of samples, at the model's rate, to process at once; ``None``: 256, or the hop of the model.
        block: the host promises blocks in multiples of this size, which reduces latency if the rates are equal.
        zero_latency: run the model directly on the blocks of the host.
        levels: gains before and after the model.

    Raises:
        ConfigError: for a value that is impossible for the model.
    """

    def __init__(
        self,
        model: EffectModel,
        sample_rate: int | None = None,
        settings: Mapping[str, Any] | None = None,
        automation: Automation | None = None,
        stereo: StereoMode = "dual",
        hop: int | None = None,
        block: int | None = None,
        zero_latency: bool = False,
        levels: Levels = UNITY,
    ) -> None:
        self.levels = levels
        self.model = model.eval()
        self.sample_rate = model.sample_rate if sample_rate is None else sample_rate
        self.stereo, self.automation = stereo, automation
        self.hop = _find_hop(model, hop, zero_latency)
        self.block = 1 if block is None else block
        if self.sample_rate <= 0 or self.block < 1:
            raise ConfigError(f"{self.sample_rate} Hz, blocks of {self.block}; expected positive numbers")
        if stereo not in get_args(StereoMode):
            raise ConfigError(f"stereo mode '{stereo}'; expected one of {', '.join(get_args(StereoMode))}")
        if stereo == "linked" and not (model.takes_linked_channels or model.config.audio_channels > 1):
            raise ConfigError(
                f"linked channels need a model with a gain head; use stereo mode 'dual' for this {model.family}"
            )
        self._settings = model.knobs.resolve(settings)
        self.reset()

    @property
    def latency_samples(self) -> int:
        """Delay of the output, in samples of the stream."""
        if self.sample_rate == self.model.sample_rate:
            # With blocks in multiples of the common divisor, the rest of a hop is the wait.
            return self.model.latency + (self.hop - math.gcd(self.hop, self.block) if self.hop else 0)
        there = StreamResampler.half_length(self.sample_rate, self.model.sample_rate)
        back = StreamResampler.half_length(self.model.sample_rate, self.sample_rate)
        waiting = back + self.model.latency + max(self.hop - 1, 0)
        return there + -(-waiting * self.sample_rate // self.model.sample_rate)

    def reset(self) -> None:
        """Return to the start of the stream, after silence; the knobs keep their last settings."""
        self._path = KnobPath(self.model.knobs, self._settings, self.model.sample_rate, self.automation)
        self._received = 0
        self._stages: _Stages | None = None

    def set_knobs(self, settings: Mapping[str, Any]) -> None:
        """Set the knobs in ``settings``, from the next sample of the stream on.

        Raises:
            ConfigError: for an unknown knob or a value that is not finite.
        """
        values = {name: self.model.knobs[name].check(value) for name, value in settings.items()}
        self._path.set(values, -(-self._received * self.model.sample_rate // self.sample_rate))
        self._settings |= values

    @torch.inference_mode()
    def process(self, audio: Tensor) -> Tensor:
        """Process the next samples of the stream.

        Args:
            audio: (C, T) or (B, C, T) in [-1, 1], a tensor or an array; any T, or a multiple of ``block`` if promised.

        Returns:
            A tensor with the same number of samples, delayed by ``latency_samples``.

        Raises:
            ConfigError: for a number of channels that the model does not take.
            DataError: for NaN or infinite samples.
            ShapeError: for another shape or type, another number of items or channels than before, or a block of
                another size than promised.
        """
        audio = check_audio(audio, "CT", "BCT", least=0, dtype=None)
        x = audio if audio.ndim == 3 else audio[None]
        stages = self._stages_for(x.shape[0], x.shape[1])
        x = _scaled(x.to(stages.like), self.levels.before)
        self._received += x.shape[-1]
        stages.push(x, self._path)
        return _scaled(stages.pop(x.shape[-1], self.block), self.levels.after).reshape(audio.shape).to(audio)

    def save_state(self) -> dict[str, Tensor]:
        """Return the state on which the rest of the stream depends, as a flat dictionary of tensors.

        Raises:
            ConfigError: if the stream has not begun.
        """
        if self._stages is None:
            raise ConfigError("the stream has not begun: there is no state to save")
        knobs = {f"knobs.{name}": tensor for name, tensor in self._path.state().items()}
        stages = {name: tensor.clone() for name, tensor in self._stages.state().items()}
        return {"setup": self._setup, "received": torch.tensor(self._received)} | knobs | stages

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue a stream from a state of another engine with the same model and the same setup.

        Raises:
            CheckpointError: if the state is from another setup, or incomplete.
        """
        if "setup" not in state or not torch.equal(state["setup"], self._setup):
            found = state["setup"].tolist() if "setup" in state else "no engine"
            what = "rate, model's rate, hop, block, stereo mode, knobs"
            raise CheckpointError(f"a state of {found}; expected {self._setup.tolist()}: {what}")
        try:
            stages = self._make_stages(*state["output"].shape[:2])
            stages.load_state(state)
            self._path.load_state(_below(state, "knobs."))
            self._received = int(state["received"])
        except KeyError as error:
            raise CheckpointError(f"the state of the engine is incomplete: {error}") from None
        except ValueError as error:
            raise CheckpointError(f"the state is of another model: {error}") from None
        self._stages = stages

    @property
    def _setup(self) -> Tensor:
        stereo = get_args(StereoMode).index(self.stereo)
        rates = [self.sample_rate, self.model.sample_rate]
        return torch.tensor([*rates, self.hop, self.block, stereo, len(self.model.knobs)])

    def _stages_for(self, batch: int, channels: int) -> "_Stages":
        if self._stages is None:
            self._stages = self._make_stages(batch, channels)
        expected = self._stages.shape
        if (batch, channels) != expected:
            raise ShapeError(
                f"{batch} items of {channels} channels in a stream of {expected[0]} of {expected[1]}; reset first"
            )
        return self._stages

    def _make_stages(self, batch: int, channels: int) -> "_Stages":
        own = self.model.config.audio_channels
        if own != 1 and channels != own:
            raise ConfigError(f"audio of {channels} channels for a model of {own}; convert it first")
        return _Stages(self, batch, channels)


def render(
    model: EffectModel,
    audio: Tensor,
    sample_rate: int | None = None,
    settings: Mapping[str, Any] | None = None,
    automation: Automation | None = None,
    stereo: StereoMode = "dual",
    hop: int | None = None,
    zero_latency: bool = False,
    mix: float = 1.0,
    progress: Callable[[float], None] | None = None,
    levels: Levels = UNITY,
) -> Tensor:
    """Apply an effect to a whole recording by an :class:`Engine`, and remove its latency.

    Args:
        model: the effect.
        audio: (C, T) or (B, C, T) in [-1, 1], a tensor or an array.
        sample_rate: in Hz; ``None``: the model's.
        settings: settings of the knobs, in the form of :meth:`KnobSet.resolve`.
        automation: settings of the knobs over time; after its end the last values are kept, with a warning.
        stereo: as for :class:`Engine`.
        hop: as for :class:`Engine`.
        zero_latency: as for :class:`Engine`; it saves no time here.
        mix: fraction of the effect in the output; the rest is the input.
        progress: called with the finished fraction.
        levels: as for :class:`Engine`.

    Returns:
        Audio in the shape of ``audio``.

    Raises:
        ConfigError, DataError, ShapeError: as :class:`Engine`.
    """
    if not 0 <= mix <= 1:
        raise ConfigError(f"mix {mix}; expected 0 (the input) .. 1 (the effect)")
    audio = check_audio(audio, "CT", "BCT", least=0, dtype=None)
    engine = Engine(model, sample_rate, settings, automation, stereo, hop, zero_latency=zero_latency, levels=levels)
    length, latency = audio.shape[-1], engine.latency_samples
    if automation is not None and automation.duration < length / engine.sample_rate:
        ends, lasts = automation.duration, length / engine.sample_rate
        _logger.warning("the automation ends at %.3f s of %.3f s; its last values are held", ends, lasts)
    blocks = []
    padded = length + latency if length else 0
    for start in range(0, padded, _RENDERED_AT_ONCE):
        stop = min(start + _RENDERED_AT_ONCE, padded)
        block = audio[..., start : min(stop, length)]
        block = torch.nn.functional.pad(block, (0, stop - start - block.shape[-1]))
        blocks.append(engine.process(block))
        if progress is not None:
            progress(stop / padded)
    if not blocks:
        return engine.process(audio)
    wet = torch.cat(blocks, dim=-1)[..., latency:]
    return wet if mix == 1 else mix * wet + (1 - mix) * audio


class _Stages:
    """The stages between the input and the output of an engine; each outputs the samples that it has completed.

    All stages keep the time of the stream: zeros before the output make up for the samples that they wait for.

    Attributes:
        shape: numbers of items and channels.
        like: an empty tensor of the model's type, on its device.
    """

    def __init__(self, engine: Engine, batch: int, channels: int) -> None:
        self.shape = batch, channels
        self._model, self._hop = engine.model, engine.hop
        rate, own = engine.sample_rate, engine.model.sample_rate
        self._there = StreamResampler(rate, own, batch, channels) if rate != own else None
        self._back = StreamResampler(own, rate, batch, channels) if rate != own else None
        parameter = next(self._model.parameters())
        # A mono model takes channels as items of a batch, unless they are linked.
        self._folded = self._model.config.audio_channels == 1 and engine.stereo == "dual"
        shape = (batch * channels, 1) if self._folded else (batch, channels)
        self._state = self._model.initial_state(*shape, device=parameter.device, dtype=parameter.dtype)
        self.like = self._waiting = torch.zeros(batch, channels, 0, device=parameter.device, dtype=parameter.dtype)
        self._late = self._model.latency
        self._values: np.ndarray | None = None
        self._knobs = self.like
        self._output = self._waiting.new_zeros(batch, channels, engine.latency_samples)

    def push(self, x: Tensor, path: KnobPath) -> None:
        """Take the next samples of the stream."""
        if self._there is not None:
            x = self._there.push(x)
        if self._hop:
            x = torch.cat([self._waiting, x], dim=-1)
            complete = x.shape[-1] // self._hop * self._hop
            self._waiting = x[..., complete:].clone()
            hops = x[..., :complete].split(self._hop, dim=-1) if complete else ()
        else:
            hops = (x,) if x.shape[-1] else ()
        outputs = [self._run(hop, path) for hop in hops]
        y = _joined(outputs) if outputs else x[..., :0]
        if self._late:
            dropped = min(self._late, y.shape[-1])
            self._late -= dropped
            y = y[..., dropped:]
        if self._back is not None:
            y = self._back.push(y)
        self._output = _joined([self._output, y]) if self._output.shape[-1] else y

    def pop(self, length: int, block: int) -> Tensor:
        """Return the next ``length`` samples of the output."""
        if length > self._output.shape[-1]:
            raise ShapeError(
                f"the block is not a multiple of {block} samples, as earlier ones were; reset the stream first"
            )
        if length == self._output.shape[-1]:
            y, self._output = self._output, self.like
        else:
            y, self._output = self._output[..., :length].clone(), self._output[..., length:].clone()
        return y

    def state(self) -> dict[str, Tensor]:
        """Return the state on which the next calls depend."""
        state = {"output": self._output, "waiting": self._waiting, "late": torch.tensor(self._late)}
        state |= {f"model.{name}": tensor for name, tensor in self._model.compact(self._state).items()}
        for prefix, resampler in (("there", self._there), ("back", self._back)):
            if resampler is not None:
                state |= {f"{prefix}.{name}": tensor for name, tensor in resampler.state().items()}
        return state

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a result of :meth:`state`; raise KeyError or ValueError for missing or different tensors."""
        own = _below(state, "model.")
        for name, rest in self._state.items():
            if name not in own:
                raise KeyError(f"model.{name}")
            if own[name].shape != rest.shape:
                raise ValueError(f"{name} is {tuple(own[name].shape)}; expected {tuple(rest.shape)} for this model")
        self._state = {name: own[name].to(rest).clone() for name, rest in self._state.items()}
        self._output, self._waiting = state["output"].to(self._waiting), state["waiting"].to(self._waiting)
        self._late = int(state["late"])
        for prefix, resampler in (("there.", self._there), ("back.", self._back)):
            if resampler is not None:
                resampler.load_state(_below(state, prefix))

    def _run(self, hop: Tensor, path: KnobPath) -> Tensor:
        # A copy: the order in which a CPU sums may depend on the alignment of memory.
        x = hop.reshape(-1, 1, hop.shape[-1]).clone() if self._folded else hop.clone()
        y, self._state = self._model.stream(x, self._knobs_of(path.advance(hop.shape[-1]), x), self._state)
        return y.view(hop.shape)

    def _knobs_of(self, values: np.ndarray, x: Tensor) -> Tensor:
        """Return the knobs (K, 1 or T) in the form that the model takes; while none moves it is the same array."""
        if values is not self._values:
            knobs = torch.from_numpy(values).to(x)
            knobs = knobs[:, 0] if knobs.shape[-1] == 1 else knobs
            self._values, self._knobs = values, knobs.expand(len(x), *knobs.shape)
        return self._knobs


def _find_hop(model: EffectModel, hop: int | None, zero_latency: bool) -> int:
    """Return the hop in samples, 0 for none."""
    unit = model.block_length
    if zero_latency:
        if unit > 1 or hop is not None:
            why = f"this {model.family} works in blocks of {unit} samples" if unit > 1 else "a hop was given as well"
            raise ConfigError(f"zero latency is not possible: {why}")
        return 0
    if hop is None:
        return -(-DEFAULT_HOP // unit) * unit
    if hop < 1 or hop % unit:
        raise ConfigError(f"hop of {hop} samples; expected a positive multiple of {unit}")
    return hop


def _scaled(audio: Tensor, factor: float) -> Tensor:
    return audio if factor == 1 else factor * audio


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


def _below(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: tensor for name, tensor in state.items() if name.startswith(prefix)}
