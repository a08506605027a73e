"""Wavehax in streams: the excitation goes on from frame to frame, and so do the network and the refinement.

A causal network (``look_ahead``) is computed frame by frame, see :mod:`vocoders.wavehax.step`. Any other network is
computed in chunks with context, at a higher latency. Both go on in steps of fixed length, so the samples do not depend
on the pieces in which the features come.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vocoders.core.chunked_stream import ChunkedFunction
from vocoders.core.errors import ConfigError
from vocoders.frontends.harmonic import running_cycles
from vocoders.stream import NoiseStream, Stream
from vocoders.wavehax.options import WavehaxOptions
from vocoders.wavehax.step import CausalStep

if TYPE_CHECKING:
    from vocoders.wavehax.model import Wavehax

__all__ = ["PriorStream", "WavehaxStream"]


# Frames before a chunk that a refinement with a limited look-ahead sees.
_REFINEMENT_PAST = 8
# More frames than any stream has.
_NO_END = 2**40


def _filled(frames: int, chunk: int) -> int:
    """Return ``frames`` rounded up to whole chunks."""
    return -(-frames // chunk) * chunk


class PriorStream:
    """The excitation of a stream, frame by frame: the phase goes on, and each item has its own noise.

    Args:
        model: the vocoder.
        seeds: seed of each item.

    Raises:
        ConfigError: for a prior whose samples depend on later ones.
    """

    def __init__(self, model: "Wavehax", seeds: Sequence[int]) -> None:
        prior = model.config.prior
        shaped = model.config.prior_shaping == "envelope"
        if not shaped and (prior.name == "sawtooth" or (prior.name == "pcph" and prior.max_frequency is not None)):
            limit = "" if prior.max_frequency is None else f" with max_frequency {prior.max_frequency:g}"
            raise ConfigError(f"the prior '{prior.name}'{limit} depends on later frames and has no stream")
        self.model = model
        self.noise = NoiseStream(seeds)
        self.cycles = self.noise.draw_phases().double().to(model.device)

    def push(self, f0: Tensor) -> Tensor:
        """Return the excitation (B, P, hop_length) of the next frame of F0 (B, 1, 1) in Hz."""
        hop, rate = self.model.hop_length, self.model.sample_rate
        prior = self.model.prior(f0, self.noise.draw(hop).to(f0.device), self.cycles)
        self.cycles = running_cycles(f0[:, 0].float(), hop, rate, self.cycles)[:, -1:]
        return prior

    def silence(self) -> Tensor:
        """Return a frame of zeros instead of an excitation."""
        parts = self.model.config.num_excitations
        return torch.zeros(len(self.cycles), parts, self.model.hop_length, device=self.model.device)


class CausalNetworkStream:
    """The steps of a causal network, with its memory.

    Args:
        model: a vocoder with ``look_ahead``.
        batch: number of streams.
    """

    def __init__(self, model: "Wavehax", batch: int) -> None:
        self.step = CausalStep(model, None if model.runtime is None else model.runtime.open_stream(model, batch))
        self.state = self.step.initial_state(batch)
        self.frames = 0
        self.missing = self.step.latency

    def push(self, features: Tensor, prior: Tensor, total: int = _NO_END) -> Tensor:
        """Take one frame: log-mel (B, n_mels, 1) and prior (B, P, hop_length); return samples that are ready."""
        audio, *self.state = self.step(features, prior, self.frames, total, *self.state)
        self.frames += 1
        dropped = min(self.missing, audio.shape[-1])
        self.missing -= dropped
        return audio[..., dropped:]

    def finish(self, features: Tensor, prior: Tensor) -> list[Tensor]:
        """Return the last samples; the arguments are a frame of zeros."""
        total, hop = self.frames, prior.shape[-1]
        rest = total * hop - max(0, total * hop - self.step.latency)
        audio = torch.cat([self.push(features, prior, total) for _ in range(-(-self.step.latency // hop))], dim=-1)
        return [audio[..., :rest]]


class WavehaxStream(Stream):
    """See :meth:`vocoders.interface.Vocoder.stream`.

    Args:
        model: the vocoder.
        options: all options of synthesis.
        batch: number of streams.
        seed: seed of the first one.
        chunk: frames that a network that is not causal, or the refinement, computes at once.
        refinement_look_ahead: frames after a chunk that its refinement sees; ``None``: all that it depends on.
    """

    def __init__(
        self,
        model: "Wavehax",
        options: WavehaxOptions,
        batch: int,
        seed: int,
        chunk: int,
        refinement_look_ahead: int | None = None,
    ) -> None:
        super().__init__(model, batch)
        self.model, self.options = model, options
        config, hop = model.config, model.hop_length
        self.prior = PriorStream(model, range(seed, seed + batch))
        self.causal: CausalNetworkStream | None = None
        if config.look_ahead is not None:
            self.causal = CausalNetworkStream(model, batch)
        else:
            fade = 0 if config.is_local else chunk
            halo = model.halo_frames + fade
            self.network = ChunkedFunction(self._compute, (1, hop), hop, chunk, halo, fade)
        same_f0 = options.f0_scale == 1
        self.iterations, self.consistency = model.refinement(options, same_f0), model.consistency(same_f0)
        self.moving = None
        if model.moved_harmonics is not None and options.f0_scale != 1:
            move = model.moved_harmonics
            self.moving = ChunkedFunction(move, (1, 1, 1), 1, 1 if self.causal else chunk, move.context_frames)
            self.f0 = torch.zeros(batch, 1, 0, device=model.device)
        reach = past = self.iterations * self.consistency.context_frames
        after, fade = reach, 0
        if refinement_look_ahead is not None and refinement_look_ahead < reach:
            # A chunk is refined anew within a window, so neighbours differ where they meet.
            after, past = refinement_look_ahead, min(reach, max(_REFINEMENT_PAST, refinement_look_ahead))
            fade = min(after, chunk)
        self.refining = ChunkedFunction(self._refine, (hop, 1), hop, chunk, after, fade, past)
        self.unrefined = torch.zeros(batch, 1, 0, device=model.device)
        # Features whose audio has not been refined.
        self.features = [torch.zeros(batch, model.num_features, 0, device=model.device)]

    @property
    def latency(self) -> int:
        """Largest number of samples by which the output lags behind the features."""
        moving = 0 if self.moving is None else self.moving.delay * self.model.hop_length
        return moving + self._latency_after_moving

    @property
    def _latency_after_moving(self) -> int:
        hop = self.model.hop_length
        if self.causal is None:
            # All stages go on in chunks of the same length, so the later ones wait for whole chunks.
            chunk = self.network.chunk
            first = self.network.delay if self.moving is None else _filled(self.network.halo, chunk)
            return (first + (_filled(self.refining.halo, chunk) if self.iterations else 0)) * hop
        latency = self.causal.step.latency
        return (-(-latency // hop) + self.refining.delay) * hop if self.iterations else latency

    def _push(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        features, mel_f0 = inputs["features"], inputs["f0"]
        parts = []
        for frame in range(features.shape[-1]):
            one, old = features[..., frame : frame + 1], mel_f0[..., frame : frame + 1]
            new = old * self.options.f0_scale
            if self.moving is None:
                parts += self._synthesize(one, new)
            else:
                self.f0 = torch.cat([self.f0, new], dim=-1)
                for moved in self.moving.push(one, old, new):
                    parts += self._synthesize_moved(moved)
        return parts

    def _finish(self) -> list[Tensor]:
        parts = []
        if self.moving is not None:
            for moved in self.moving.finish():
                parts += self._synthesize_moved(moved)
        if self.causal is None:
            made = self.network.finish()
        else:
            made = self.causal.finish(
                self.features[0].new_zeros(self.batch, self.model.num_features, 1), self.prior.silence()
            )
        parts += self._refined(made, self.features[0][..., :0])
        return parts + (self.refining.finish() if self.iterations else [])

    def _synthesize_moved(self, features: Tensor) -> list[Tensor]:
        """Synthesise frames whose harmonics have moved, with the F0 that waits for them."""
        parts = []
        for one in features.split(1, dim=-1):
            f0, self.f0 = self.f0[..., :1], self.f0[..., 1:]
            parts += self._synthesize(one, f0)
        return parts

    def _synthesize(self, features: Tensor, f0: Tensor) -> list[Tensor]:
        """Synthesise and refine one frame."""
        prior = self.prior.push(f0)
        made = self.network.push(features, prior) if self.causal is None else [self.causal.push(features, prior)]
        return self._refined(made, features)

    def _compute(self, features: Tensor, prior: Tensor) -> Tensor:
        return self.model.compute(self.model, features, self.model.begin(features, prior))

    def _refine(self, audio: Tensor, features: Tensor) -> Tensor:
        return self.consistency(audio, features, self.iterations)

    def _refined(self, made: list[Tensor], features: Tensor) -> list[Tensor]:
        """Refine what the network has made, as soon as it fills frames."""
        if not self.iterations:
            return made
        self.features.append(features)
        if not made:
            return []
        self.unrefined = torch.cat([self.unrefined, *made], dim=-1)
        hop = self.model.hop_length
        frames = self.unrefined.shape[-1] // hop
        if frames == 0:
            return []
        audio, self.unrefined = self.unrefined.split([frames * hop, self.unrefined.shape[-1] - frames * hop], dim=-1)
        held = torch.cat(self.features, dim=-1)
        ready, self.features = held[..., :frames], [held[..., frames:].clone()]
        return self.refining.push(audio, ready)
