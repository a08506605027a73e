"""F0 from a log-mel spectrogram alone, by a small network (ours, not published).

Features from an acoustic model often come without F0. A mel with windows of some 40 ms still contains the lowest
harmonics, at a resolution of about 35 Hz below 1 kHz; a network reads their distance and the voicing from them. It is
trained with a tracker of audio as its teacher (``egs/mini/mel_pitch``), and depends on a few frames around each frame
alone, so that long features are computed in chunks exactly.
"""

import math
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from vocoders.core.checks import check_features
from vocoders.core.chunking import chunk_spans, join_exact
from vocoders.core.pretrained import PretrainedModel, evaluating
from vocoders.frontends.f0_config import F0Config
from vocoders.frontends.front_end import FrontEnd, MelModelConfig
from vocoders.frontends.mel import MelConfig
from vocoders.frontends.pitch_path import PATH_FRAMES, best_path

__all__ = ["MelPitch", "MelPitchConfig", "shipped_mel_pitch"]

_SHIPPED = Path(__file__).parent / "weights" / "mel-pitch-24k"
_CENTS_PER_OCTAVE = 1200
# Bands on each side over which the fine structure of a frame is taken.
_SMOOTHED_BANDS = 4
# Bins on each side of the best one that give the mean F0.
_NEIGHBOURS = 2
_CHUNK_FRAMES = 20_000


class MelPitchConfig(MelModelConfig):
    """Front end and size of a :class:`MelPitch`.

    Attributes:
        mel: the mel that it reads.
        f0: the tracker that teaches it; its alignment is that of the estimate.
        lowest: F0 of the first bin in Hz.
        bins_per_octave: resolution of the distribution; the estimate lies between bins.
        num_bins: number of bins.
        channels: width of the network.
        num_blocks: number of blocks.
        kernel_size: odd number of frames that a block reads.
        voicing_threshold: probability of voicing from which a frame is voiced, if its F0 is certain.
    """

    mel: MelConfig = MelConfig(sample_rate=24000, n_fft=1024, hop_length=240, n_mels=100, fmax=12000.0)
    f0: F0Config = F0Config(method="harvest", f0_min=55.0, f0_max=800.0, alignment="frame_center")
    lowest: float = Field(default=50.0, gt=0)
    bins_per_octave: int = Field(default=36, gt=0)
    num_bins: int = Field(default=152, gt=0)
    channels: int = Field(default=96, gt=0)
    num_blocks: int = Field(default=4, ge=0)
    kernel_size: int = Field(default=7, gt=0)
    voicing_threshold: float = Field(default=0.18, gt=0, lt=1)

    @property
    def front_end(self) -> FrontEnd:
        """The mel, and the teacher's F0."""
        return FrontEnd(sample_rate=self.sample_rate, mel=self.mel, f0=self.f0)


