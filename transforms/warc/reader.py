"""Pages out of web archives: WARC files (ISO 28500) such as a run's own archive, or Common Crawl's CC-NEWS."""

import json
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timezone
from io import BytesIO
from typing import Any, BinaryIO, NamedTuple

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed
from warcio.recordloader import ArcWarcRecord

from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import Fetch, Page, UrlRequest, content_hash
from transforms.schema.urls import domain_of, request_of
from transforms.text.dates import parse_feed_date

REQUEST_HEADER = "Onrecord-Request"
"""The record header, JSON, in which a run keeps what it asked for: the address before redirects, a feed's hints; and
whether the site reserves the page."""

# RFC 1952, section 2.3: magic, flags, time, extra flags, system.
_MEMBER = re.compile(rb"(?=\x1f\x8b\x08[\x00-\x1f].{4}[\x00\x02\x04][\x00-\x0d\xff])", re.DOTALL)
_MEMBER_HEAD = 10
_PIECE = 1 << 16
_HEADERS = 1 << 20
_HTML = ("text/html", "application/xhtml+xml")


class Unread(NamedTuple):
    """A page of an archive that cannot be had from it: its ledger row, and why."""

    request: UrlRequest
    fetch: Fetch
    refused: Rejected


def read_warc(file: BinaryIO, name: str, max_body_bytes: int = 10 * 2**20) -> Iterator[Page | Unread]:
    """The pages of one WARC file, in order: HTML that was answered with status 200, each URL once.

    A record that is damaged costs that record alone: the next whole one is looked for. A file that breaks off gives
    what was whole. At most one record is in memory.

    Args:
        file: the archive, one gzip member a record as the standard has it; it must be one that can be sought.
        name: its name, for messages.
        max_body_bytes: largest page, unpacked.

    Yields:
        A `Page`, its request's source ``warc`` and its time that of the record; or what could not be read, reason
        ``archive_damaged``, ``too_large``, ``truncated`` or ``empty_body``. Where damage hides the address, the URL of
        the row is the file's name, ``#`` and the byte.
    """
    seen: set[str] = set()
    for offset, member in _members(file, max_body_bytes + _HEADERS):
        try:
            for result in _results(member, max_body_bytes):
                if result.fetch.article_id not in seen:
                    seen.add(result.fetch.article_id)
                    yield result
        except Rejected as refused:
            yield _unread(request_of(f"{name}#{offset}", "warc"), refused, datetime.now(timezone.utc))


def _members(file: BinaryIO, most: int) -> Iterator[tuple[int, bytes | Rejected]]:
    """Each gzip member with its offset: unpacked, or why it cannot be. Behind a damaged one, the next whole one."""
    offset: int | None = 0
    while offset is not None and file.seek(offset) == offset and file.read(1):
        plain, end = _unpacked(file, offset, most)
        yield offset, plain
        offset = _next_whole(file, offset + 1, most) if end is None else end


def _unpacked(file: BinaryIO, start: int, most: int) -> tuple[bytes | Rejected, int | None]:
    """One member, and where it ends; None where only a search can say where the next one begins."""
    stream, plain, size = zlib.decompressobj(wbits=31), bytearray(), 0
    file.seek(start)
    try:
        while not stream.eof:
            piece = stream.unconsumed_tail or file.read(_PIECE)
            part = stream.decompress(piece, _PIECE)
            if not piece and not part and not stream.eof:
                return Rejected(Reason.ARCHIVE_DAMAGED, "The file ends within a record."), None
            size += len(part)
            # A member over the limit is unpacked to its end too, since only its end says where the next one is.
            plain += part if size <= most else b""
    except zlib.error as error:
        return Rejected(Reason.ARCHIVE_DAMAGED, f"The record cannot be unpacked: {error}."), None
    end = file.tell() - len(stream.unused_data)
    if size > most:
        return Rejected(Reason.TOO_LARGE, f"The record has {size:,} bytes unpacked, over the limit of {most:,}."), end
    if not plain.startswith(b"WARC/"):
        return Rejected(Reason.ARCHIVE_DAMAGED, "This is no WARC record."), end
    return bytes(plain), end


