"""The spectral envelope of a log-mel spectrogram, and filters by it (ours, not published).

A mel gives the envelope of the spectrum without any training. Division by the envelope leaves a flat signal, so a
network need not learn the tilt of speech, some 60 dB from the first formant to the Nyquist frequency; multiplication
gives any signal the envelope of the mel.
"""

import math

import librosa
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.core.errors import ConfigError
from vocoders.frontends.harmonic import harmonic_sum, hold_frames, running_cycles
from vocoders.frontends.mel import LogMel, MelConfig
from vocoders.frontends.stft import STFT

__all__ = ["EnvelopeFilter", "MelEnvelope", "flat_excitation_levels", "flat_harmonics"]

# Frames on each side that limit the slope of the envelope.
_SLOPE_FRAMES = 2
# Frames that are added at each end of a signal.
_END_FRAMES = 2
# Largest change of the envelope from one frame to the next that a filter follows, in nepers (26 dB).
_STEEPEST = 3.0


def flat_excitation_levels(mel: MelConfig) -> tuple[float, float]:
    """Return the levels at which an excitation has a flat magnitude spectrum of mean 1 in ``mel``.

    With a Hann window of n_fft samples, a sinusoid of amplitude A adds A * n_fft / 2 to the sum of magnitudes over
    bins. Harmonics are F0 apart, so the mean is A * sample_rate / (2 * F0). White noise of deviation s has the mean
    magnitude s * sqrt(3 / 8 * n_fft) * sqrt(pi) / 2.

    Returns:
        (amplitude of each harmonic divided by F0 in Hz, standard deviation of the noise).
    """
    noise = 2 / math.sqrt(math.pi * 3 / 8 * mel.window_length)
    return 2 / mel.sample_rate, noise


def flat_harmonics(f0: Tensor, mel: MelConfig, phase: Tensor | None = None) -> Tensor:
    """Return all harmonics of ``f0`` (B, 1, F) in Hz, with a flat magnitude spectrum of mean 1 in ``mel``.

    Args:
        f0: 0 where unvoiced: silence.
        mel: sample rate, hop and window.
        phase: start phase in cycles (1, 1); ``None``: 0.

    Returns:
        (B, 1, F * hop_length).
    """
    held, hop = f0[:, 0].float(), mel.hop_length
    num_harmonics = torch.floor(mel.sample_rate / 2 / held.clamp(min=1.0)) * (held > 0)
    cycles = running_cycles(held, hop, mel.sample_rate, phase)
    harmonics = harmonic_sum(cycles, hold_frames(num_harmonics.double(), hop)).float()
    return (harmonics * hold_frames(held * flat_excitation_levels(mel)[0], hop))[:, None]


class MelEnvelope(nn.Module):
    """Interpolate a log-mel spectrogram to the mean magnitude at each frequency bin.

    A band divided by the sum of its filter is its mean magnitude. Between band centres the logarithm is
    interpolated linearly; outside them the outermost band is held.

    Shape:
        (B, n_mels, N) natural log -> natural log (B, num_bins, N). ``centres`` are the band centres in Hz.
    """

    matrix: Tensor
    log_filter_sums: Tensor
    centres: Tensor

    def __init__(self, mel: MelConfig, num_bins: int) -> None:
        super().__init__()
        edges = librosa.mel_frequencies(mel.n_mels + 2, fmin=mel.fmin, fmax=mel.top_frequency, htk=mel.scale == "htk")
        centres = torch.from_numpy(edges[1:-1])
        bins = torch.linspace(0, mel.sample_rate / 2, num_bins, dtype=torch.float64)
        upper = torch.searchsorted(centres, bins).clamp(1, mel.n_mels - 1)
        weight = ((bins - centres[upper - 1]) / (centres[upper] - centres[upper - 1])).clamp(0, 1)
        matrix = torch.zeros(num_bins, mel.n_mels, dtype=torch.float64)
        rows = torch.arange(num_bins)
        matrix[rows, upper - 1] = 1 - weight
        matrix[rows, upper] += weight
        self.register_buffer("matrix", matrix.float(), persistent=False)
        filter_sums = LogMel(mel).basis.sum(dim=1, keepdim=True).clamp(min=1e-8)
        self.register_buffer("log_filter_sums", torch.log(filter_sums), persistent=False)
        self.register_buffer("centres", centres.float(), persistent=False)

    def forward(self, log_mel: Tensor) -> Tensor:
        """Return the log envelope."""
        return torch.matmul(self.matrix, log_mel - self.log_filter_sums)


