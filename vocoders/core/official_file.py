"""Read the file of a foreign checkpoint without executing code from it, and explain why a file cannot be read.

A file that cannot be read is inspected (first bytes, names in an archive, classes that a pickle names), so that the
error names the cause: an incomplete download, a saved web page, a class of another program.
"""

import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from vocoders.core.errors import CheckpointError
from vocoders.core.regular_files import RefusedFileError
from vocoders.core.text import enumerate_some, looks_like_text
from vocoders.core.torch_files import is_safetensors, load_safetensors, load_tensors

__all__ = ["foreign_classes", "read_official_checkpoint", "unreadable_reason"]

_AGAIN = "copy or download it again"
_UNPACK = "unpack it first"
_BY_FIRST_BYTES = [
    (b"version https://git-lfs", "it is a Git LFS pointer, not the weights; run 'git lfs pull'"),
    (b"\x1f\x8b", f"it is compressed by gzip; {_UNPACK}"),
    (b"BZh", f"it is compressed by bzip2; {_UNPACK}"),
    (b"\xfd7zXZ", f"it is compressed by xz; {_UNPACK}"),
    (b"\x28\xb5\x2f\xfd", f"it is compressed by zstd; {_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", f"it is a 7-Zip archive; {_UNPACK}"),
    (b"Rar!", f"it is a RAR archive; {_UNPACK}"),
    (b"\x89HDF", "it is an HDF5 file; save the weights as a state dict of torch or as .safetensors"),
    (b"\x93NUMPY", "it is a NumPy array; expected a state dict of torch or .safetensors"),
    (b"RIFF", "it is a RIFF file, such as WAV audio"),
    (b"fLaC", "it is FLAC audio"),
    (b"OggS", "it is Ogg audio"),
    (b"%PDF", "it is a PDF document"),
]
_ZIP, _PICKLE = b"PK", b"\x80"
# Files in the format of torch.save before archives begin with this number.
_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."

# The names in pickles of numpy arrays and numbers, in the modules of numpy 2 and before. None of them runs code.
_BUILDERS: list[Any] = [np.zeros(1).__reduce__()[0], np.float64(0).__reduce__()[0]]
_ARRAYS = [
    np.ndarray,
    np.dtype,
    *{type(np.dtype(code)) for code in "?bBhHiIlLqQefd"},
    *(
        (function, f"numpy.{core}.multiarray.{function.__name__}")
        for function in _BUILDERS
        for core in ("core", "_core")
    ),
]
_OF_TENSORS = re.compile(
    r"torch(\._utils\._rebuild_\w+|\._tensor\._rebuild\w+|\.(\w+Storage|Size|device|dtype|Tensor|\w*(float|int|bool|complex)\w*)"
    r"|\.nn\.parameter\.Parameter|\.storage\.\w+|\.serialization\.\w+)"
    r"|collections\.(OrderedDict|Counter)|(__builtin__|builtins)\.(set|bytearray|complex)|_codecs\.encode|numpy\.(dtype|ndarray)|numpy\._?core\.multiarray\.\w+|numpy\.dtypes\.\w+"
)


def read_official_checkpoint(path: str | Path) -> Any:
    """Read a ``torch.save`` file, restricted to tensors, arrays and plain containers, or a ``.safetensors`` file.

    The type is recognised by the content, not by the suffix.

    Raises:
        CheckpointError: if the file is missing, truncated, no checkpoint, or would execute code when loaded; the
            message names the cause.
    """
    path = Path(path)
    if not path.is_file():
        what = "is a folder; expected a checkpoint file" if path.is_dir() else "no such checkpoint file"
        raise CheckpointError(f"{path}: {what}")
    try:
        return load_safetensors(path) if is_safetensors(path) else load_tensors(path, _ARRAYS)
    except RefusedFileError as error:
        raise CheckpointError(f"{path}: not a readable checkpoint: {error}") from None
    except Exception:  # torch raises errors of many types, and its messages advise loading unsafe files
        raise CheckpointError(f"{path}: not a readable checkpoint: {unreadable_reason(path)}") from None


