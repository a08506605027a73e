"""Sound and pictures as text inside a page: lossless audio and spectrograms as data addresses."""

import base64
import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import soundfile

from recipes.metrics.mel import frame_length

__all__ = ["RANGE_DB", "audio_address", "decibels", "spectrogram_address"]

_COLUMNS, _ROWS, _LEVELS = 480, 192, 64
RANGE_DB = 80.0
# From dark to bright with rising lightness, so that it reads in print and with any colour vision.
_COLOURS = ((8, 8, 20), (48, 18, 84), (120, 28, 109), (188, 55, 84), (237, 105, 37), (251, 180, 70), (252, 255, 200))


def audio_address(samples: np.ndarray, sample_rate: int) -> str:
    """Return audio (C, T) in [-1, 1] as a FLAC of 16 bits, which every browser plays."""
    stream = io.BytesIO()
    clipped = np.clip(samples.T, -1.0, 32767 / 32768)
    soundfile.write(stream, clipped, sample_rate, format="FLAC", subtype="PCM_16")
    return _address("audio/flac", stream.getvalue())


def decibels(samples: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the spectrogram of (C, T), channels added, (rows, columns) in dB with the lowest frequency last."""
    n_fft = frame_length(sample_rate)
    mono = np.pad(samples.mean(axis=0).astype(np.float64), n_fft // 2)
    columns = max(1, min(_COLUMNS, samples.shape[-1]))
    starts = np.linspace(0, len(mono) - n_fft, columns).astype(int)
    power = np.empty((n_fft // 2 + 1, columns))
    for first in range(0, columns, 64):
        frames = mono[starts[first : first + 64, None] + np.arange(n_fft)]
        power[:, first : first + 64] = np.abs(np.fft.rfft(frames * np.hanning(n_fft))).T ** 2
    edges = np.linspace(0, len(power), min(_ROWS, len(power)) + 1).astype(int)
    rows = np.add.reduceat(power, edges[:-1]) / np.diff(edges)[:, None]
    return 10 * np.log10(rows[::-1] + 1e-12)


def spectrogram_address(spectrum: np.ndarray, top: float) -> str:
    """Return a spectrogram in dB as a PNG; ``top`` is the brightest colour, :data:`RANGE_DB` below it the darkest."""
    levels = np.clip((spectrum - top + RANGE_DB) / RANGE_DB, 0, 1) * (_LEVELS - 1)
    return _address("image/png", _png(np.rint(levels).astype(np.uint8), _palette()))


def _palette() -> np.ndarray:
    anchors = np.linspace(0, _LEVELS - 1, len(_COLOURS))
    channels = [np.interp(np.arange(_LEVELS), anchors, column) for column in np.array(_COLOURS).T]
    return np.rint(np.stack(channels, axis=1)).astype(np.uint8)


def _png(indices: np.ndarray, palette: np.ndarray) -> bytes:
    """Encode an image of palette indices (ISO/IEC 15948)."""
    height, width = indices.shape
    lines = b"".join(b"\0" + row.tobytes() for row in indices)
    chunks: Sequence[tuple[bytes, bytes]] = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", palette.tobytes()),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def _address(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
