"""The start of the samples in an audio file, their length in bytes as the header states it, and their real length.

Recorders write the length at the end. An interrupted recording has length 0, a stream 0 or a placeholder, and
libsndfile believes some of these. This module computes the bytes to patch in such a header so that libsndfile reads to
the end of the file, for containers made of chunks (WAV (RIFF, RIFX), RF64, W64, AIFF and 8SVX (FORM), CAF) and for AU.
"""

import io
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["AudioData", "PatchedFile", "find_audio_data"]

_MOST_CHUNKS = 10_000
_W64_DATA = b"data\xf3\xac\xd3\x11\x8c\xd1\x00\xc0O\x8e\xdb\x8a"
_W64_RIFF = b"riff.\x91\xcf\x11\xa5\xd6(\xdb\x04\xc1\x00\x00"


@dataclass(frozen=True)
class AudioData:
    """The samples of a file as its header describes them.

    Attributes:
        promised: length in bytes that the header states, ``None`` where it states that the length is unknown.
        present: bytes from the first sample to the end of the file.
        is_open: the header gives no length although audio follows.
        patches: offsets and bytes to patch in the header so that libsndfile reads all samples.
    """

    promised: int | None
    present: int
    is_open: bool = False
    patches: tuple[tuple[int, bytes], ...] = ()

    @property
    def is_truncated(self) -> bool:
        """Whether the file is shorter than its header states."""
        return self.promised is not None and self.present < self.promised


@dataclass(frozen=True)
class _Layout:
    """The layout of a container of chunks: offset of the first chunk, format and meaning of the length after an id."""

    first: int
    id_length: int
    number: str
    counts_header: bool
    alignment: int
    data_ids: tuple[bytes, ...]


_LAYOUTS = {
    b"RIFF": _Layout(12, 4, "<I", False, 2, (b"data",)),
    b"RIFX": _Layout(12, 4, ">I", False, 2, (b"data",)),
    b"RF64": _Layout(12, 4, "<I", False, 2, (b"data",)),
    b"FORM": _Layout(12, 4, ">I", False, 2, (b"SSND", b"BODY")),
    b"riff": _Layout(40, 16, "<Q", True, 8, (_W64_DATA,)),
    b"caff": _Layout(8, 4, ">Q", False, 1, (b"data",)),
}


class PatchedFile(io.FileIO):
    """A file opened for reading in which some bytes are replaced; the file on the disk does not change."""

    def __init__(self, path: str | Path, patches: Sequence[tuple[int, bytes]]) -> None:
        super().__init__(path, "rb")
        self._patches = patches

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read into ``buffer`` and return the number of bytes."""
        start = self.tell()
        count = super().readinto(buffer) or 0
        for place, content in self._patches:
            first, last = max(start, place), min(start + count, place + len(content))
            if first < last:
                memoryview(buffer).cast("B")[first - start : last - start] = content[first - place : last - place]
        return count


def find_audio_data(path: Path, head: bytes) -> AudioData | None:
    """Find the samples of a file; ``None`` for another kind of container, or where there are none.

    Args:
        path: the file.
        head: its first bytes, at least 24 if it has so many.

    Raises:
        OSError: if the file cannot be read.
    """
    if head[:4] in (b".snd", b"dns.") and len(head) >= 24:
        return _sun_audio(head, path.stat().st_size)
    layout = _LAYOUTS.get(head[:4])
    if layout is None or (head[:4] == b"riff" and head[:16] != _W64_RIFF):
        return None
    with open(path, "rb") as file:
        return _chunk_audio(file, os.fstat(file.fileno()).st_size, head[:4], layout)


def _sun_audio(head: bytes, size: int) -> AudioData:
    order = ">" if head[:4] == b".snd" else "<"
    offset, promised = struct.unpack(order + "II", head[4:12])
    present = max(0, size - offset)
    is_open = promised == 0 and present > 0
    patches = ((8, b"\xff\xff\xff\xff"),) if is_open else ()
    return AudioData(None if is_open or _is_placeholder(promised) else promised, present, is_open, patches)


def _chunk_audio(file: BinaryIO, size: int, kind: bytes, layout: _Layout) -> AudioData | None:
    wide_place = 0
    patches = []
    for name, place, start, length in _chunks(file, size, layout):
        if name == b"ds64":
            wide_place = start + 8
        if name not in layout.data_ids:
            # libsndfile does not count the padding byte of an odd chunk here.
            if kind == b"RF64" and length % 2 and start + length < size:
                patches.append((place, struct.pack(layout.number, length + 1)))
            continue
        number = layout.number
        if kind == b"RF64" and wide_place:
            place, number = wide_place, "<Q"
            length = _number(file, place, number)
        present, overhead = size - start, {b"SSND": 8, b"data": 4 if kind == b"caff" else 0}.get(name, 0)
        is_empty = length <= overhead < present and not _is_chunk(file, size, start + overhead, layout)
        unknown = is_empty or _is_placeholder(length)
        # libsndfile handles W64, AIFF without a length, and lengths that are too large by itself.
        helpless = kind not in (b"riff", b"FORM") or (kind == b"FORM" and length > 0)
        if (is_empty and helpless) or (kind == b"caff" and (unknown or length > present)):
            patched = {b"RF64": present, b"caff": present, b"FORM": 0}.get(kind, min(present, 0xFFFFFFFF))
            patches.append((place, struct.pack(number, patched)))
        return AudioData(None if unknown else length, present, is_empty and kind != b"riff", tuple(patches))
    return None


def _chunks(file: BinaryIO, size: int, layout: _Layout) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield id, offset of the length, start and length of each chunk."""
    place, width = layout.first, struct.calcsize(layout.number)
    for _ in range(_MOST_CHUNKS):
        start = place + layout.id_length + width
        if start > size:
            return
        file.seek(place)
        name = file.read(layout.id_length)
        length = _number(file, place + layout.id_length, layout.number)
        length = max(0, length - (start - place)) if layout.counts_header else length
        yield name, place + layout.id_length, start, length
        place = start + length + -length % layout.alignment


def _number(file: BinaryIO, place: int, number: str) -> int:
    file.seek(place)
    return struct.unpack(number, file.read(struct.calcsize(number)))[0]


def _is_chunk(file: BinaryIO, size: int, place: int, layout: _Layout) -> bool:
    """Tell whether a chunk begins at an offset: its id is readable and it fits into the file; samples are neither."""
    width = struct.calcsize(layout.number)
    if place + layout.id_length + width > size:
        return False
    file.seek(place)
    name = file.read(layout.id_length)
    length = _number(file, place + layout.id_length, layout.number)
    return all(32 <= byte < 127 for byte in name[:4]) and place + layout.id_length + width + length <= size


def _is_placeholder(length: int) -> bool:
    """Tell whether a length is a placeholder that programs write where they do not know the length."""
    return 0x7FFFF000 <= length <= 0x80000FFF or 0xFFFFF000 <= length <= 0xFFFFFFFF or length >= 1 << 62
