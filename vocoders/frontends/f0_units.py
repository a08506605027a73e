"""F0 in the units of other programs, as Hz with 0 where unvoiced."""

from typing import Literal, get_args

import numpy as np

from vocoders.core.errors import DataError

__all__ = ["F0_UNITS", "F0Unit", "check_plausible_f0", "describe_f0", "to_hertz"]

F0Unit = Literal["hz", "khz", "ln", "log2", "log10", "semitones", "cents", "espnet", "kaldi"]
F0_UNITS: tuple[F0Unit, ...] = get_args(F0Unit)
"""Units: ``ln``, ``log2`` and ``log10`` of Hz, MIDI ``semitones`` (A4 is 69), ``cents`` above 10 Hz, ``espnet`` (the
natural logarithm, continuous: voicing is not in it) and ``kaldi`` (rows of NCCF and Hz, continuous)."""

CONTINUOUS: tuple[F0Unit, ...] = ("espnet", "kaldi")
"""Units in which unvoiced frames have values too."""

_LOWEST, _HIGHEST = 20.0, 4000.0
# Highest F0 of a logarithm that could be one: 0 and the negative numbers mean unvoiced.
_UNVOICED_LOG = 1.2
# Voiced frames of speech in each unit, for guesses: median within these limits.
_USUAL: dict[F0Unit, tuple[float, float]] = {
    "hz": (50.0, 1500.0),
    "cents": (2500.0, 8800.0),
    "semitones": (30.0, 50.0),
    "log2": (6.5, 10.0),
    "ln": (3.8, 6.5),
    "log10": (1.6, 3.2),
    "khz": (0.04, 1.6),
}


def to_hertz(f0: np.ndarray, unit: F0Unit, voiced: np.ndarray | None = None) -> np.ndarray:
    """Return F0 (F,) in Hz, 0 where unvoiced.

    NaN, infinite and negative values, and logarithms near 0, are unvoiced.

    Args:
        f0: (F,) in ``unit``; for ``kaldi`` (F, 2) or (2, F): NCCF and Hz.
        unit: one of :data:`F0_UNITS`.
        voiced: (F,) whether each frame is voiced; ``None``: as the values say.

    Raises:
        DataError: for another shape.
    """
    values = _pitch_of_kaldi(f0) if unit == "kaldi" else np.asarray(f0, dtype=np.float64)
    values = values.reshape(-1)
    with np.errstate(over="ignore", invalid="ignore"):
        heard = np.isfinite(values) & (values > (_UNVOICED_LOG if unit in ("ln", "log2", "log10", "espnet") else 0))
        hertz = np.where(heard, _convert(np.where(heard, values, 0.0), unit), 0.0)
    if voiced is not None:
        flags = np.asarray(voiced).reshape(-1)
        if len(flags) != len(hertz):
            raise DataError(
                f"a voiced flag of {len(flags)} frames for F0 of {len(hertz)} frames; expected equal numbers"
            )
        hertz = np.where(flags > 0.5, hertz, 0.0)
    return hertz


def check_plausible_f0(f0: np.ndarray, unit: F0Unit | None, source: str) -> None:
    """Raise an error if F0 cannot be in a unit.

    Args:
        f0: as for :func:`to_hertz`.
        unit: what the user says; ``None``: Hz, and NaN is not expected.
        source: name for the message.

    Raises:
        DataError: in one line, with the unit that would fit.
    """
    values = np.asarray(f0, dtype=np.float64).reshape(-1)
    bad = ~np.isfinite(values)
    if unit is None and bad.any():
        found = f"{int(bad.sum())} of {len(values)} values of F0 are NaN or infinite, the first in frame {bad.argmax()}"
        other = guess_unit(values[~bad]) or "hz"
        raise DataError(f"{source}: {found}; if they are unvoiced, pass --f0-unit {other}")
    if unit is None and (values < 0).any():
        negative = values < 0
        found = f"{int(negative.sum())} values of F0 are negative, the first in frame {negative.argmax()}"
        # Unvoiced frames share one negative number; normalised F0 has many.
        normalised = np.unique(values[negative]).size > 1
        remedy = "they look normalised: undo that first" if normalised else describe_f0(values)
        raise DataError(f"{source}: {found}; expected Hz, 0 where unvoiced; {remedy}")
    hertz = to_hertz(f0, unit or "hz")
    sounding = hertz[hertz > 0]
    if not len(sounding):
        return
    low, high = float(sounding.min()), float(sounding.max())
    if not _LOWEST <= float(np.median(sounding)) <= 2000 or high > _HIGHEST or (low < _LOWEST and unit is not None):
        named = "Hz" if unit is None else f"'{unit}'"
        found = f"F0 in {named} would be {low:.4g} to {high:.4g} Hz"
        raise DataError(f"{source}: {found}; {describe_f0(values)}")
    if unit is None and (other := guess_unit(values)) not in ("hz", None):
        raise DataError(f"{source}: F0 from {low:.4g} to {high:.4g} is no Hz; {describe_f0(values)}")


def describe_f0(values: np.ndarray) -> str:
    """Return which unit the values would fit, in a few words."""
    unit = guess_unit(values[np.isfinite(values)])
    return f"--f0-unit {unit} would fit" if unit else f"no unit fits; known: {', '.join(F0_UNITS)}"


def guess_unit(values: np.ndarray) -> F0Unit | None:
    """Return the unit in which voiced values would be those of speech or singing; ``None``: none."""
    sounding = values[values > 0]
    if not len(sounding):
        return None
    median = float(np.median(sounding))
    fitting: list[F0Unit] = [unit for unit, (low, high) in _USUAL.items() if low <= median <= high]
    # The spread of semitones is small; a low voice in Hz varies more.
    if median < 85 and 30 <= median and np.ptp(sounding) < 25 and sounding.min() > 25:
        return "semitones"
    return fitting[0] if fitting else None


def _convert(values: np.ndarray, unit: F0Unit) -> np.ndarray:
    conversions = {
        "khz": lambda x: 1000 * x,
        "ln": np.exp,
        "espnet": np.exp,
        "log2": np.exp2,
        "log10": lambda x: 10.0**x,
        "semitones": lambda x: 440 * 2 ** ((x - 69) / 12),
        "cents": lambda x: 10 * 2 ** (x / 1200),
    }
    return conversions[unit](values) if unit in conversions else values


def _pitch_of_kaldi(f0: np.ndarray) -> np.ndarray:
    """Return the Hz of rows of NCCF and Hz."""
    values = np.asarray(f0, dtype=np.float64)
    if values.ndim == 2 and values.shape[0] == 2 and values.shape[1] != 2:
        values = values.T
    if values.ndim != 2 or values.shape[1] < 2:
        raise DataError(f"pitch of Kaldi {np.shape(f0)}; expected (frames, 2): NCCF and Hz")
    hertz = values[:, 1]
    if (hertz <= 0).any() or np.median(hertz) < _LOWEST:
        raise DataError(
            "the second column of the pitch features is no Hz; expected those of compute-kaldi-pitch-feats, before "
            "process-kaldi-pitch-feats normalises them; else leave F0 out"
        )
    return hertz