def _next_whole(file: BinaryIO, start: int, most: int) -> int | None:
    """Where the next member begins that can be unpacked; within damaged bytes, much looks like a beginning."""
    file.seek(start)
    while len(window := file.read(_PIECE)) >= _MEMBER_HEAD:
        for found in _MEMBER.finditer(window):
            if isinstance(_unpacked(file, start + found.start(), most)[0], bytes):
                return start + found.start()
        start += len(window) - _MEMBER_HEAD + 1
        file.seek(start)
    return None


def _results(member: bytes | Rejected, most: int) -> Iterator[Page | Unread]:
    if isinstance(member, Rejected):
        raise member
    try:
        record = None
        for record in ArchiveIterator(BytesIO(member)):
            if not record.rec_type or parse_feed_date(record.rec_headers.get_header("WARC-Date") or "") is None:
                raise Rejected(Reason.ARCHIVE_DAMAGED, "The record has no WARC-Type or no WARC-Date.")
            if _is_page(record):
                yield _result(record, most)
        if record is None:
            raise Rejected(Reason.ARCHIVE_DAMAGED, "There is no record.")
    except (ArchiveLoadFailed, EOFError, ValueError) as error:
        raise Rejected(Reason.ARCHIVE_DAMAGED, f"The record cannot be read: {error}.") from error


def _is_page(record: ArcWarcRecord) -> bool:
    if record.rec_type != "response" or record.http_headers is None:
        return False
    kind = (record.http_headers.get_header("Content-Type") or "").partition(";")[0].strip().lower()
    return record.http_headers.get_statuscode() == "200" and kind in _HTML


def _result(record: ArcWarcRecord, most: int) -> Page | Unread:
    header = record.rec_headers.get_header
    target, at = (header("WARC-Target-URI") or "").strip("<>"), parse_feed_date(header("WARC-Date") or "")
    if not target or at is None:
        raise Rejected(Reason.ARCHIVE_DAMAGED, "The record has no WARC-Target-URI.")
    known = _known(header(REQUEST_HEADER) or "")
    told = {key: value for key, value in known.items() if isinstance(value, str)}
    # What was asked for, as our own archive says it, else the record's address.
    request = request_of(
        told.get("url", target), "warc", told.get("title"), parse_feed_date(told.get("published_at", ""))
    )
    try:
        body = _body(record, most)
    except Rejected as refused:
        return _unread(request, refused, at)
    answer = record.http_headers.get_header
    fetch = Fetch(
        url=request.url,
        article_id=request.article_id,
        domain=domain_of(request.url),
        outcome="ok",
        http_status=200,
        final_url=target,
        etag=answer("ETag"),
        last_modified=answer("Last-Modified"),
        body_hash=content_hash(body),
        bytes=len(body),
        source="warc",
        fetched_at=at,
    )
    reserved = known.get("tdm_reserved")
    return Page(
        request=request,
        fetch=fetch,
        body=body,
        content_type=answer("Content-Type"),
        tdm_reserved=reserved if isinstance(reserved, bool) else None,
    )


def _known(header: str) -> dict[str, Any]:
    """What `REQUEST_HEADER` holds; nothing for one that is missing or broken."""
    with suppress(ValueError, RecursionError):
        known = json.loads(header)
        return known if isinstance(known, dict) else {}
    return {}


def _body(record: ArcWarcRecord, most: int) -> bytes:
    if cut := record.rec_headers.get_header("WARC-Truncated"):
        raise Rejected(Reason.TRUNCATED, f"Whoever wrote the archive cut the page off ({cut}).")
    stream, body = record.content_stream(), bytearray()
    try:
        while piece := stream.read(_PIECE):
            body += piece
            if len(body) > most:
                raise Rejected(Reason.TOO_LARGE, f"The page has more than {most:,} bytes.")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise Rejected(Reason.ARCHIVE_DAMAGED, f"The page cannot be unpacked: {error}.") from error
    if not body:
        raise Rejected(Reason.EMPTY_BODY, "The record holds a page of no bytes.")
    return bytes(body)


def _unread(request: UrlRequest, refused: Rejected, at: datetime) -> Unread:
    fetch = Fetch(
        url=request.url,
        article_id=request.article_id,
        domain=domain_of(request.url),
        outcome="failed",
        reason=refused.reason.value,
        retriable=refused.reason.retriable,
        source="warc",
        fetched_at=at,
    )
    return Unread(request, fetch, refused)
