"""Scan the gzip members of WARC files: offset, length and data of each record, and copies of records."""

import re
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from transforms.schema.failures import Reason, Rejected
from transforms.schema.urls import request_of
from transforms.warc.format import REQUEST_HEADER, from_request_header

# RFC 1952, section 2.3: magic, flags, time, extra flags, system.
_MEMBER = re.compile(rb"(?=\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00-\x0d\xff])", re.DOTALL)
_MEMBER_HEAD = 10
_PIECE = 1 << 16
_NO_LIMIT = 1 << 40


class ScannedMember(NamedTuple):
    """A gzip member: its offset in bytes, its end (None: unknown after damage), and its data or a `Rejected`."""

    offset: int
    end: int | None
    data: bytes | Rejected


class Member(NamedTuple):
    """A record of a run's archive: its position in the file, in bytes, and its article."""

    offset: int
    length: int
    article_id: str
    """Empty for a record without a page."""


def scan_members(file: BinaryIO, limit: int = _NO_LIMIT) -> Iterator[ScannedMember]:
    """Decompress each gzip member of a WARC file; after a damaged one, continue with the next complete one.

    Args:
        file: the archive, seekable.
        limit: maximum size of a member, decompressed; a larger one is rejected with the reason ``too_large``.
    """
    offset: int | None = 0
    while offset is not None and file.seek(offset) == offset and file.read(1):
        data, end = _decompress(file, offset, limit)
        yield ScannedMember(offset, end, data)
        offset = _next_complete(file, offset + 1, limit) if end is None else end


def complete_members(file: Path) -> Iterator[Member]:
    """Read the records of a run's archive up to the first incomplete one, which a crash of the writer leaves."""
    with file.open("rb") as opened:
        for member in scan_members(opened):
            if isinstance(member.data, Rejected) or member.end is None:
                return
            try:
                article_id = _article_id(member.data)
            except (ArchiveLoadFailed, ValueError):
                return
            yield Member(member.offset, member.end - member.offset, article_id)


def copy_members(source: Path, target: Path, kept: list[Member]) -> None:
    """Copy records of an archive to a new one, byte for byte."""
    with source.open("rb") as old, target.open("wb") as new:
        for member in kept:
            old.seek(member.offset)
            new.write(old.read(member.length))


def _article_id(data: bytes) -> str:
    record = next(iter(ArchiveIterator(BytesIO(data))))
    if record.rec_type != "response":
        return ""
    header = record.rec_headers.get_header
    url = from_request_header(header(REQUEST_HEADER) or "").get("url", header("WARC-Target-URI"))
    return request_of(url, "warc").article_id if url else ""


def _decompress(file: BinaryIO, start: int, limit: int) -> tuple[bytes | Rejected, int | None]:
    """Decompress one member; return it with its end, or None if the next member must be searched for."""
    stream, plain, size = zlib.decompressobj(wbits=31), bytearray(), 0
    file.seek(start)
    try:
        while not stream.eof:
            piece = stream.unconsumed_tail or file.read(_PIECE)
            part = stream.decompress(piece, _PIECE)
            if not piece and not part and not stream.eof:
                return Rejected(Reason.ARCHIVE_DAMAGED, "The file ends inside a record."), None
            size += len(part)
            # A member over the limit is decompressed completely too, since the next one begins at its end.
            plain += part if size <= limit else b""
    except zlib.error as error:
        return Rejected(Reason.ARCHIVE_DAMAGED, f"The record cannot be decompressed: {error}."), None
    end = file.tell() - len(stream.unused_data)
    if size > limit:
        return Rejected(
            Reason.TOO_LARGE, f"The record has {size:,} bytes decompressed, over the limit of {limit:,}."
        ), end
    if not plain.startswith(b"WARC/"):
        return Rejected(Reason.ARCHIVE_DAMAGED, "This is not a WARC record."), end
    return bytes(plain), end


def _next_complete(file: BinaryIO, start: int, limit: int) -> int | None:
    """Find the next member that can be decompressed; damaged bytes may look like the start of a member."""
    file.seek(start)
    while len(window := file.read(_PIECE)) >= _MEMBER_HEAD:
        for found in _MEMBER.finditer(window):
            if isinstance(_decompress(file, start + found.start(), limit)[0], bytes):
                return start + found.start()
        start += len(window) - _MEMBER_HEAD + 1
        file.seek(start)
    return None