class MelPitch(PretrainedModel[MelPitchConfig]):
    """Voicing and a distribution over the logarithm of F0 for each frame of a log-mel spectrogram.

    The network reads each frame in two forms, its level and its fine structure over bands (the harmonics), and its
    neighbours by depthwise convolutions over time (blocks as in ConvNeXt, arXiv 2201.03545).

    Args:
        config: see :class:`MelPitchConfig`.
    """

    family = "mel_pitch"
    config_class = MelPitchConfig

    def __init__(self, config: MelPitchConfig) -> None:
        super().__init__()
        self.config = config
        self.first = nn.Conv1d(2 * config.in_channels, config.channels, 3, padding=1)
        self.blocks = nn.ModuleList([_Block(config.channels, config.kernel_size) for _ in range(config.num_blocks)])
        self.norm = nn.LayerNorm(config.channels)
        self.last = nn.Linear(config.channels, config.num_bins + 1)

    @property
    def sample_rate(self) -> int:
        """Sample rate of the mel in Hz."""
        return self.config.sample_rate

    @property
    def context_frames(self) -> int:
        """Number of frames on each side on which the estimate of a frame depends."""
        return 1 + self.config.num_blocks * (self.config.kernel_size // 2) + PATH_FRAMES

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (B, num_bins + 1, F) of log-mels (B, n_mels, F): the bins of F0, then voicing."""
        hidden = self.first(_level_and_structure(features))
        for block in self.blocks:
            hidden = block(hidden)
        return self.last(self.norm(hidden.transpose(1, 2))).transpose(1, 2)

    def decode(self, logits: Tensor) -> Tensor:
        """Return F0 (B, 1, F) in Hz, 0 where unvoiced, of logits (B, num_bins + 1, F).

        F0 is the mean over the bins around that of the best path (:func:`~vocoders.frontends.pitch_path.best_path`),
        weighted by their probabilities.
        """
        scores, voicing = logits[:, :-1], logits[:, -1:]
        bins = torch.arange(self.config.num_bins, device=logits.device)[:, None]
        threshold = self.config.voicing_threshold
        place, voiced = best_path(scores, voicing, math.log(threshold / (1 - threshold)))
        near = (bins - place).abs() <= _NEIGHBOURS
        weights = torch.softmax(scores.masked_fill(~near, -math.inf), dim=1)
        position = (weights * bins).sum(dim=1, keepdim=True)
        f0 = self.config.lowest * 2 ** (position / self.config.bins_per_octave)
        return f0 * voiced

    def positions(self, f0: Tensor) -> Tensor:
        """Return the positions of F0 in Hz on the axis of bins, as real numbers; meaningless where unvoiced."""
        return self.config.bins_per_octave * torch.log2(f0.clamp(min=1.0) / self.config.lowest)

    @torch.inference_mode()
    def estimate(self, features: Tensor) -> Tensor:
        """Estimate F0 from log-mels of the model's convention, in constant memory.

        Args:
            features: (n_mels, F) or (B, n_mels, F), see :class:`~vocoders.frontends.mel.LogMel`.

        Returns:
            (B, 1, F) in Hz, 0 = unvoiced, on the model's device.

        Raises:
            ShapeError: for another shape.
            DataError: for NaN or infinite numbers.
        """
        checked = check_features(features, self.config.in_channels, 1).to(self.last.weight)
        spans = chunk_spans(checked.shape[-1], _CHUNK_FRAMES, self.context_frames)
        with evaluating(self):
            return join_exact((self.decode(self(checked[..., span.start : span.stop])) for span in spans), spans)

    def reference_inputs(self) -> dict[str, Tensor]:
        """Return deterministic keyword arguments of :meth:`forward`."""
        generator = torch.Generator().manual_seed(0)
        tilt = torch.linspace(-1.0, -6.0, self.config.in_channels)[None, :, None]
        return {"features": tilt + 0.5 * torch.randn(1, self.config.in_channels, 50, generator=generator)}


class _Block(nn.Module):
    """Depthwise convolution over time, norm, two pointwise layers, residual; (B, C, F) -> the same."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.expand = nn.Linear(channels, 2 * channels)
        self.reduce = nn.Linear(2 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.norm(self.depthwise(x).transpose(1, 2))
        return x + self.reduce(F.gelu(self.expand(hidden))).transpose(1, 2)


def _level_and_structure(features: Tensor) -> Tensor:
    """Return (B, 2 * n_mels, F): the log-mel scaled to about -2 to 2, and what it has above its mean over bands."""
    width = _SMOOTHED_BANDS
    padded = F.pad(features.transpose(1, 2), (width, width), mode="replicate")
    smooth = F.avg_pool1d(padded, 2 * width + 1, stride=1).transpose(1, 2)
    return torch.cat([(features + 5) / 3, features - smooth], dim=1)


@lru_cache(maxsize=1)
def shipped_mel_pitch() -> MelPitch:
    """Return the estimator that ships with ondes, on the CPU; it is loaded once.

    Raises:
        CheckpointError: if its files are missing or damaged.
    """
    return MelPitch.from_pretrained(_SHIPPED)
