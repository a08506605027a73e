"""Discrete wavelet transform of the last axis, with exact inverse, on the filter taps of PyWavelets.

Low-pass and high-pass filters ``h`` split a signal into two bands of half its rate (Mallat 1989),
``band[k] = sum_j h[j] x[2 k + s - j]``, and the synthesis filters join them again without error. The transform splits
the low band again and again; wavelet packets (:mod:`vocoders.frontends.wavelet_packet`) split every band.

Borders are extended either periodically, which keeps the number of samples (``periodic``, called ``periodization`` by
PyWavelets, s = L / 2 for L taps), or by half-sample reflection (``symmetric``, s = 1, some samples more per band). All
numbers agree with PyWavelets; both directions are differentiable. Only ``dmey`` does not reconstruct exactly (error
about 2e-2 of the level), since its published taps are truncated.
"""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import pywt
import torch
import torch.nn.functional as F
from pydantic import Field, field_validator
from torch import Tensor, nn

from vocoders.core.config import Config
from vocoders.core.errors import ShapeError

__all__ = ["DWT", "FilterBank", "WaveletConfig", "WaveletMode"]

WaveletMode = Literal["periodic", "symmetric"]


class WaveletConfig(Config):
    """Everything that defines a wavelet transform.

    Attributes:
        wavelet: PyWavelets name of an orthogonal or biorthogonal wavelet (``haar``, ``db4``, ``bior4.4`` ...).
        levels: number of splits.
        mode: extension of the borders.
        order: order of wavelet packets, ``frequency`` (ascending) or ``natural`` (low branch first at each split).
    """

    wavelet: str = "haar"
    levels: int = Field(default=1, ge=1)
    mode: WaveletMode = "periodic"
    order: Literal["frequency", "natural"] = "frequency"

    @field_validator("wavelet")
    @classmethod
    def _check_wavelet(cls, name: str) -> str:
        known = pywt.wavelist(kind="discrete")  # pyright: ignore[reportAttributeAccessIssue]  (compiled)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            families = pywt.families()  # pyright: ignore[reportAttributeAccessIssue]  (compiled)
            hint = f"did you mean '{near[0]}'?" if near else f"families: {', '.join(families)}"
            raise ValueError(f"no orthogonal or biorthogonal wavelet is called '{name}'; {hint}")
        return name

    @property
    def fingerprint(self) -> str:
        """The transform in one line: equal lines mean equal numbers."""
        return f"wavelet {self.wavelet} levels={self.levels} {self.mode} order={self.order}"


class FilterBank(nn.Module):
    """One split into a low and a high band, and its inverse.

    The taps move with the module to its device and precision. Under autocast, and where TF32 is allowed, the arithmetic
    keeps the precision of the signal, since otherwise the bands would not add up to it.

    Args:
        config: wavelet and mode are used.

    Shape:
        ``forward``: (..., T) -> (..., 2, K), K = :meth:`band_length` of T. ``inverse``: (..., 2, K) -> (..., T).
    """

    def __init__(self, config: WaveletConfig) -> None:
        super().__init__()
        taps = pywt.Wavelet(config.wavelet)  # pyright: ignore[reportAttributeAccessIssue]  (compiled)
        self.config, self.num_taps, self.periodic = config, taps.dec_len, config.mode == "periodic"
        # conv1d correlates, so the analysis taps run backwards; conv_transpose1d convolves.
        self._exact = {
            "analysis_taps": torch.tensor([taps.dec_lo[::-1], taps.dec_hi[::-1]], dtype=torch.float64)[:, None],
            "synthesis_taps": torch.tensor([taps.rec_lo, taps.rec_hi], dtype=torch.float64)[:, None],
        }
        for name, value in self._exact.items():
            self.register_buffer(name, value.to(torch.get_default_dtype()), persistent=False)

    def _apply(self, *arguments, **options) -> "FilterBank":
        # float32 taps converted to float64 would reconstruct to 1e-8 only: compute them anew in the new precision.
        super()._apply(*arguments, **options)
        for name, value in self._exact.items():
            buffer = getattr(self, name)
            setattr(self, name, value.to(buffer.dtype).to(buffer.device))
        return self

    def extra_repr(self) -> str:
        """Return the text in the printed module."""
        return f"{self.config.wavelet}, {self.config.mode}, {self.num_taps} taps"

    def band_length(self, length: int) -> int:
        """Return the number of samples in each band of a signal of ``length`` samples."""
        return (length + 1) // 2 if self.periodic else (length + self.num_taps - 1) // 2

    def longest_length(self, band_length: int) -> int:
        """Return the length of the longest signal whose bands have ``band_length`` samples."""
        return 2 * band_length if self.periodic else 2 * band_length - self.num_taps + 2

    def forward(self, signal: Tensor) -> Tensor:
        """Split ``signal`` (..., T) into its low and high band, (..., 2, K)."""
        if signal.dim() == 0 or signal.shape[-1] == 0:
            raise ShapeError(f"signal of shape {tuple(signal.shape)}; a wavelet transform needs at least one sample")
        rows = signal.reshape(-1, 1, signal.shape[-1])
        band_length = self.band_length(rows.shape[-1])
        if rows.shape[-1] % 2 and (self.periodic or self.num_taps == 2):
            rows = torch.cat([rows, rows[..., -1:]], dim=-1)
        with _full_precision(signal.device):
            taps = self._taps("analysis_taps", rows)
            if self.num_taps == 2:
                # Blocks of two never overlap: one matrix product is several times faster than the convolution.
                bands = taps[:, 0] @ rows.reshape(-1, band_length, 2).transpose(1, 2)
            else:
                left = self.num_taps // 2 - 1 if self.periodic else self.num_taps - 2
                right = 2 * (band_length - 1) + self.num_taps - left - rows.shape[-1]
                bands = F.conv1d(_extend(rows, left, right, self.periodic), taps, stride=2)
        return bands.reshape(*signal.shape[:-1], 2, band_length)

    def inverse(self, bands: Tensor, length: int | None = None) -> Tensor:
        """Join ``bands`` (..., 2, K) to a signal (..., T).

        Args:
            bands: low and high band.
            length: T; two lengths that differ by one have bands of the same length. Default: the longer one.

        Raises:
            ShapeError: if the bands cannot belong to a signal of ``length`` samples.
        """
        if bands.dim() < 2 or bands.shape[-2] != 2:
            raise ShapeError(f"bands of shape {tuple(bands.shape)}; expected (..., 2, K)")
        band_length = bands.shape[-1]
        longest = self.longest_length(band_length)
        length = longest if length is None else length
        if length < 1 or self.band_length(length) != band_length:
            raise ShapeError(
                f"bands of {band_length} samples for a signal of {length}; {self.config.wavelet} in "
                f"{self.config.mode} mode makes bands of {self.band_length(max(length, 1))}"
            )
        rows = bands.reshape(-1, 2, band_length)
        with _full_precision(bands.device):
            taps = self._taps("synthesis_taps", rows)
            if self.num_taps == 2:
                signal = rows.transpose(1, 2) @ taps[:, 0]
            elif self.periodic:
                # The taps extend L / 4 band samples beyond each end, where the bands wrap around.
                reach = self.num_taps // 4
                padding = 2 * reach + self.num_taps // 2 - 1
                signal = F.conv_transpose1d(_extend(rows, reach, reach, True), taps, stride=2, padding=padding)
            else:
                signal = F.conv_transpose1d(rows, taps, stride=2, padding=self.num_taps - 2)
        return signal.reshape(*bands.shape[:-2], longest)[..., :length]

    def _taps(self, name: str, signal: Tensor) -> Tensor:
        """Return the taps at the precision of ``signal``."""
        taps = getattr(self, name)
        return taps if taps.dtype == signal.dtype else self._exact[name].to(signal.dtype).to(signal.device)


