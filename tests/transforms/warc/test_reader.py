"""Pages out of web archives: kinds of records, encodings, damage."""

import gzip
import zlib
from datetime import datetime, timezone
from hashlib import shake_256
from io import BytesIO

import pytest

from tests.support.archives import PAGE, archive, record
from transforms.schema.records import Page, content_hash
from transforms.schema.urls import request_of
from transforms.warc.format import REQUEST_HEADER
from transforms.warc.reader import UnreadableRecord, read_warc

URLS = [f"https://a.example/{n}" for n in range(5)]
HTML = ("Content-Type", "text/html")


def _read(data: bytes, most: int = 1 << 20) -> list[Page | UnreadableRecord]:
    return list(read_warc(BytesIO(data), "x.warc.gz", most))


def _told(data: bytes, most: int = 1 << 20) -> list[tuple[str, str | None]]:
    return [(r.fetch.url, r.fetch.reason) for r in _read(data, most)]


def test_a_page() -> None:
    headers = (HTML, ("ETag", '"1"'), ("Last-Modified", "Wed, 12 Mar 2025 06:00:00 GMT"))
    (page,) = _read(
        record(
            "http://A.example/1?utm_source=x#top", PAGE, headers=headers, warc={"WARC-Date": "2025-03-12T06:30:00.25Z"}
        )
    )
    assert isinstance(page, Page)
    assert page.request == request_of("http://a.example/1", "warc")
    assert (page.body, page.content_type) == (PAGE, "text/html")
    fetch = page.fetch
    assert (fetch.url, fetch.final_url) == ("http://a.example/1", "http://A.example/1?utm_source=x#top")
    assert (fetch.outcome, fetch.http_status, fetch.attempts, fetch.source) == ("ok", 200, 0, "warc")
    assert (fetch.body_hash, fetch.bytes) == (content_hash(PAGE), len(PAGE))
    assert (fetch.etag, fetch.last_modified) == ('"1"', "Wed, 12 Mar 2025 06:00:00 GMT")
    assert fetch.fetched_at == datetime(2025, 3, 12, 6, 30, 0, 250_000, tzinfo=timezone.utc)


def test_what_a_run_asked_for_comes_back() -> None:
    told = {
        REQUEST_HEADER: '{"url": "https://a.example/old", "title": "Cut", "published_at": "2025-03-11T07:30:00+00:00"}'
    }
    (page,) = _read(record(URLS[1], PAGE, warc=told))
    when = datetime(2025, 3, 11, 7, 30, tzinfo=timezone.utc)
    assert page.request == request_of("https://a.example/old", "warc", "Cut", when)
    assert page.fetch.final_url == URLS[1]
    for broken in ("no json", "[1]", '{"url": 7, "published_at": "soon"}', "[" * 2000):
        (page,) = _read(record(URLS[1], PAGE, warc={REQUEST_HEADER: broken}))
        assert page.request == request_of(URLS[1], "warc")


def test_an_archive_of_a_crawl() -> None:
    """As Common Crawl writes them: all kinds of records, of which HTML answers of status 200 are read."""
    data = b"".join(
        (
            record("x.warc.gz", b"robots: checked via crawler-commons\r\n", kind="warcinfo"),
            record(URLS[0], b"", kind="request"),
            record(URLS[0], PAGE),
            record(URLS[0], b"<0>", kind="metadata"),
            record(URLS[1], PAGE, status="404 Not Found"),
            record(URLS[1], b"", status="301 Moved Permanently"),
            record(URLS[2], b"%PDF-1.7", headers=(("Content-Type", "application/pdf"),)),
            record(URLS[2], PAGE, headers=()),
            record(URLS[3], b"", kind="revisit"),
            record(URLS[4], PAGE, headers=(("content-type", "Application/XHTML+xml ; charset=utf-8"),)),
            # The same page again
            record(URLS[4] + "?utm_source=x", PAGE + b" "),
        )
    )
    assert _told(data) == [(URLS[0], None), (URLS[4], None)]


