"""The records of a run's web archive (`transforms.warc.writer`): where each stands, whose page it is, and copies."""

import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from transforms.schema.urls import request_of
from transforms.warc.reader import REQUEST_HEADER


class Member(NamedTuple):
    """A record of a run's archive: where it stands in the file, in bytes, and whose page it is."""

    offset: int
    length: int
    article_id: str
    """Empty for what is no page."""


def members(file: Path) -> Iterator[Member]:
    """The records of a run's archive, in order.

    Raises:
        OSError: the file is damaged.
    """
    with file.open("rb") as opened:
        records = ArchiveIterator(opened)
        try:
            for record in records:
                header = record.rec_headers.get_header
                known = json.loads(header(REQUEST_HEADER) or "{}")
                url = known.get("url", header("WARC-Target-URI")) if record.rec_type == "response" else None
                records.read_to_end(record)
                article_id = request_of(url, "warc").article_id if url else ""
                yield Member(records.get_record_offset(), records.get_record_length(), article_id)
        except (ArchiveLoadFailed, ValueError) as error:
            raise OSError(f"the archive {file} is damaged: {error}") from error


def whole_members(file: Path) -> Iterator[Member]:
    """The records of an archive whose writer died, up to the first that is not whole."""
    with suppress(OSError):
        for member in members(file):
            if not _is_whole(file, member):
                return
            yield member


def _is_whole(file: Path, member: Member) -> bool:
    stream = zlib.decompressobj(wbits=31)
    with file.open("rb") as opened:
        opened.seek(member.offset)
        try:
            stream.decompress(opened.read(member.length))
        except zlib.error:
            return False
    return stream.eof


def copy_members(source: Path, target: Path, kept: list[Member]) -> None:
    """Copies records of an archive into a new one, byte for byte."""
    with source.open("rb") as old, target.open("wb") as new:
        for member in kept:
            old.seek(member.offset)
            new.write(old.read(member.length))