class DWT(nn.Module):
    """Multi-level wavelet transform.

    Shape:
        ``forward``: (..., T) -> list [a_n (..., K_n), d_n (..., K_n), ..., d_1 (..., K_1)], coarsest first.
        ``inverse``: such a list -> (..., T).
    """

    def __init__(self, config: WaveletConfig) -> None:
        super().__init__()
        self.config = config
        self.bank = FilterBank(config)

    def forward(self, signal: Tensor) -> list[Tensor]:
        """Return approximation and details of ``signal``, coarsest first."""
        details = []
        for _ in range(self.config.levels):
            signal, detail = self.bank(signal).unbind(-2)
            details.append(detail)
        return [signal, *reversed(details)]

    def inverse(self, coefficients: Sequence[Tensor], length: int | None = None) -> Tensor:
        """Return the signal of ``coefficients``.

        Args:
            coefficients: as returned by :meth:`forward`.
            length: T; needed where it was odd. Default: the longest signal with these coefficients.
        """
        signal, *details = coefficients
        if len(details) != self.config.levels:
            raise ShapeError(
                f"{len(coefficients)} coefficient tensors; {self.config.levels} levels have one more than that"
            )
        lengths = [*(detail.shape[-1] for detail in details[1:]), length]
        for detail, target in zip(details, lengths, strict=True):
            if signal.shape != detail.shape:
                raise ShapeError(
                    f"approximation {tuple(signal.shape)} and detail {tuple(detail.shape)} differ in shape"
                )
            signal = self.bank.inverse(torch.stack([signal, detail], dim=-2), target)
        return signal


def _extend(rows: Tensor, left: int, right: int, periodic: bool) -> Tensor:
    """Extend the last axis by ``left`` and ``right`` samples, possibly by more than its length."""
    length = rows.shape[-1]
    period = length if periodic else 2 * length
    pieces = []
    for first, last in ((-left, 0), (length, length + right)):
        index = torch.arange(first, last, device=rows.device).remainder(period)
        pieces.append(rows.index_select(-1, torch.minimum(index, 2 * length - 1 - index)))
    return torch.cat([pieces[0], rows, pieces[1]], dim=-1)


@contextmanager
def _full_precision(device: torch.device) -> Iterator[None]:
    """Compute products at the precision of their operands: no autocast and, on a GPU, no TF32."""
    switches, name, full = _tf32_switches() if device.type == "cuda" else ((), "", None)
    before = [getattr(switch, name) for switch in switches]
    with torch.autocast(device.type, enabled=False):
        try:
            for switch in switches:
                setattr(switch, name, full)
            yield
        finally:
            for switch, precision in zip(switches, before, strict=True):
                setattr(switch, name, precision)


def _tf32_switches() -> tuple[tuple[Any, ...], str, Any]:
    """Return torch's switches of convolutions and products, their attribute, and its value for full precision."""
    cudnn: Any = torch.backends.cudnn
    if hasattr(torch.backends.cuda.matmul, "fp32_precision"):
        return (cudnn.conv, torch.backends.cuda.matmul), "fp32_precision", "ieee"
    # Releases before 2.9.
    return (cudnn, torch.backends.cuda.matmul), "allow_tf32", False
