"""Configuration of the multi-band PeriodWave."""

from typing import Self

import numpy as np
import pywt
from pydantic import Field, field_validator, model_validator

from vocoders.frontends.wavelet import WaveletConfig
from vocoders.periodwave.config import FlowVocoderConfig
from vocoders.periodwave.options import BandFlowSampling

__all__ = ["MB_VARIANTS", "PeriodWaveMBConfig"]

# Strides of the stages before the middle one, which has a frame per 64 samples; the key is the number of splits.
_STRIDES = {1: (1, 2, 4), 2: (1, 4), 3: (1, 2)}


class PeriodWaveMBConfig(FlowVocoderConfig):
    """PeriodWave-MB (arXiv 2408.07547): one network for each band of a wavelet packet.

    No code of it was published. The paper gives the four equal bands, their order, and the conditioning on lower bands;
    the wavelet, the prior of a band and the sizes are choices of this implementation. The other fields are those of
    :class:`FlowVocoderConfig`.

    Attributes:
        wavelet: PyWavelets name of an orthogonal wavelet. Short wavelets leak the error of a loud low band into the
            quiet high bands: with an error of 5 % in each band, speech at 9-12 kHz is, in the worst tenth of the
            frames, 11 dB below the error with ``haar``, 5 dB above it with ``db4``, and 20 dB above it with ``sym10``.
            The bands of a nearly symmetric wavelet are aligned in time within 4 samples (38 for ``db10``).
        levels: number of splits of every band; 2 gives four bands.
        bands: indices of the bands that this model has, for separate training; ``None``: all.
        band_scales: divisors of the bands at the input of their networks. ``None``: the square root of the band's share
            of the mel bins (its share of the prior's deviation), 1 for embeddings.
        sampling: default options of synthesis; Turbo trains through these steps.
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
        # A wavelet is orthogonal if its low-pass filter is orthogonal to its shifts by two.
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
            raise ValueError("domain envelope belongs to the single-band model; each band has its own prior")
        self.sampling.steps_of_bands(count)
        return self

    @property
    def num_bands(self) -> int:
        """Number of bands of the signal."""
        return 2**self.levels

    @property
    def own_bands(self) -> tuple[int, ...]:
        """Indices of the bands that this model has."""
        return tuple(range(self.num_bands)) if self.bands is None else self.bands

    @property
    def band_hop(self) -> int:
        """Samples of a band per frame."""
        return self.hop_length // self.num_bands

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the stages of the U-Net; the wavelet packet replaces the first stages of PeriodWave."""
        return _STRIDES[self.levels]

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the stages of the U-Net: the deeper ones of PeriodWave."""
        width = self.hidden_channels
        return (width // 16, width // 8, width // 4)[-len(self.strides) :]

    @property
    def grid_length(self) -> int:
        """Number of samples of a band after which rows of all periods begin together again."""
        return super().grid_length // self.num_bands


# Not published: each band has the sizes of PeriodWave's variants.
MB_VARIANTS: dict[str, PeriodWaveMBConfig] = {
    "small": PeriodWaveMBConfig(hidden_channels=256),
    "base": PeriodWaveMBConfig(),
}