def unreadable_reason(path: Path) -> str:
    """Return the reason why a file is not a readable checkpoint, and the remedy."""
    try:
        with open(path, "rb") as stream:
            start = stream.read(512)
    except OSError as error:
        return f"the system refuses to read it ({error.strerror})"
    if not start:
        return f"it is empty; {_AGAIN}"
    for bytes_, reason in _BY_FIRST_BYTES:
        if start.startswith(bytes_):
            return reason
    if start[257:262] == b"ustar":
        return f"it is a tar archive; {_UNPACK}"
    if start.startswith(_ZIP):
        return _zip_reason(path)
    if start[:1] == _PICKLE:
        return _pickle_reason(path)
    if start[8:9] == b"{":
        return f"it is damaged or truncated, a safetensors file by its beginning; {_AGAIN}"
    if looks_like_text(start):
        if re.match(rb"\s*(<!doctype html|<html|<\?xml|<head|<body)", start, re.IGNORECASE):
            return "it is a web page saved in a checkpoint's place; download the file itself, not its page"
        return "it is a text file"
    return f"it is damaged, truncated, or no checkpoint at all; {_AGAIN}"


def foreign_classes(stream: IO[bytes]) -> list[str]:
    """Return the classes and functions that a file's pickles name beyond tensors and plain containers.

    Nothing is imported or run.
    """
    return list(dict.fromkeys(name for name in _globals(stream) if not _OF_TENSORS.fullmatch(name)))


def _globals(stream: IO[bytes]) -> Iterator[str]:
    texts: list[str] = []
    memory: dict[Any, str] = {}
    try:
        while True:
            for opcode, argument, _ in pickletools.genops(stream):
                if opcode.name == "STACK_GLOBAL":
                    yield ".".join(texts[-2:])
                elif opcode.name in ("GLOBAL", "INST"):
                    yield str(argument).replace(" ", ".")
                elif opcode.name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
                    memory[len(memory) if argument is None else argument] = texts[-1] if texts else ""
                elif opcode.name in ("GET", "BINGET", "LONG_BINGET"):
                    texts.append(memory.get(argument, ""))
                elif isinstance(argument, str):
                    texts.append(argument)
    except Exception:  # the pickles end here: raw numbers of tensors, or damage
        return


def _zip_reason(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            pickles = [name for name in names if name.endswith("data.pkl")]
            if any(name.endswith("constants.pkl") for name in names):
                return f"it is a TorchScript program, not weights; {_advise_state_dict()}"
            if pickles:
                with archive.open(pickles[0]) as stream:
                    return _class_reason(foreign_classes(stream)) or f"it is damaged; {_AGAIN}"
    except zipfile.BadZipFile:
        return f"it is truncated (an archive without its end); {_AGAIN}"
    except Exception:  # names, versions and compressions that the reader of archives refuses in many ways
        return f"it is a damaged archive; {_AGAIN}"
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"it is a zip archive of other things ({shown or 'nothing'}); expected one that torch.save wrote; {_UNPACK}"


def _pickle_reason(path: Path) -> str:
    with open(path, "rb") as stream:
        if reason := _class_reason(foreign_classes(stream)):
            return reason
        stream.seek(0)
        of_torch = stream.read(len(_LEGACY)) == _LEGACY
        stream.seek(0)
        try:
            is_whole = sum(1 for _ in pickletools.genops(stream)) > 0
        except Exception:  # of many types
            is_whole = False
    if of_torch or not is_whole:
        return f"it is damaged or truncated; {_AGAIN}"
    return "it is a plain pickle; where it was made, write it again by torch.save(state_dict, 'weights.pt')"


def _class_reason(classes: list[str]) -> str:
    if not classes:
        return ""
    shown = enumerate_some(classes, 6)
    return (
        f"it contains objects of {shown}, and loading them would execute code of that program; expected tensors in "
        f"plain containers; {_advise_state_dict()}"
    )


def _advise_state_dict() -> str:
    return "where the model can be loaded, save its state_dict alone: torch.save(model.state_dict(), 'weights.pt')"
