"""Whole files through a vocoder, from bytes to bytes."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recipes.cli.declared import chosen_options
from recipes.serving.limits import Limits, check_effort
from vocoders.core.audio import audio_info, read_audio, write_audio
from vocoders.core.errors import ConfigError, DataError, DiskError
from vocoders.core.feature_files import read_feature_file
from vocoders.core.limiting import limit_peaks
from vocoders.interface import Vocoder

__all__ = ["synthesize_file"]

_MOST_DIGITS = 18
_ZIP = b"PK\x03\x04"


def synthesize_file(vocoder: Vocoder, body: bytes, given: Mapping[str, str], limits: Limits) -> bytes:
    """Return the synthesis of a file as a WAV.

    Args:
        vocoder: the system.
        body: audio in any format that is read, or an ``.npz`` with ``features`` and ``f0``.
        given: options of synthesis by name, as text, and ``seed``.
        limits: of the server.

    Raises:
        ConfigError: for unknown options, and more steps than a server takes.
        DataError: for a body that cannot be read, or is too long.
        DiskError, OSError: if temporary files cannot be written.
    """
    changes = dict(given)
    text = changes.pop("seed", "0")
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS:
        raise ConfigError(f"seed '{text[:_MOST_DIGITS]}'; expected a whole number of at most {_MOST_DIGITS} digits")
    options = chosen_options(vocoder, type(vocoder).__name__, changes)
    check_effort(options)
    how = {"seed": int(text), "options": options}
    with tempfile.TemporaryDirectory(prefix="ondes-") as folder:
        is_features = body.startswith(_ZIP)
        path = Path(folder) / ("body.npz" if is_features else "body.wav")
        path.write_bytes(body)
        try:
            made = _from_features if is_features else _from_audio
            output = path.with_name("answer.wav")
            rate = vocoder.sample_rate
            write_audio(output, limit_peaks(made(vocoder, path, how, limits), rate), rate)
        except DiskError:
            raise
        except DataError as error:
            # Not the server's own place of the file.
            raise DataError(str(error).replace(str(path), "the body")) from None
        return output.read_bytes()


def _from_features(vocoder: Vocoder, path: Path, how: Mapping[str, Any], limits: Limits) -> Tensor:
    found = read_feature_file(path)
    _check_length(found.features.shape[-1] * vocoder.hop_length / vocoder.sample_rate, limits)
    f0 = None if found.f0 is None or not vocoder.uses_f0 else torch.from_numpy(found.f0.astype("float32")).flatten()
    return vocoder.synthesize(torch.from_numpy(found.features.astype("float32")), f0, **how)[0].float().cpu()


def _from_audio(vocoder: Vocoder, path: Path, how: Mapping[str, Any], limits: Limits) -> Tensor:
    _check_length(audio_info(path, limits.seconds).duration, limits)
    return vocoder.copy_channels(read_audio(path, vocoder.sample_rate)[0], **how)


def _check_length(seconds: float, limits: Limits) -> None:
    if seconds > limits.seconds:
        raise DataError(f"{seconds:.0f} s of audio; expected at most {limits.seconds:g} s")
