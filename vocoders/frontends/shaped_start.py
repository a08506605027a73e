"""Harmonics and noise that small networks shape until their sum has the mel of speech (ours, not published).

Mel refinement needs many iterations from harmonics and noise with the envelope of a mel: their share of noise is a
guess, and an iteration knows the mel alone and not speech. A stage is an iteration whose gains a network corrects, and
harmonics and noise have each their own. Compare the harmonics and the filtered noise of DDSP (arXiv 2001.04643), whose
gains a network predicts from features alone.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoders.core.errors import ConfigError
from vocoders.frontends.envelope import EnvelopeFilter
from vocoders.frontends.mel import LogMel, MelConfig

__all__ = ["ShapedStart"]

_KERNEL = 7
# Least value of a band before its logarithm.
_FLOOR = 1e-5
# Largest change of a band in one stage, in nepers.
_LARGEST = 6.0


class ShapedStart(nn.Module):
    """Filter harmonics and noise, each by its own gains of bands and frames, in some stages, and add them.

    Each stage is one transform forward, gains, and one transform back. Its network sees the wanted mel and those of the
    two parts and of their sum. An untrained network scales both parts by the ratio of the wanted mel to that of the
    sum.

    Args:
        mel: a mel that :class:`EnvelopeFilter` takes, of magnitudes, with windows of four hops.
        stages: number of networks.
        channels: width of each.
        blocks: number of blocks in each.

    Raises:
        ConfigError: for another mel.
    """

    basis: Tensor

    def __init__(self, mel: MelConfig, stages: int, channels: int, blocks: int) -> None:
        super().__init__()
        if (mel.n_fft, mel.window_length, mel.power) != (4 * mel.hop_length, 4 * mel.hop_length, 1):
            raise ConfigError(
                f"mel with n_fft {mel.n_fft}, windows of {mel.window_length} samples and power {mel.power:g}; a shaped"
                f" start needs {4 * mel.hop_length} (four hops) for both, and power 1"
            )
        self.envelope = EnvelopeFilter(mel)
        self.register_buffer("basis", LogMel(mel).basis.clone(), persistent=False)
        self.stages = nn.ModuleList(_GainNetwork(mel.n_mels, channels, blocks) for _ in range(stages))
        # As in mel refinement: relaxation of the stages after the first, momentum from each of these to the next.
        self.relaxation = nn.Parameter(torch.full((stages - 1,), 1.1))
        self.momentum = nn.Parameter(torch.full((max(0, stages - 2),), 0.5))

    def forward(self, excitation: Tensor, features: Tensor) -> Tensor:
        """Return audio (B, 1, F * hop_length).

        Args:
            excitation: flat harmonics and flat noise (B, 2, F * hop_length).
            features: log-mels (B, n_mels, F).
        """
        wanted = self.envelope.extended(features)[:, None]
        gain = self.envelope.extended(torch.exp(self.envelope.log_gains(features)))[:, None]
        relaxation, momentum = F.pad(self.relaxation, (1, 0), value=1.0), F.pad(self.momentum, (1, 1))
        # A difference to the loud excitation would cost digits of the first result.
        parts = now = torch.zeros_like(excitation)
        for stage, network in enumerate(self.stages):
            real, imag = self._transform(parts if stage else excitation)
            real, imag = gain * real, gain * imag
            change = network(torch.cat([wanted, self._log_mels(real, imag)], dim=1))
            # The second and later stages begin where the one before ended.
            change, gain = torch.exp(torch.matmul(self.envelope.envelope.matrix, change)), torch.ones_like(gain)
            projected = self._inverse(change * real, change * imag)
            before, now = now, parts + relaxation[stage] * (projected - parts)
            parts = now + momentum[stage] * (now - before)
        return now.sum(dim=1, keepdim=True)

    def _transform(self, parts: Tensor) -> tuple[Tensor, Tensor]:
        """Return the spectrum of each part, (B, 2, bins, F + 4) real and imaginary."""
        real, imag = self.envelope.transform(parts.flatten(0, 1)[:, None])
        return real.unflatten(0, (-1, 2)), imag.unflatten(0, (-1, 2))

    def _inverse(self, real: Tensor, imag: Tensor) -> Tensor:
        return self.envelope.inverse(real.flatten(0, 1), imag.flatten(0, 1))[:, 0].unflatten(0, (-1, 2))

    def _log_mels(self, real: Tensor, imag: Tensor) -> Tensor:
        """Return the log-mels of both parts and of their sum, (B, 3, bands, F + 4)."""
        real, imag = (torch.cat([part, part.sum(dim=1, keepdim=True)], dim=1) for part in (real, imag))
        # The square root has no gradient at zero.
        magnitude = torch.sqrt(real.square() + imag.square() + 1e-12)
        return torch.log(torch.matmul(self.basis, magnitude).clamp(min=_FLOOR))


class _GainNetwork(nn.Module):
    """From log-mels (B, 4, bands, N) to changes of the two parts (B, 2, bands, N) in nepers."""

    def __init__(self, bands: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.embed = nn.Conv1d(4 * bands, channels, _KERNEL, padding=_KERNEL // 2)
        self.blocks = nn.Sequential(*[_FrameBlock(channels) for _ in range(blocks)])
        self.gains = nn.Conv1d(channels, 2 * bands, 1)
        for parameter in self.gains.parameters():
            nn.init.zeros_(parameter)

    def forward(self, mels: Tensor) -> Tensor:
        """Return the changes, given the wanted mel, those of the parts and that of their sum."""
        # Log-mels of speech lie between -12 and 2.
        found = self.gains(self.blocks(self.embed(mels.flatten(1, 2) / 4 + 1))).unflatten(1, (2, -1))
        return _LARGEST * torch.tanh((found + mels[:, :1] - mels[:, 3:]) / _LARGEST)


class _FrameBlock(nn.Module):
    """ConvNeXt block on frames, which are normalised one by one: (B, C, N) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, _KERNEL, padding=_KERNEL // 2, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.expand = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(3 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``x`` plus the branch."""
        y = self.norm(self.depthwise(x).transpose(1, 2))
        return x + self.project(F.gelu(self.expand(y))).transpose(1, 2)
