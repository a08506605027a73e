"""Quantisers: audio to codes of a few bits and back.

``official`` is the exact quantiser of SaShiMi's published models. It rescales every clip to its own minimum and
maximum, so gain and offset are lost and the code of silence depends on the clip. It decodes a code to the lower edge of
its bin, so encoding again gives another code in most cases.

``midtread`` is ours, for new models: audio in [-1, 1] is not rescaled, steps are uniform after companding, and each
code decodes to the middle of its bin. Silence is exactly ``zero_code``; code 0 is never produced and decodes to -1.
"""

import math
from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from vocoders.core.checks import check_audio
from vocoders.core.config import Config

__all__ = ["Quantiser", "QuantiserConfig"]

# The published quantiser keeps this distance from the ends of the range.
_EDGE = 0.01


class QuantiserConfig(Config):
    """Configuration of a quantiser.

    Attributes:
        companding: ``mu_law`` (mu = number of codes - 1) or ``linear``.
        bits: number of bits of a code.
        scheme: ``official`` or ``midtread``, see the module's docstring.
    """

    companding: Literal["mu_law", "linear"] = "mu_law"
    bits: int = Field(default=8, ge=2, le=16)
    scheme: Literal["official", "midtread"] = "midtread"

    @property
    def fingerprint(self) -> str:
        """The quantiser in one line: equal lines mean equal codes."""
        return f"{self.companding} {self.bits} bit {self.scheme}"


class Quantiser:
    """Turn audio into codes and back.

    Args:
        config: see :class:`QuantiserConfig`.
    """

    def __init__(self, config: QuantiserConfig) -> None:
        self.config = config
        self.num_codes = 1 << config.bits

    @property
    def zero_code(self) -> int:
        """Code of silence, which starts every sequence; ``official`` decodes it to 0, but rarely encodes 0 to it."""
        return self.num_codes // 2

    def encode(self, audio: Tensor) -> Tensor:
        """Return the codes of audio.

        Args:
            audio: (..., T), time last; clipped to [-1, 1] by ``midtread``, rescaled by ``official``.

        Returns:
            int64 (..., T) in [0, num_codes).

        Raises:
            ShapeError: for anything but floating-point numbers with samples.
            DataError: for samples that are NaN or infinite.
        """
        audio = check_audio(audio, dtype=None)
        if self.config.scheme == "midtread":
            steps = self.zero_code - 1
            return torch.round(self._compress(audio.clamp(-1, 1)) * steps).long() + self.zero_code
        lowest = audio.amin(dim=-1, keepdim=True)
        scaled = (audio - lowest) / (audio.amax(dim=-1, keepdim=True) - lowest + 1e-6)
        if self.config.companding == "mu_law":
            # Published: companding of x + 1e-8 with the sign of x, then scaling to [0, 1].
            signal = -1 + 2 * scaled
            magnitude = torch.log1p((self.num_codes - 1) * (signal + 1e-8).abs()) / math.log(self.num_codes)
            scaled = (torch.sign(signal) * magnitude + 1) / 2
        return (scaled * (self.num_codes - _EDGE) + _EDGE / 2).long()

    def decode(self, codes: Tensor) -> Tensor:
        """Return audio for int64 codes (..., T): float32 in [-1, 1]."""
        centred = codes.float() - self.zero_code
        if self.config.scheme == "midtread":
            return self._expand((centred / (self.zero_code - 1)).clamp(min=-1))
        return self._expand(centred / self.zero_code)

    def _compress(self, audio: Tensor) -> Tensor:
        if self.config.companding == "linear":
            return audio
        return torch.sign(audio) * torch.log1p((self.num_codes - 1) * audio.abs()) / math.log(self.num_codes)

    def _expand(self, value: Tensor) -> Tensor:
        if self.config.companding == "linear":
            return value
        magnitude = torch.expm1(value.abs() * math.log(self.num_codes)) / (self.num_codes - 1)
        return torch.sign(value) * magnitude
