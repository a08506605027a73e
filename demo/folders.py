"""Files of visitors, in one temporary folder that is removed when the server stops."""

import os
import tempfile
import uuid
import wave
from pathlib import Path

import numpy as np

__all__ = ["result_file", "temporary_folder", "write_wav"]


def temporary_folder() -> Path:
    """Return the folder in which Gradio keeps the files of its users."""
    return Path(os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio")


def result_file(samples: np.ndarray, sample_rate: int, name: str) -> str:
    """Write a result for a player, at a path that no other request uses.

    Gradio names files after their content: of two equal results at the same time, one would truncate the file while
    the other is read.

    Args:
        samples: int16 (T,) or (T, C).
        sample_rate: in Hz.
        name: name of the downloaded file, without suffix.

    Returns:
        The path; Gradio removes the file when it is old.
    """
    folder = temporary_folder() / "results" / uuid.uuid4().hex
    folder.mkdir(parents=True)
    path = folder / f"{name}.wav"
    write_wav(path, samples, sample_rate)
    return str(path)


def write_wav(path: Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write int16 samples (T,) or (T, C)."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1 if samples.ndim == 1 else samples.shape[1])
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        file.writeframes(samples.astype("<i2").tobytes())
