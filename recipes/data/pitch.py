"""Training segments for F0 from a mel: changed recordings, their mels in many conventions, and their F0.

A small corpus has few voices at few pitches, and features of a user come from other conventions and from acoustic
models. So each segment is played at another speed (F0 and formants move together), at another level, sometimes with
noise; its mel is sometimes taken through another convention and back, and is tilted and smoothed like a prediction.
Some items are tones instead (:mod:`recipes.data.tones`).
"""

import math

import librosa
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recipes.data.dataset import Item, SegmentDataset
from recipes.data.tones import draw_tone
from vocoders.core.resampling import resample
from vocoders.frontends.mel import MelConfig
from vocoders.frontends.mel_spectrum import spectrum_of_mel

__all__ = ["PitchSegments"]

# Share of the items that are tones, and of those that begin and end as audio does, without context.
_TONES, _EDGES = 0.15, 0.3
# Range of the speed as a factor, log-uniform; half of the segments keep their own.
_SPEEDS = (0.6, 1.8)
_GAIN_DB = (-30.0, 6.0)
_NOISE_DB = (5.0, 50.0)
_BANDS = (64, 128)
_TOP = (7600.0, 12000.0)
_UPDATES = (2, 12)
# Largest deviations of a random equaliser (nepers, at six points over the bands) and of noise on the log-mel.
_TILT, _JITTER = 1.0, 0.1


class PitchSegments(SegmentDataset):
    """Random segments as ``features`` (n_mels, F) and ``f0`` (1, F) in Hz; each is a function of (seed, draw, index).

    The arguments are those of :class:`SegmentDataset`; F is the number of frames of a segment.
    """

    def __getitem__(self, key: int | tuple[int, int]) -> Item:
        """Return a changed segment of an utterance; the key is its index, or (index, draw) from the sampler."""
        index, draw = key if isinstance(key, tuple) else (key, 0)
        generator = np.random.default_rng([self._seed, draw, index])
        is_tone = generator.random() < _TONES
        audio, f0 = self._tone(generator) if is_tone else self._at_another_speed(index, generator)
        if generator.random() < _EDGES:
            audio, f0 = audio[self._context * self.hop_length :], f0[self._context :]
            audio, f0 = audio[: self.segment_frames * self.hop_length], f0[: self.segment_frames]
        audio = _with_noise(audio * 10 ** (generator.uniform(*_GAIN_DB) / 20), generator)
        spectrum = self._log_mel.spectrum(audio[None])[0]
        if generator.random() < 0.5:
            # What another convention leaves of the spectrum.
            filters = _draw_filters(self.mel, generator)
            mel = torch.matmul(filters, spectrum).clamp(min=self.mel.floor)
            spectrum = spectrum_of_mel(mel, filters, int(generator.integers(*_UPDATES, endpoint=True)))
        mel = torch.log((self._log_mel.basis @ spectrum).clamp(min=self.mel.floor))
        margin = (mel.shape[-1] - self.segment_frames) // 2
        inner = slice(margin, margin + self.segment_frames)
        features = _like_a_prediction(mel, generator).clamp(min=math.log(self.mel.floor))
        utterance = self.reader.utterances[index]
        return {
            "features": features[:, inner],
            "f0": f0[None, inner],
            "utt_id": utterance.utt_id,
            "speaker": utterance.speaker,
        }

    def _tone(self, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return a tone with context, and its F0."""
        num_samples = (self.segment_frames + 2 * self._context) * self.hop_length
        audio, f0 = draw_tone(generator, num_samples, self.mel.sample_rate, self.hop_length)
        return torch.from_numpy(audio), torch.from_numpy(f0)

    def _at_another_speed(self, index: int, generator: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return audio of a segment with context, and its F0 at the frames of the changed audio."""
        speed = math.exp(generator.uniform(*np.log(_SPEEDS))) if generator.random() < 0.5 else 1.0
        rate = round(self.mel.sample_rate / speed)
        speed = self.mel.sample_rate / rate
        frames = self.segment_frames + 2 * self._context
        needed = math.ceil(frames * speed) + 1
        total = self.num_frames(index)
        start = int(generator.integers(0, max(total - needed, 0), endpoint=True))
        audio = self._samples(index, start, min(needed, total - start), needed)
        f0 = self._f0_part(index, start, needed)
        changed = resample(audio, self.mel.sample_rate, rate)[: frames * self.hop_length]
        # Frame n is centred at (n + 1/2) hops; the nearest frame of the original is taken.
        source = torch.floor((torch.arange(frames) + 0.5) * speed).long()
        return changed, f0[source] * speed


def _with_noise(audio: Tensor, generator: np.random.Generator) -> Tensor:
    """Return audio (T,), in two of five cases with white or brown noise."""
    if generator.random() > 0.4:
        return audio
    noise = torch.from_numpy(generator.standard_normal(len(audio)).astype(np.float32))
    if generator.random() < 0.5:
        spectrum = torch.fft.rfft(noise)
        noise = torch.fft.irfft(spectrum / (torch.arange(len(spectrum)) + 0.002 * len(spectrum)), n=len(audio))
    level = float(audio.square().mean().sqrt()) * 10 ** (-generator.uniform(*_NOISE_DB) / 20)
    return audio + noise * (level / float(noise.square().mean().sqrt().clamp(min=1e-12)))


def _draw_filters(mel: MelConfig, generator: np.random.Generator) -> Tensor:
    """Return the filters (n_mels, n_fft // 2 + 1) of a random convention with the transform of ``mel``."""
    filters = librosa.filters.mel(
        sr=mel.sample_rate,
        n_fft=mel.n_fft,
        n_mels=int(generator.integers(*_BANDS, endpoint=True)),
        fmin=float(generator.choice([0.0, 20.0, 40.0, 80.0])),
        fmax=min(float(generator.uniform(*_TOP)), mel.sample_rate / 2),
        htk=bool(generator.random() < 0.4),
    )
    return torch.from_numpy(filters)


def _like_a_prediction(mel: Tensor, generator: np.random.Generator) -> Tensor:
    """Return a log-mel (n_mels, F) with a random tilt, smoothed over time and jittered, each in some cases."""
    if generator.random() < 0.5:
        points = torch.from_numpy(generator.standard_normal((1, 1, 6)).astype(np.float32))
        curve = F.interpolate(points, mel.shape[0], mode="linear", align_corners=True)[0, 0]
        mel = mel + _TILT * generator.uniform() * curve[:, None]
    if generator.random() < 0.3:
        smooth = F.avg_pool1d(F.pad(mel[None], (2, 2), mode="replicate"), 5, stride=1)[0]
        mel = torch.lerp(mel, smooth, generator.uniform(0, 0.8))
    noise = torch.from_numpy(generator.standard_normal(mel.shape).astype(np.float32))
    return mel + _JITTER * generator.uniform() * noise
