"""Mel conventions: what the numbers of a feature file mean.

Programs agree on the idea of a mel spectrogram and on nothing else. A :class:`MelConvention` is the analysis
(:class:`vocoders.frontends.mel.MelConfig`) and all that happens to its values afterwards, in this order:

    1. the waveform may be pre-emphasised before the analysis,
    2. the mel is limited to a floor and its logarithm taken (decibels: 20 or 10 times the decimal logarithm, less a
       reference level), or it is left linear,
    3. the result is normalised: by mean and deviation, or to a range such as 0..1 or -4..4,
    4. bands or frames come first.

:meth:`MelConvention.to_log_mel` undoes 2 to 4, :meth:`MelConvention.from_log_mel` does them.
"""

import hashlib
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from vocoders.core.checks import check_audio, check_features
from vocoders.core.config import Config
from vocoders.core.numbers import exact_text
from vocoders.frontends.mel import LogMel, MelConfig, from_logarithm, to_logarithm

__all__ = ["MeanVariance", "MelConvention", "MinMax", "Normalization"]

PerBand = float | tuple[float, ...]
"""One number for all bands, or one for each."""


class MeanVariance(Config):
    """Normalisation to mean 0 and deviation 1.

    Attributes:
        mean: subtracted; one number, or one per band.
        std: divided by.
    """

    kind: Literal["mean_variance"] = "mean_variance"
    mean: PerBand
    std: PerBand

    @model_validator(mode="after")
    def _check(self) -> "MeanVariance":
        if min(_sequence(self.std)) <= 0:
            raise ValueError("std must be above 0 in every band")
        return self

    def apply(self, values: Tensor) -> Tensor:
        """Normalise values (..., n_mels, F)."""
        return (values - _column(self.mean, values)) / _column(self.std, values)

    def undo(self, values: Tensor) -> Tensor:
        """Return the values before :meth:`apply`."""
        return values * _column(self.std, values) + _column(self.mean, values)

    def describe(self) -> str:
        """Return one line: equal lines mean equal numbers."""
        return f"mean {_describe(self.mean)} std {_describe(self.std)}"


class MinMax(Config):
    """Normalisation of the range ``minimum..maximum`` to ``low..high``.

    Attributes:
        minimum: becomes ``low``; one number, or one per band.
        maximum: becomes ``high``.
        low: 0, or -4 in the symmetric form of Tacotron.
        high: 1, or 4.
        clip: limit the result to ``low..high``.
    """

    kind: Literal["min_max"] = "min_max"
    minimum: PerBand
    maximum: PerBand
    low: float = 0.0
    high: float = 1.0
    clip: bool = True

    @model_validator(mode="after")
    def _check(self) -> "MinMax":
        low, high = _sequence(self.minimum), _sequence(self.maximum)
        if len(low) != len(high) and 1 not in (len(low), len(high)):
            raise ValueError(f"minimum has {len(low)} bands and maximum {len(high)}")
        wide = low * len(high) if len(low) == 1 else low
        tall = high * len(low) if len(high) == 1 else high
        if any(a >= b for a, b in zip(wide, tall, strict=True)) or self.low >= self.high:
            raise ValueError("minimum must be below maximum, and low below high")
        return self

    def apply(self, values: Tensor) -> Tensor:
        """Normalise values (..., n_mels, F)."""
        minimum, maximum = _column(self.minimum, values), _column(self.maximum, values)
        scaled = self.low + (self.high - self.low) * (values - minimum) / (maximum - minimum)
        return scaled.clamp(self.low, self.high) if self.clip else scaled

    def undo(self, values: Tensor) -> Tensor:
        """Return the values before :meth:`apply`; what was clipped remains at the limit."""
        minimum, maximum = _column(self.minimum, values), _column(self.maximum, values)
        scaled = values.clamp(self.low, self.high) if self.clip else values
        return minimum + (maximum - minimum) * (scaled - self.low) / (self.high - self.low)

    def describe(self) -> str:
        """Return one line: equal lines mean equal numbers."""
        clipped = " clipped" if self.clip else ""
        source = f"{_describe(self.minimum)}..{_describe(self.maximum)}"
        return f"range {source} to {exact_text(self.low)}..{exact_text(self.high)}{clipped}"


Normalization = Annotated[MeanVariance | MinMax, Field(discriminator="kind")]


