"""Files that a stranger might send: bombs, headers that lie, code, endless depth, devices and pipes."""

import io
import json
import os
import pickle
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import save

__all__ = ["CASES", "Trap", "bounded", "write_case"]

SECONDS, MEGABYTES = 2.0, 500


class Trap:
    """An object whose unpickling would leave a trace."""

    place = ""

    def __reduce__(self) -> tuple:
        """Name the call that unpickling makes."""
        return os.mkdir, (Trap.place,)


def _wav(rate: int = 24000, channels: int = 1, claimed: int = 2000, bits: int = 16, format: int = 1) -> bytes:
    width = bits // 8 * channels
    described = struct.pack("<HHIIHH", format, channels, rate, min(rate * width, 2**32 - 1), width % 2**16, bits)
    chunks = b"fmt " + struct.pack("<I", 16) + described + b"data" + struct.pack("<I", claimed) + b"\1\2" * 1000
    return b"RIFF" + struct.pack("<I", min(claimed + 36, 2**32 - 1)) + b"WAVE" + chunks


def _npy(shape: tuple[int, ...], descr: str = "<f4", body: bytes = b"\0" * 64) -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + body


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return stream.getvalue()


def _bomb(name: str, start: bytes, size: int = 1 << 30) -> bytes:
    """A zip with a member of one gibibyte of zeros; written in pieces."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        with archive.open(name, "w", force_zip64=True) as member:
            member.write(start)
            for _ in range(4):
                member.write(bytes(1 << 20))
    # The directory at the end states the size.
    data = bytearray(stream.getvalue())
    place = data.rindex(b"PK\1\2")
    struct.pack_into("<I", data, place + 24, size)
    return bytes(data)


def _torch(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


def _safetensors(header: object, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(64)


def _ark(rows: int, columns: int) -> bytes:
    return b"id \0BFM \4" + struct.pack("<i", rows) + b"\4" + struct.pack("<i", columns) + bytes(64)


def _laughs(levels: int = 12) -> str:
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1]"]
    return "\n".join(lines + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, levels)])


def _merges(levels: int = 12) -> str:
    lines = ["a0: &a0 {k: 1}"]
    return "\n".join(lines + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 8)}]}}" for n in range(1, levels)])


def _cycle() -> dict:
    content: dict = {"w": torch.zeros(2)}
    content["model"] = content
    return content


def _shared() -> dict:
    content: dict = {"w": torch.zeros(2)}
    for _ in range(5):
        content = {str(number): content for number in range(60)}
    return content


def _shared_pickle() -> bytes:
    content: dict = {"mean": 0.0, "std": 1.0}
    for _ in range(40):
        content = {"a": content, "b": content}
    return pickle.dumps(content)


def _hdf5(write: Callable) -> bytes:
    h5py = __import__("pytest").importorskip("h5py")
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        write(file)
    return stream.getvalue()


def _claim(file) -> None:
    file.create_dataset("features", (1 << 20, 1 << 12), "f4", chunks=(1024, 1024))


def _elsewhere(file) -> None:
    file.create_dataset("features", (4, 4), "u1", external=[("/etc/passwd", 0, 16)])


_DEEP = 5000
_STATE = {"weight": torch.zeros(2, 2)}

CASES: dict[str, dict[str, Callable[[], bytes]]] = {
    "audio": {
        "claims 4 GB.wav": lambda: _wav(claimed=2**32 - 100),
        "a thousand million Hz.wav": lambda: _wav(rate=10**9),
        "1 Hz.wav": lambda: _wav(rate=1),
        "65535 channels.wav": lambda: _wav(channels=65535),
        "1000 channels and 4 GB.wav": lambda: _wav(channels=1000, claimed=2**32 - 100),
        "0 channels.wav": lambda: _wav(channels=0),
        "4 GB of floats of 1000 channels.wav": lambda: _wav(channels=1000, claimed=2**32 - 100, bits=64, format=3),
    },
    "yaml": {
        "laughs.yaml": lambda: _laughs().encode(),
        "merges.yaml": lambda: _merges().encode(),
        "of itself.yaml": lambda: b"a: &a [*a]",
        "a key of itself.yaml": lambda: b"&a {*a : 1}",
        "deep.yaml": lambda: b"a: " + b"[" * _DEEP,
        "deep blocks.yaml": lambda: b"- " * _DEEP,
        "quite deep.yaml": lambda: b"a: " + b"[" * 80 + b"]" * 80,
        "long.yaml": lambda: b"a: 1\n" * (1 << 20),
        "equal keys.yaml": lambda: b"".join(b"k%d: 1\n" % n for n in range(8000)) + b"k1: 1\n",
        "code.yaml": lambda: b'a: !!python/object/apply:os.mkdir ["x"]',
        "a large number.yaml": lambda: b"a: " + b"9" * 100000,
        "base 60.yaml": lambda: b"a: 1" + b":59" * 60000,
        "lists as keys.yaml": lambda: b"? [1, 2]\n: 3\n",
        "zeros.yaml": lambda: bytes(100000),
    },
    "json": {
        "deep.json": lambda: b"[" * 100000,
        "deep objects.json": lambda: b'{"a":' * 100000,
        "long.json": lambda: b"[" + b"1," * (5 << 20) + b"1]",
        "a large number.json": lambda: b'{"format": ' + b"9" * 100000 + b"}",
        "no text.json": lambda: b"\xff\xfe\xfd",
        "binary.json": lambda: bytes(range(256)) * 100,
    },
    "safetensors": {
        "a long header.safetensors": lambda: struct.pack("<Q", 9 << 20) + b"{" + b" " * (9 << 20),
        "a header beyond the end.safetensors": lambda: _safetensors({}, 1 << 60),
        "offsets beyond the end.safetensors": lambda: _safetensors(
            {"weight": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}
        ),
        "offsets backwards.safetensors": lambda: _safetensors(
            {"weight": {"dtype": "F32", "shape": [4], "data_offsets": [64, 48]}}
        ),
        "a shape beyond its bytes.safetensors": lambda: _safetensors(
            {"weight": {"dtype": "F32", "shape": [1 << 40, 1 << 30], "data_offsets": [0, 64]}}
        ),
        "a deep header.safetensors": lambda: _safetensors(b"{" * 3 + b'"a":' + b"[" * 100000),
        "cut off.safetensors": lambda: save(_STATE)[:-3],
    },
    "checkpoint": {
        "code.pt": lambda: pickle.dumps(Trap()),
        "code of torch.pt": lambda: _torch({"a": Trap()}),
        "a bomb.pt": lambda: _bomb("archive/data.pkl", b"\x80\x02"),
        "one number for all.pt": lambda: _torch({"w": torch.zeros(1).expand(1 << 20, 1 << 20)}),
        "of itself.pt": lambda: _torch(_cycle()),
        "the same everywhere.pt": lambda: _torch(_shared()),
        "an old pickle.pt": lambda: pickle.dumps({"w": [1.0]}),
        "cut off.pt": lambda: _torch(_STATE)[:-40],
        "other things.pt": lambda: _zip({"../../evil.txt": b"1"}),
    },
    "features": {
        "claims.npy": lambda: _npy((1 << 20, 1 << 20)),
        "claims of many axes.npy": lambda: _npy((1 << 30,) * 8),
        "negative.npy": lambda: _npy((-1, 4)),
        "objects.npy": lambda: _npy((1,), "|O", pickle.dumps(Trap())),
        "a header of code.npy": lambda: b"\x93NUMPY\1\0\x28\0" + b"__import__('os').mkdir('x')".ljust(40),
        "a long header.npy": lambda: b"\x93NUMPY\2\0" + struct.pack("<I", 1 << 31) + b"(" * 100000,
        "a bomb.npz": lambda: _bomb("features.npy", _npy((1 << 18, 1 << 10), body=b"")),
        "claims.npz": lambda: _zip({"features.npy": _npy((1 << 20, 1 << 20))}),
        "objects.npz": lambda: _zip({"features.npy": _npy((1,), "|O", pickle.dumps(Trap()))}),
        "a path.npz": lambda: _zip({"../../features.npy": b"no array"}),
        "code.pt": lambda: _torch({"features": Trap()}),
        "a bomb.pt": lambda: _bomb("archive/data.pkl", b"\x80\x02"),
        "one number for all.pt": lambda: _torch(torch.zeros(1).expand(1 << 20, 1 << 20)),
        "claims.h5": lambda: _hdf5(_claim),
        "elsewhere.h5": lambda: _hdf5(_elsewhere),
        "no file of that kind.h5": lambda: b"\x89HDF\r\n\x1a\n" + bytes(1000),
        "claims.ark": lambda: _ark(2**31 - 1, 2**31 - 1),
        "negative.ark": lambda: _ark(-5, 7),
        "code.ark": lambda: b"id PKL" + pickle.dumps(Trap()),
        "an endless key.ark": lambda: b"k" * (1 << 20),
    },
    "statistics": {
        "code.joblib": lambda: pickle.dumps(Trap()),
        "the same everywhere.pkl": _shared_pickle,
        "a bomb.npz": lambda: _bomb("mean.npy", _npy((1 << 28,), body=b"")),
        "claims.npz": lambda: _zip({"mean.npy": _npy((1 << 40,)), "std.npy": _npy((1 << 40,))}),
        "deep.json": lambda: b'{"mean":' + b"[" * 100000,
        "objects.npy": lambda: _npy((), "|O", pickle.dumps([Trap()])),
        "compressed.pkl": lambda: __import__("zlib").compress(bytes(80 << 20), 1),
    },
    "table": {
        "long.csv": lambda: b"a,b\n" + b"1,2\n" * (2 << 20),
        "a long cell.csv": lambda: b"a,b\n" + b"1" * (1 << 20) + b",2\n",
        "an open quote.csv": lambda: b'a,b\n"' + b"1\n" * 100000,
        "zeros.csv": lambda: bytes(1000),
        "binary.csv": lambda: bytes(range(1, 256)) * 10,
    },
    "list": {
        "a command.scp": lambda: b"utt touch x |\n",
        "a command in front.scp": lambda: b"utt | touch x\n",
        "twice.scp": lambda: b"utt a.wav\nutt b.wav\n",
        "no value.scp": lambda: b"utt\n",
        "binary.scp": lambda: bytes(range(256)) * 10,
    },
}
"""Contents of hostile files by their names, by kinds of readers."""


def write_case(kind: str, name: str, folder: Path) -> Path:
    """Write a hostile file and return its path."""
    Trap.place = str(folder / "executed")
    path = folder / name
    path.write_bytes(CASES[kind][name]())
    return path


@contextmanager
def bounded() -> Iterator[None]:
    """Check that the block takes little time of this thread, and little memory."""
    status, refs = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    refs.write_text("5")  # the peak starts again from here
    before, started = _megabytes(status, "VmRSS"), time.thread_time()
    yield
    assert time.thread_time() - started < SECONDS
    assert _megabytes(status, "VmHWM") - before < MEGABYTES


def _megabytes(status: Path, name: str) -> int:
    return next(int(line.split()[1]) >> 10 for line in status.read_text().splitlines() if line.startswith(name))
