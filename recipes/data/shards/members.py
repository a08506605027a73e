"""The files in a shard, within the limits: what a tar file states is compared before anything is read into memory."""

import tarfile
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

from vocoders.core.limits import limit, limit_error

__all__ = ["read_members"]

# Bytes that headers and the padding before them may take.
_HEADERS = 1 << 20


def read_members(stream: BinaryIO, address: str) -> Iterator[dict[str, Any]]:
    """Yield the files of an uncompressed tar file, as WebDataset groups them: ``fname``, ``data``, ``__url__``.

    Nothing is unpacked, so names lead nowhere. Links and devices are refused, since shards contain none.

    Raises:
        tarfile.TarError: for a damaged file.
        ValueError: for what is no plain file, and for a file above the limit ``member``.
    """
    rationed = _Rationed(stream)
    with tarfile.open(fileobj=cast(Any, rationed), mode="r|") as archive:
        while True:
            rationed.left = _HEADERS
            member = archive.next()
            if member is None:
                return
            if not member.isreg() or member.issparse():
                raise ValueError(f"'{member.name:.100}' is no plain file")
            if member.size > limit("member"):
                raise ValueError(f"'{member.name:.100}' is {limit_error('member', member.size)}")
            rationed.left = member.size + _HEADERS
            content = archive.extractfile(member)
            assert content is not None, "a plain file has a content"
            yield {"fname": member.name, "data": content.read(), "__url__": address}
            cast(Any, archive).members = []  # which would grow by every file


class _Rationed:
    """A stream that gives ``left`` more bytes: a record of names may claim gigabytes, and tarfile believes it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.left = stream, _HEADERS

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self.left -= len(content)
        if self.left < 0:
            raise ValueError(f"more than {_HEADERS} bytes of headers")
        return content