class MelConvention(Config):
    """Everything that defines the numbers of a mel feature file.

    Attributes:
        mel: the analysis, with the logarithm and the floor; in YAML also the name of a preset.
        linear: the features are the mel itself; the logarithm of ``mel`` is not taken.
        multiplier: factor on the logarithm: 20 for decibels of a magnitude, 10 for those of a power.
        reference: subtracted from the product, such as 20 dB.
        preemphasis: coefficient a of the filter y[n] = x[n] - a x[n - 1] before the analysis; 0: none.
        normalization: of the result; ``None``: none.
        layout: which axis comes first in files and arrays.
    """

    mel: MelConfig
    linear: bool = False
    multiplier: float = Field(default=1.0, gt=0)
    reference: float = 0.0
    preemphasis: float = Field(default=0.0, ge=0, lt=1)
    normalization: Normalization | None = None
    layout: Literal["bands_first", "frames_first"] = "bands_first"

    @model_validator(mode="after")
    def _check(self) -> "MelConvention":
        if self.linear and (self.multiplier != 1.0 or self.reference != 0.0):
            raise ValueError("linear features have no multiplier and no reference of a logarithm")
        per_band = [] if self.normalization is None else list(self.normalization.model_dump().values())
        wrong = [len(v) for v in per_band if isinstance(v, (tuple, list)) and len(v) != self.mel.n_mels]
        if wrong:
            raise ValueError(f"normalization has statistics of {wrong[0]} bands for a mel of {self.mel.n_mels}")
        return self

    @property
    def fingerprint(self) -> str:
        """The convention in one line: equal lines mean equal numbers."""
        parts = [self.mel.fingerprint]
        if self.linear:
            parts.append("linear, no logarithm")
        if self.multiplier != 1 or self.reference != 0:
            parts.append(f"{exact_text(self.multiplier)} {self.mel.log} - {exact_text(self.reference)}")
        if self.preemphasis:
            parts.append(f"pre-emphasis {exact_text(self.preemphasis)}")
        if self.normalization is not None:
            parts.append(self.normalization.describe())
        if self.layout == "frames_first":
            parts.append("frames first")
        return " | ".join(parts)

    def differences(self, other: "MelConvention") -> list[str]:
        """Return a line ``key: ours, theirs`` for each number that differs; equal conventions have none."""
        ours, theirs = _flat(self), _flat(other)
        return [
            f"{key}: {ours.get(key, 'none')}, {theirs.get(key, 'none')}"
            for key in dict.fromkeys([*ours, *theirs])
            if ours.get(key) != theirs.get(key)
        ]

    def to_log_mel(self, features: Any) -> Tensor:
        """Return features of this convention as the log-mels of ``mel``.

        Args:
            features: tensor or array (n_mels, F) or (B, n_mels, F), or with frames first. ``layout`` decides where both
                axes have the length n_mels.

        Returns:
            float32 (B, n_mels, F), in the logarithm of ``mel`` and not below its floor.

        Raises:
            ShapeError: for another number of bands.
            DataError: for NaN or infinite values.
        """
        values = self.undo(check_features(self.bands_first(features), self.mel.n_mels))
        return values.clamp(min=_lowest(self.mel, values))

    def bands_first(self, features: Any) -> Tensor:
        """Return features as a tensor (n_mels, F) or (B, n_mels, F), if one of the axes has that length."""
        values = torch.as_tensor(features)
        if values.ndim not in (2, 3):
            return values
        frames_first = values.shape[-1] == self.mel.n_mels
        if values.shape[-2] == self.mel.n_mels and frames_first:
            frames_first = self.layout == "frames_first"
        return values.transpose(-2, -1) if frames_first else values

    def undo(self, values: Tensor) -> Tensor:
        """Return values (..., n_mels, F) as log-mels, without limits: they may lie below the floor."""
        if self.normalization is not None:
            values = self.normalization.undo(values)
        if self.linear:
            return to_logarithm(values.clamp(min=self.mel.floor), self.mel.log)
        return (values + self.reference) / self.multiplier

    def from_log_mel(self, log_mel: Tensor) -> Tensor:
        """Return log-mels (B, n_mels, F) of ``mel`` as features of this convention, with its axes."""
        values = from_logarithm(log_mel, self.mel.log) if self.linear else self.multiplier * log_mel - self.reference
        if self.normalization is not None:
            values = self.normalization.apply(values)
        return values if self.layout == "bands_first" else values.transpose(-2, -1)

    def analyze(self, audio: Any) -> Tensor:
        """Return the features of audio (B, T) or (B, 1, T): (B, n_mels, F) or (B, F, n_mels), with F = T // hop_length.

        Raises:
            ShapeError, DataError: as :class:`LogMel`.
        """
        return self.from_log_mel(LogMel(self.mel)(self.emphasize(check_audio(audio, "BT", "B1T"))))

    def emphasize(self, audio: Tensor) -> Tensor:
        """Return audio (..., T) after the pre-emphasis."""
        if not self.preemphasis:
            return audio
        return torch.cat([audio[..., :1], audio[..., 1:] - self.preemphasis * audio[..., :-1]], dim=-1)


def _lowest(mel: MelConfig, like: Tensor) -> float:
    return float(to_logarithm(like.new_tensor(mel.floor), mel.log))


def _sequence(value: PerBand) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)


def _column(value: PerBand, like: Tensor) -> Tensor:
    """Return numbers per band as a column (n_mels, 1), or (1, 1)."""
    return like.new_tensor(_sequence(value))[:, None]


def _describe(value: PerBand) -> str:
    """Describe one number exactly, numbers per band by their range and a digest."""
    if not isinstance(value, tuple):
        return exact_text(value)
    digest = hashlib.sha256(repr(value).encode()).hexdigest()[:8]
    return f"{min(value):.4g}..{max(value):.4g} ({len(value)} bands, {digest})"


def _flat(convention: MelConvention) -> dict[str, Any]:
    """Return all numbers by name, with equal values for equal meanings."""
    mel = convention.mel
    spelled_out = {"win_length": mel.window_length, "fmax": mel.top_frequency}
    rest = convention.model_dump(exclude={"mel", "normalization"})
    normalization = convention.normalization
    described = "none" if normalization is None else normalization.describe()
    return {**mel.model_dump(), **spelled_out, **rest, "normalization": described}
