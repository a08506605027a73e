"""Configuration of the multi-band PeriodWave."""

from typing import Self

import numpy as np
import pywt
from pydantic import Field, field_validator, model_validator

from vocoders.frontends.wavelet import WaveletConfig
from vocoders.periodwave.config import FlowVocoderConfig
from vocoders.periodwave.options import BandFlowSampling

__all__ = ["MB_VARIANTS", "PeriodWaveMBConfig"]

# Of the stages before the middle one, whose frame always stands for 64 samples; the key is the number of splits.
_STRIDES = {1: (1, 2, 4), 2: (1, 4), 3: (1, 2)}


class PeriodWaveMBConfig(FlowVocoderConfig):
    """PeriodWave-MB (arXiv 2408.07547): one network for each band of a wavelet packet.

    No code of it was published. Known are the four equal bands, their order, and that a band is conditioned on those
    below it; the wavelet, the prior of a band and the sizes are choices of this implementation. The other fields are
    those of :class:`FlowVocoderConfig`.

    Attributes:
        wavelet: PyWavelets name of an orthogonal wavelet. Short ones let the error of a loud low band through to the
            quiet high ones (an error of 5 % in each band leaves 9-12 kHz of speech, at the worst tenth of its frames,
            11 dB under the error with ``haar``, 5 dB above it with ``db4``, 20 dB with ``sym10``); the bands of a
            nearly symmetric one stand at the same time within 4 samples (38 for ``db10``).
        levels: how often every band is split; 2 gives four bands.
        bands: indices of the bands whose networks this model holds, for training them apart; ``None``: all.
        band_scales: by which each band is divided before its network sees it. ``None``: the square root of its share
            of the mel bins (that is its share of the prior's deviation), 1 for embeddings.
        sampling: default of synthesis, and the steps that Turbo trains through.
    """

    wavelet: str = "sym10"
    levels: int = Field(default=2, ge=1, le=3)
    bands: tuple[int, ...] | None = None
    band_scales: tuple[float, ...] | None = None
    sampling: BandFlowSampling = BandFlowSampling()  # pyright: ignore[reportIncompatibleVariableOverride]  (frozen, which pyright does not see)

    @field_validator("wavelet")
    @classmethod
    def _check_wavelet(cls, name: str) -> str:
        WaveletConfig(wavelet=name)
        taps = np.asarray(pywt.Wavelet(name).rec_lo)  # pyright: ignore[reportAttributeAccessIssue]  (compiled)
        # A wavelet is orthogonal where its low-pass filter is orthogonal to its own shifts by two.
        products = np.correlate(taps, taps, "full")[len(taps) - 1 :: 2]
        if abs(products[0] - 1) > 1e-6 or abs(products[1:]).max(initial=0) > 1e-6:
            raise ValueError(f"wavelet '{name}' is not orthogonal; expected one such as haar, db8, sym10 or coif3")
        return name

    @model_validator(mode="after")
    def _check_bands(self) -> Self:
        count = self.num_bands
        if self.bands is not None and (
            not self.bands
            or list(self.bands) != sorted(set(self.bands))
            or not 0 <= self.bands[0] <= self.bands[-1] < count
        ):
            raise ValueError(f"bands {list(self.bands)}; expected ascending numbers from 0 to {count - 1}")
        if self.band_scales is not None and (len(self.band_scales) != count or min(self.band_scales) <= 0):
            raise ValueError(f"band_scales {list(self.band_scales)}; expected {count} positive numbers")
        if self.domain != "waveform":
            raise ValueError("domain envelope is of the single-band model; the bands have priors of their own")
        self.sampling.steps_of_bands(count)
        return self

    @property
    def num_bands(self) -> int:
        """Number of bands of the signal."""
        return 2**self.levels

    @property
    def own_bands(self) -> tuple[int, ...]:
        """Indices of the bands whose networks this model holds."""
        return tuple(range(self.num_bands)) if self.bands is None else self.bands

    @property
    def band_hop(self) -> int:
        """Samples of a band per frame."""
        return self.hop_length // self.num_bands

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the stages of the U-Net; the wavelet packet stands for the first ones of PeriodWave."""
        return _STRIDES[self.levels]

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the stages of the U-Net: the deeper ones of PeriodWave."""
        width = self.hidden_channels
        return (width // 16, width // 8, width // 4)[-len(self.strides) :]

    @property
    def grid_length(self) -> int:
        """Samples of a band after which the rows of all periods begin anew together."""
        return super().grid_length // self.num_bands


# Not published: the sizes of PeriodWave's variants, for each band.
MB_VARIANTS: dict[str, PeriodWaveMBConfig] = {
    "small": PeriodWaveMBConfig(hidden_channels=256),
    "base": PeriodWaveMBConfig(),
}
