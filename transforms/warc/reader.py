"""Read pages from WARC files (ISO 28500): a run's own archives, or others such as Common Crawl's CC-NEWS."""

import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from io import BytesIO
from typing import BinaryIO, NamedTuple

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed
from warcio.recordloader import ArcWarcRecord

from transforms.schema.builders import fetch_row
from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import Fetch, Page, UrlRequest, content_hash
from transforms.schema.urls import request_of
from transforms.text.dates import parse_feed_date
from transforms.warc.format import REQUEST_HEADER, from_request_header
from transforms.warc.members import scan_members

_PIECE = 1 << 16
_HEADERS = 1 << 20
_HTML = ("text/html", "application/xhtml+xml")


class UnreadableRecord(NamedTuple):
    """A record whose page cannot be read: its fetch row and the reason."""

    request: UrlRequest
    fetch: Fetch
    refused: Rejected


def read_warc(file: BinaryIO, name: str, max_body_bytes: int = 10 * 2**20) -> Iterator[Page | UnreadableRecord]:
    """Read the pages of one WARC file in order: HTML responses with status 200, each URL once.

    After a damaged record, reading continues with the next complete one. In a truncated file, the complete records are
    read. At most one record is in memory.

    Args:
        file: the archive, seekable, with one gzip member for each record as the standard requires.
        name: its name, for messages.
        max_body_bytes: maximum size of a page, decompressed.

    Yields:
        A `Page` with source ``warc`` and the time of the record, or an `UnreadableRecord` with reason
        ``archive_damaged``, ``too_large``, ``truncated`` or ``empty_body``. If the URL is damaged too, the row has
        the name of the file, ``#`` and the offset in bytes instead.
    """
    seen: set[str] = set()
    for member in scan_members(file, max_body_bytes + _HEADERS):
        try:
            for result in _results(member.data, max_body_bytes):
                if result.fetch.article_id not in seen:
                    seen.add(result.fetch.article_id)
                    yield result
        except Rejected as refused:
            yield _unreadable(request_of(f"{name}#{member.offset}", "warc"), refused, datetime.now(timezone.utc))


def _results(member: bytes | Rejected, most: int) -> Iterator[Page | UnreadableRecord]:
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
            raise Rejected(Reason.ARCHIVE_DAMAGED, "The member contains no record.")
    except (ArchiveLoadFailed, EOFError, ValueError) as error:
        raise Rejected(Reason.ARCHIVE_DAMAGED, f"The record cannot be read: {error}.") from error


def _is_page(record: ArcWarcRecord) -> bool:
    if record.rec_type != "response" or record.http_headers is None:
        return False
    kind = (record.http_headers.get_header("Content-Type") or "").partition(";")[0].strip().lower()
    return record.http_headers.get_statuscode() == "200" and kind in _HTML


def _result(record: ArcWarcRecord, most: int) -> Page | UnreadableRecord:
    header = record.rec_headers.get_header
    target, at = (header("WARC-Target-URI") or "").strip("<>"), parse_feed_date(header("WARC-Date") or "")
    if not target or at is None:
        raise Rejected(Reason.ARCHIVE_DAMAGED, "The record has no WARC-Target-URI.")
    metadata = from_request_header(header(REQUEST_HEADER) or "")
    texts = {key: value for key, value in metadata.items() if isinstance(value, str)}
    # The requested URL, from our own header if the record has it.
    request = request_of(
        texts.get("url", target), "warc", texts.get("title"), parse_feed_date(texts.get("published_at", ""))
    )
    try:
        body = _body(record, most)
    except Rejected as refused:
        return _unreadable(request, refused, at)
    response_header = record.http_headers.get_header
    fetch = fetch_row(
        request,
        "ok",
        fetched_at=at,
        http_status=200,
        final_url=target,
        etag=response_header("ETag"),
        last_modified=response_header("Last-Modified"),
        body_hash=content_hash(body),
        bytes=len(body),
    )
    reserved = metadata.get("tdm_reserved")
    return Page(
        request=request,
        fetch=fetch,
        body=body,
        content_type=response_header("Content-Type"),
        tdm_reserved=reserved if isinstance(reserved, bool) else None,
    )


def _body(record: ArcWarcRecord, most: int) -> bytes:
    if cut := record.rec_headers.get_header("WARC-Truncated"):
        raise Rejected(Reason.TRUNCATED, f"The page was truncated when it was archived ({cut}).")
    stream, body = record.content_stream(), bytearray()
    try:
        while piece := stream.read(_PIECE):
            body += piece
            if len(body) > most:
                raise Rejected(Reason.TOO_LARGE, f"The page has more than {most:,} bytes.")
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise Rejected(Reason.ARCHIVE_DAMAGED, f"The page cannot be decompressed: {error}.") from error
    if not body:
        raise Rejected(Reason.EMPTY_BODY, "The page in the record is empty.")
    return bytes(body)


def _unreadable(request: UrlRequest, refused: Rejected, at: datetime) -> UnreadableRecord:
    fetch = fetch_row(request, "failed", refused.reason, fetched_at=at)
    return UnreadableRecord(request, fetch, refused)