@pytest.mark.parametrize(
    ("headers", "packed"),
    [
        ((("Content-Encoding", "gzip"),), gzip.compress(PAGE, mtime=0)),
        ((("Content-Encoding", "deflate"),), zlib.compress(PAGE)),
        ((("Transfer-Encoding", "chunked"),), b"%x\r\n%b\r\n0\r\n\r\n" % (len(PAGE), PAGE)),
        # Decoded by whoever wrote the archive, with the headers left as they were
        ((("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")), PAGE),
        ((("Content-Encoding", "gzip"),), PAGE),
        ((("Transfer-Encoding", "chunked"),), PAGE),
    ],
)  # fmt: skip
def test_encodings(headers: tuple[tuple[str, str], ...], packed: bytes) -> None:
    """Packed bodies, and those whose headers say so and that are not: cases fetch-022 and fetch-023."""
    (page,) = _read(record(URLS[0], packed, headers=(HTML, *headers)))
    assert isinstance(page, Page)
    assert page.body == PAGE


def test_pages_that_cannot_be_had_have_their_row() -> None:
    assert _told(record(URLS[0], PAGE, warc={"WARC-Truncated": "length"})) == [(URLS[0], "truncated")]
    assert _told(record(URLS[0], b"")) == [(URLS[0], "empty_body")]
    assert _told(record(URLS[0], PAGE * 100), most=2000) == [(URLS[0], "too_large")]
    bomb = record(URLS[0], gzip.compress(b"x" * 2_000_000, mtime=0), headers=(HTML, ("Content-Encoding", "gzip")))
    assert _told(bomb, most=100_000) == [(URLS[0], "too_large")]


def test_a_record_over_the_limit_is_passed_over() -> None:
    first = record(URLS[0], PAGE)
    data = first + record(URLS[1], b"x" * 3_000_000) + record(URLS[2], PAGE)
    assert _told(data, most=2000) == [(URLS[0], None), (f"x.warc.gz#{len(first)}", "too_large"), (URLS[2], None)]


def test_damage_costs_the_record_alone() -> None:
    records = [record(url, PAGE + shake_256(b"%d" % n).hexdigest(3000).encode()) for n, url in enumerate(URLS)]
    for where in (20, 200, 1500, len(records[2]) - 4):
        broken = bytearray(records[2])
        broken[where : where + 3] = b"\x1f\x8b\x08"
        start = sum(map(len, records[:2]))
        told = _told(b"".join((*records[:2], bytes(broken), *records[3:])))
        expected: list[tuple[str, str | None]] = [(url, None) for url in URLS]
        expected[2] = f"x.warc.gz#{start}", "archive_damaged"
        assert told == expected, where
    # A piece is missing, and there are bytes of something else
    told = _told(b"".join((records[0], records[1][500:], b"\0" * 70_000, *records[2:])))
    assert told == [
        (URLS[0], None),
        (f"x.warc.gz#{len(records[0])}", "archive_damaged"),
        *((u, None) for u in URLS[2:]),
    ]


def test_a_file_that_breaks_off_gives_what_was_whole() -> None:
    """Case fetch-021."""
    whole = archive(*((url, PAGE) for url in URLS[:4]))
    data, last = whole + record(URLS[4], PAGE), len(whole)
    for cut in (1, 8, 100, len(data) - last - 1):
        assert _told(data[:-cut]) == [*((url, None) for url in URLS[:4]), (f"x.warc.gz#{last}", "archive_damaged")]
    assert _told(data[:last]) == [(url, None) for url in URLS[:4]]


@pytest.mark.parametrize(
    "member",
    [b"no archive", gzip.compress(b"no record", mtime=0), gzip.compress(b"WARC/1.1\r\n\r\n", mtime=0),
     gzip.compress(b"WARC/1.1\r\nX", mtime=0),
     gzip.compress(b"WARC/1.1\r\nWARC-Type: response\r\nContent-Length: x\r\n\r\n", mtime=0),
     record(URLS[0], PAGE, warc={"WARC-Date": "soon"})],
    ids=lambda member: repr(member[:12]),
)  # fmt: skip
def test_no_record(member: bytes) -> None:
    result, *more = _read(member + record(URLS[1], PAGE))
    assert (result.fetch.url, result.fetch.reason) == ("x.warc.gz#0", "archive_damaged")
    assert [r.fetch.url for r in more] == [URLS[1]]


def test_an_empty_file_has_no_pages() -> None:
    assert _read(b"") == []