class EnvelopeFilter(nn.Module):
    """Divide a signal by the envelope of its mel, or multiply by it, with zero phase.

    With ``tilt`` 0 the divided signal has a flat spectrum. Otherwise each frame keeps this power of its envelope,
    normalised to unit power: the signal has a constant level, and falls less towards high frequencies than audio. Both
    directions filter frame by frame in the STFT, so one inverts the other up to the change of the envelope within a
    frame (the error is some 20 dB below speech).

    Args:
        mel: a mel with frames centred as in :class:`STFT`, and the natural logarithm.
        tilt: 0 to 1.
        window_hops: length of the window in hops. Short ones follow onsets better, and resolve the envelope less.

    Raises:
        ConfigError: for a mel with another alignment or logarithm.
    """

    def __init__(self, mel: MelConfig, tilt: float = 0.0, window_hops: int = 4) -> None:
        super().__init__()
        if not mel.padding.startswith("same") or mel.log != "ln":
            raise ConfigError(
                f"mel with padding {mel.padding} and log {mel.log}; an envelope needs same_zero or same_reflect, and ln"
            )
        self.stft = STFT(window_hops * mel.hop_length, mel.hop_length)
        self.envelope = MelEnvelope(mel, self.stft.n_fft // 2 + 1)
        self.tilt = tilt
        self.unit = math.log(flat_excitation_levels(mel)[1])

    @property
    def context_frames(self) -> int:
        """Number of frames on each side on which an output frame depends."""
        return _SLOPE_FRAMES + self.stft.n_fft // (2 * self.stft.hop_length)

    def divide(self, audio: Tensor, log_mel: Tensor) -> Tensor:
        """Return ``audio`` (B, 1, N * hop) divided by the envelope; ``log_mel`` (B, n_mels, N) is its own."""
        gain, kept = self._log_gains(log_mel)
        return self._filter(audio, kept - gain)

    def multiply(self, signal: Tensor, log_mel: Tensor) -> Tensor:
        """Return ``signal`` (B, 1, N * hop) multiplied by the envelope: the inverse of :meth:`divide`."""
        gain, kept = self._log_gains(log_mel)
        return self._filter(signal, gain - kept)

    def excite(self, noise: Tensor, log_mel: Tensor) -> Tensor:
        """Return white ``noise`` (B, 1, N * hop) with the spectrum that divided audio has."""
        return self._filter(noise, self._log_gains(log_mel)[1]) if self.tilt else noise

    def log_gains(self, log_mel: Tensor) -> Tensor:
        """Return the logarithm of the gain from a flat excitation to audio, (B, bins, N)."""
        return self._log_gains(log_mel)[0]

    def _log_gains(self, log_mel: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logarithms of the gain from white noise to audio, and of the part of it that ``tilt`` keeps."""
        log_gain = self.envelope(log_mel) + self.unit
        # Windows overlap: in the mel of real audio a loud frame leaks into its neighbours. A padded mel ends abruptly,
        # and the end of the audio would be divided by silence.
        for _ in range(_SLOPE_FRAMES):
            log_gain = torch.maximum(log_gain, F.max_pool1d(log_gain, 3, stride=1, padding=1) - _STEEPEST)
        kept = self.tilt * log_gain
        return log_gain, kept - 0.5 * torch.logsumexp(2 * kept, dim=1, keepdim=True) + 0.5 * math.log(kept.shape[1])

    def _filter(self, signal: Tensor, log_gain: Tensor) -> Tensor:
        real, imag = self.transform(signal)
        gain = self.extended(torch.exp(log_gain))
        return self.inverse(gain * real, gain * imag)

    def transform(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Return real and imaginary part (B, bins, N + 4) of a signal (B, 1, N * hop), with two frames at each end.

        The ends are reflected, as in the mel: a signal that ends in silence would have a flat spectrum there.
        """
        margin = _END_FRAMES * self.stft.hop_length
        return self.stft(F.pad(signal, (margin, margin), "reflect" if signal.shape[-1] > margin else "constant"))

    def inverse(self, real: Tensor, imag: Tensor) -> Tensor:
        """Return the signal (B, 1, N * hop) of a spectrum (B, bins, N + 4): the inverse of :meth:`transform`."""
        margin = _END_FRAMES * self.stft.hop_length
        return self.stft.inverse(real, imag)[..., margin:-margin]

    @staticmethod
    def extended(frames: Tensor) -> Tensor:
        """Return frames (..., N) with the first and the last held at the ends, (..., N + 4)."""
        count = frames.shape[-1]
        places = torch.arange(-_END_FRAMES, count + _END_FRAMES, device=frames.device)
        return frames[..., places.clamp(0, count - 1)]
