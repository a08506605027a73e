"""Features of one mel convention as those of another, and waveforms that keep to the given ones (ours, not published).

The features of a foreign program become the mel of a vocoder by way of the spectrum: the non-negative magnitudes whose
mel they are, their continuation beyond the foreign bands (:class:`SpeechEnvelope`), other frames, other filters. What
the vocoder makes of that mel is then refined under the filters of the **given** convention
(:class:`~vocoders.frontends.mel_consistency.MelConsistency`), so that its mel there is the given one, whatever the
conversion has lost.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vocoders.core.resampling import resample
from vocoders.frontends.lowest_harmonic import add_lowest_harmonic
from vocoders.frontends.mel import LogMel, MelConfig, from_logarithm, to_logarithm
from vocoders.frontends.mel_convention import MelConvention
from vocoders.frontends.mel_spectrum import spectrum_of_mel
from vocoders.frontends.refinement_steps import CLOSING_STEPS
from vocoders.frontends.speech_envelope import ENVELOPE_MEL, Beyond, SpeechEnvelope, magnitude_scale
from vocoders.frontends.whole_mel import WholeMel

__all__ = ["ForeignMel", "interpolate_contour"]

_LOWEST = 1e-9
# Bands from this frequency in Hz on hide a part of the first harmonic of low voices.
_LOWEST_VOICE = 40.0
# Length of the filter for what is below, in periods of the lowest frequency: it falls within a fifth of that frequency.
_RUMBLE_PERIODS = 16
# Length in seconds that is refined at once.
_WINDOW_SECONDS = 10.0


class ForeignMel:
    """Features of a convention, for a vocoder with another mel.

    Args:
        convention: of the features.
        target: mel of the vocoder.
        beyond: what is outside of the given bands.
    """

    def __init__(self, convention: MelConvention, target: MelConfig, beyond: Beyond = "speech") -> None:
        self.convention, self.target = convention, target
        self.beyond: Beyond = beyond
        self.given, self.wanted = LogMel(convention.mel), LogMel(target)

    @property
    def is_native(self) -> bool:
        """Whether the features are those of the vocoder but for scale and layout."""
        return self.convention.mel.fingerprint == self.target.fingerprint and not self.convention.preemphasis

    def num_samples(self, num_frames: int) -> int:
        """Return the number of samples of the waveform at the vocoder's rate."""
        mel = self.convention.mel
        return round(num_frames * mel.hop_length * self.target.sample_rate / mel.sample_rate)

    def frame_positions(self, num_frames: int, centre: float | None = None) -> Tensor:
        """Return the places of the vocoder's frames in frames of the features, (F',).

        Args:
            num_frames: of the features.
            centre: time of the vocoder's frame n minus n hops, in hops; ``None``: that of its mel.
        """
        mel, target = self.convention.mel, self.target
        count = max(1, math.ceil(self.num_samples(num_frames) / target.hop_length))
        hops = torch.arange(count, dtype=torch.float64) + (_centre(target) if centre is None else centre)
        return hops * target.hop_length / target.sample_rate * mel.sample_rate / mel.hop_length - _centre(mel)

    def at_given_frames(self, f0: Tensor, num_frames: int) -> Tensor:
        """Return F0 (B, 1, F') at the centres of the vocoder's frames at those of the features, (B, 1, num_frames)."""
        back = ForeignMel(MelConvention(mel=self.target), self.convention.mel)
        return interpolate_contour(f0, back.frame_positions(f0.shape[-1])[:num_frames])

    @property
    def hides_harmonics(self) -> bool:
        """Whether the first harmonic of a low voice is outside of the bands, so that :meth:`convert` uses F0."""
        return self.convention.mel.fmin >= _LOWEST_VOICE and self.beyond == "speech"

    def convert(self, log_mel: Tensor, f0: Tensor | None = None) -> Tensor:
        """Return the vocoder's log-mels (B, m, F') of log-mels of the convention's ``mel``.

        Args:
            log_mel: (B, n, F).
            f0: (B, 1, F) in Hz, 0 where unvoiced: adds the harmonic that the bands hide.
        """
        mel, target = self.convention.mel, self.target
        given = from_logarithm(log_mel, mel.log)
        magnitude = spectrum_of_mel(given, self.given.basis) ** (1 / mel.power)
        spectrum = torch.log(magnitude.clamp(min=_LOWEST)) + magnitude_scale(mel, ENVELOPE_MEL)
        step = mel.sample_rate / mel.n_fft
        # Frequencies go on above half of a lower sample rate.
        bins = max(spectrum.shape[1], math.ceil(target.sample_rate / 2 / step) + 1)
        spectrum = F.pad(spectrum, (0, 0, 0, bins - spectrum.shape[1]), value=math.log(_LOWEST))
        hertz = torch.arange(bins, dtype=torch.float64) * step
        emphasis = self._emphasis(hertz).to(spectrum)
        spectrum = spectrum - emphasis[:, None]
        spectrum = SpeechEnvelope.shipped().extend(spectrum, hertz, mel.fmin, mel.top_frequency, self.beyond)
        if f0 is not None and self.hides_harmonics:
            scale = magnitude_scale(mel, ENVELOPE_MEL)
            magnitude = torch.exp(spectrum - scale)
            magnitude = add_lowest_harmonic(magnitude, given, f0.to(given), self.given, torch.exp(emphasis))
            spectrum = torch.log(magnitude.clamp(min=_LOWEST)) + scale
        wanted_hertz = torch.linspace(0, target.sample_rate / 2, target.n_fft // 2 + 1, dtype=torch.float64)
        spectrum = _interpolate(spectrum.transpose(1, 2), wanted_hertz / step).transpose(1, 2)
        spectrum = _interpolate(spectrum, self.frame_positions(log_mel.shape[-1]))
        magnitude = torch.exp(spectrum + magnitude_scale(ENVELOPE_MEL, target))
        found = torch.matmul(self.wanted.basis, magnitude**target.power)
        return to_logarithm(found.clamp(min=target.floor), target.log)

    def refine(self, waveform: Tensor, log_mel: Tensor, iterations: int) -> Tensor:
        """Return a waveform (B, 1, T), moved towards the given log-mels (B, n, F) under their own filters.

        The refinement works at the rate of the features. Above their bands the mel of the waveform stays as it is
        (:class:`~vocoders.frontends.whole_mel.WholeMel`). Below bands that begin within the range of voices nothing
        remains: a guess at a wrong level is heard as rumble, and its absence is not.
        """
        refined = self._refined(waveform, log_mel, iterations) if iterations else waveform
        lowest = self.convention.mel.fmin
        return _without_rumble(refined, lowest, self.target.sample_rate) if lowest >= _LOWEST_VOICE else refined

    def _refined(self, waveform: Tensor, log_mel: Tensor, iterations: int) -> Tensor:
        from vocoders.frontends.mel_consistency import MelConsistency  # its compiled loops are for synthesis alone

        mel, rate = self.convention.mel, self.target.sample_rate
        length = log_mel.shape[-1] * mel.hop_length
        start = self.convention.emphasize(resample(waveform, rate, mel.sample_rate))
        start = F.pad(start, (0, max(0, length - start.shape[-1])))[..., :length]
        window = round(_WINDOW_SECONDS * mel.sample_rate / mel.hop_length)
        whole = WholeMel(mel)
        consistency = MelConsistency(whole, closing=CLOSING_STEPS)
        refined = consistency.in_chunks(start, whole.target(log_mel, start), iterations, window)
        change = resample(self._deemphasize(refined - start), mel.sample_rate, rate)[..., : waveform.shape[-1]]
        return waveform + F.pad(change, (0, waveform.shape[-1] - change.shape[-1]))

    def _emphasis(self, hertz: Tensor) -> Tensor:
        """Return the logarithm of the gain of the pre-emphasis at frequencies in Hz."""
        angle = 2 * math.pi * hertz.clamp(max=self.convention.mel.sample_rate / 2) / self.convention.mel.sample_rate
        a = self.convention.preemphasis
        return 0.5 * torch.log(1 - 2 * a * torch.cos(angle) + a * a)

    def _deemphasize(self, audio: Tensor) -> Tensor:
        a = self.convention.preemphasis
        if not a:
            return audio
        # Not above: few conventions need it, and it takes a third of a second to import.
        from scipy.signal import lfilter

        # In double precision: the filter sums over a long time.
        return torch.from_numpy(lfilter([1.0], [1.0, -a], audio.double().cpu().numpy())).to(audio)


def _without_rumble(audio: Tensor, lowest: float, sample_rate: int) -> Tensor:
    """Return audio (..., T) without what is below a frequency in Hz, by a filter of linear phase."""
    from scipy.signal import firwin, oaconvolve

    length = 2 * round(_RUMBLE_PERIODS * sample_rate / lowest / 2) + 1
    kernel = np.asarray(firwin(length, lowest, fs=sample_rate, pass_zero=False))
    samples = audio.double().cpu().numpy()
    filtered = oaconvolve(samples, kernel.reshape((1,) * (samples.ndim - 1) + (-1,)), axes=-1)
    return torch.from_numpy(filtered[..., length // 2 :][..., : samples.shape[-1]]).to(audio)


def interpolate_contour(f0: Tensor, positions: Tensor) -> Tensor:
    """Return F0 (B, 1, N) at positions (N,) in frames of F0 (B, 1, F), 0 where unvoiced.

    Between voiced frames the logarithm is interpolated; elsewhere the nearest frame counts.
    """
    last = f0.shape[-1] - 1
    positions = positions.clamp(0, last)
    lower = positions.floor().long()
    nearest = f0[..., positions.round().long()]
    voiced = (f0[..., lower] > 0) & (f0[..., (lower + 1).clamp(max=last)] > 0)
    return torch.where(voiced, torch.exp(_interpolate(torch.log(f0.clamp(min=1.0)), positions)), nearest)


def _centre(mel: MelConfig) -> float:
    """Return the time of the centre of frame 0, in hops."""
    return 0.5 if mel.padding.startswith("same") else 0.0


def _interpolate(values: Tensor, positions: Tensor) -> Tensor:
    """Interpolate values (..., F) linearly at positions (N,), with the ends held; result (..., N)."""
    last = values.shape[-1] - 1
    positions = positions.to(values.device).clamp(0, last)
    lower = positions.floor().long()
    return torch.lerp(values[..., lower], values[..., (lower + 1).clamp(max=last)], (positions - lower).to(values))
