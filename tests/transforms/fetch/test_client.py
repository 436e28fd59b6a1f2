"""Tests of the results of valid and invalid responses, with real sockets."""

import gzip
import tracemalloc
import zlib

import brotli
import pytest
import zstandard

from tests.support.http_server import PAGE, Behaviour, Fetch, Server, endless, raw, respond, slow
from transforms.fetch import FEED_TYPES, NoPage
from transforms.fetch.http.decompression import Body
from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import Page, content_hash

GZIP = {"Content-Encoding": "gzip"}
BROTLI, ZSTD = {"Content-Encoding": "br"}, {"Content-Encoding": "zstd"}
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def _wide() -> bytes:
    settings = zstandard.ZstdCompressionParameters(window_log=24)
    packer = zstandard.ZstdCompressor(compression_params=settings).compressobj()
    return packer.compress(PAGE) + packer.flush()


WIDE = _wide()
BAD: list[tuple[str, Behaviour, str, bool]] = [
    ("closes before headers", raw(), "connect", True),
    ("resets before headers", raw(abort=True), "connect", True),
    ("no HTTP", raw(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), "protocol", True),
    ("bad status", raw(b"HTTP/1.1 abc OK\r\n\r\n"), "protocol", True),
    ("short body", raw(OK + b"Content-Length: 50000\r\n\r\n" + b"x" * 20000), "truncated", True),
    (
        "reset in the body",
        raw(OK + b"Content-Length: 50000\r\n\r\n" + b"x" * 2000, pause=0.05, abort=True),
        "truncated",
        True,
    ),
    ("chunks cut off", raw(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"), "truncated", True),
    ("chunks malformed", raw(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"), "protocol", True),
    ("more than declared", raw(OK + b"Content-Length: 5\r\n\r\n" + PAGE), "protocol", True),
    ("gzip cut off", respond(body=gzip.compress(PAGE * 9, mtime=0)[:-20], headers=GZIP), "truncated", True),
    ("gzip damaged", respond(body=b"\x1f\x8b\x08\x00junkjunkjunk", headers=GZIP), "protocol", True),
    ("brotli cut off", respond(body=brotli.compress(PAGE * 9)[:-9], headers=BROTLI), "truncated", True),
    ("brotli damaged", respond(body=b"\xff" * 99, headers=BROTLI), "protocol", True),
    ("deflate damaged", respond(body=b"\xff" * 99, headers={"Content-Encoding": "deflate"}), "protocol", True),
    ("zstd cut off", respond(body=zstandard.compress(PAGE * 9)[:-9], headers=ZSTD), "truncated", True),
    ("zstd damaged", respond(body=zstandard.compress(PAGE)[:6] + b"\xff" * 99, headers=ZSTD), "protocol", True),
    ("zstd of a wide window", respond(body=WIDE, headers=ZSTD), "protocol", True),
    ("packed unasked", respond(headers={"Content-Encoding": "compress"}), "unsupported_type", False),
    ("packed twice", respond(headers={"Content-Encoding": "gzip, br"}), "unsupported_type", False),
    ("stalls", slow(5), "timeout", True),
    ("stalls in the body", raw(OK + b"Content-Length: 500\r\n\r\nhello", b"", pause=5), "timeout", True),
    ("drips", raw(OK + b"Content-Length: 500\r\n\r\n", *[b"x"] * 400, pause=0.1), "timeout", True),
    ("10,000 headers", raw(OK + b"X-A: 1\r\n" * 10_000 + b"\r\n"), "too_large", False),
    ("a long header", raw(OK + b"X-A: " + b"1" * 100_000 + b"\r\n\r\n"), "too_large", False),
    ("1 GB declared", respond(headers={"Content-Length": str(2**30)}), "too_large", False),
    ("no bytes", respond(body=b""), "empty_body", False),
    ("204", respond(204, b"", {"Content-Length": "-"}), "http_unexpected", False),
    ("206", respond(206), "http_unexpected", False),
    ("304 unasked", respond(304, b""), "http_unexpected", False),
    ("300 without an address", respond(300), "http_unexpected", False),
    ("302 without an address", respond(302), "http_unexpected", False),
    ("400", respond(400), "http_4xx", False),
    ("403", respond(403), "http_4xx", False),
    ("404", respond(404), "http_gone", False),
    ("410", respond(410), "http_gone", False),
    ("429", respond(429), "http_429", True),
    ("500", respond(500), "http_5xx", True),
    ("503", respond(503), "http_5xx", True),
    ("PDF", respond(body=b"%PDF-1.7", headers={"Content-Type": "application/pdf"}), "unsupported_type", False),
    ("picture", respond(headers={"Content-Type": "IMAGE/JPEG; q=1"}), "unsupported_type", False),
    ("PDF of no type", respond(body=b"%PDF-1.7 \0", headers={"Content-Type": "-"}), "unsupported_type", False),
    ("PDF said to be HTML", respond(body=b"%PDF-1.7 x"), "unsupported_type", False),
    ("picture said to be HTML", respond(body=b"\xff\xd8\xff\xe0\0\x10JFIF\0"), "unsupported_type", False),
    ("XML for an article", respond(headers={"Content-Type": "application/xml"}), "unsupported_type", False),
]


@pytest.mark.parametrize(("behaviour", "reason", "retriable"), [b[1:] for b in BAD], ids=[b[0] for b in BAD])
def test_invalid_responses(server: Server, fetch: Fetch, behaviour: Behaviour, reason: str, retriable: bool) -> None:
    server.on("/a", behaviour)
    limits = {"connect_timeout": 1, "first_byte_timeout": 0.4, "read_timeout": 0.3, "total_timeout": 1}
    (result,) = fetch("/a", max_attempts=1, **limits)
    assert isinstance(result, NoPage)
    assert (result.fetch.outcome, result.fetch.reason) == ("failed", reason)
    assert result.fetch.retriable == retriable
    assert result.fetch.attempts == 1
    assert result.failure is not None
    assert result.failure.message.endswith(".")
    assert (result.failure.reason, result.failure.stage) == (reason, "fetch")


GOOD: list[tuple[str, Behaviour]] = [
    ("plain", respond()),
    ("gzip", respond(body=gzip.compress(PAGE, mtime=0), headers=GZIP)),
    ("x-gzip", respond(body=gzip.compress(PAGE, mtime=0), headers={"Content-Encoding": "X-GZip"})),
    ("two members", respond(body=gzip.compress(PAGE[:9], mtime=0) + gzip.compress(PAGE[9:], mtime=0), headers=GZIP)),
    ("padded gzip", respond(body=gzip.compress(PAGE, mtime=0) + b"\0" * 64, headers=GZIP)),
    ("said gzip, is plain", respond(headers=GZIP)),
    ("zlib", respond(body=zlib.compress(PAGE), headers={"Content-Encoding": "deflate"})),
    ("bare deflate", respond(body=_deflated(PAGE), headers={"Content-Encoding": "deflate"})),
    ("brotli", respond(body=brotli.compress(PAGE), headers=BROTLI)),
    ("zstd", respond(body=zstandard.compress(PAGE), headers=ZSTD)),
    ("two frames", respond(body=zstandard.compress(PAGE[:9]) + zstandard.compress(PAGE[9:]), headers=ZSTD)),
    ("said zstd, is plain", respond(headers=ZSTD)),
    ("said brotli, is plain", respond(headers=BROTLI)),
    ("said deflate, is plain", respond(headers={"Content-Encoding": "deflate"})),
    ("identity", respond(headers={"Content-Encoding": "identity"})),
    ("XHTML", respond(headers={"Content-Type": "application/xhtml+xml;charset=utf-8"})),
    ("odd type", respond(headers={"Content-Type": "text/html, text/html"})),
    ("no type", respond(headers={"Content-Type": "-"})),
    ("203", respond(203)),
    ("HTTP/1.0, ends with the connection", raw(b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE)),
    ("chunks", raw(OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(PAGE), PAGE))),
    ("slow pieces", raw(OK + b"Content-Length: %d\r\n\r\n" % len(PAGE), PAGE[:9], PAGE[9:], pause=0.2)),
]


@pytest.mark.parametrize("behaviour", [b[1] for b in GOOD], ids=[b[0] for b in GOOD])
def test_valid_responses(server: Server, fetch: Fetch, behaviour: Behaviour) -> None:
    server.on("/a", behaviour)
    (result,) = fetch("/a", max_attempts=1, read_timeout=0.5)
    assert isinstance(result, Page)
    assert result.body == PAGE
    row = result.fetch
    assert (row.outcome, row.reason, row.attempts, row.bytes) == ("ok", None, 1, len(PAGE))
    assert (row.url, row.final_url, row.domain) == ("http://news.example/a", "http://news.example/a", "news.example")
    assert row.body_hash == content_hash(PAGE)


def test_separate_timeouts_of_first_byte_and_read(server: Server, fetch: Fetch) -> None:
    head = OK + b"Content-Length: %d\r\n\r\n" % len(PAGE)
    server.on("/a", raw(head, PAGE, pause=0.5))
    (page,) = fetch("/a", max_attempts=1, first_byte_timeout=0.2, read_timeout=3)
    assert isinstance(page, Page)
    (result,) = fetch("/a", max_attempts=1, first_byte_timeout=3, read_timeout=0.2)
    assert result.fetch.reason == "timeout"


def test_body_is_not_decoded(server: Server, fetch: Fetch) -> None:
    body = '<html><head><meta charset="utf-8"></head><body>Café déjà vu</body></html>'.encode()
    server.on("/a", respond(body=body, headers={"Content-Type": "text/html; charset=iso-8859-2"}))
    (result,) = fetch("/a")
    assert isinstance(result, Page)
    assert (result.body, result.content_type) == (body, "text/html; charset=iso-8859-2")


@pytest.mark.parametrize("body", [b"RIFF is short for resource interchange.", b"<p>A stray \0 zero</p>"])
def test_unusual_text(server: Server, fetch: Fetch, body: bytes) -> None:
    server.on("/a", respond(body=body))
    (result,) = fetch("/a")
    assert isinstance(result, Page)


def test_feed_types(server: Server, fetch: Fetch) -> None:
    server.on("/feed", respond(headers={"Content-Type": "application/rss+xml; charset=utf-8"}))
    (article,), (feed,) = fetch("/feed"), fetch("/feed", accept=FEED_TYPES)
    assert article.fetch.reason == "unsupported_type"
    assert isinstance(feed, Page)
    assert feed.content_type == "application/rss+xml; charset=utf-8"


@pytest.mark.parametrize(
    ("head", "piece"),
    [(b"Connection: close", b"x" * 65536), (b"Transfer-Encoding: chunked", b"10000\r\n" + b"x" * 65536 + b"\r\n")],
    ids=["plain", "chunked"],
)
def test_endless_body_is_aborted(server: Server, fetch: Fetch, head: bytes, piece: bytes) -> None:
    behaviour, sent = endless(OK + head + b"\r\n\r\n", piece)
    server.on("/a", behaviour)
    (result,) = fetch("/a", max_body_bytes=2**20)
    assert result.fetch.reason == "too_large"
    assert sent[0] < 16 * 2**20  # size of the socket buffers on both sides


def _bomb(coding: str, size: int) -> bytes:
    pieces = (bytes(2**20) for _ in range(size // 2**20))
    if coding == "br":
        packer = brotli.Compressor(quality=4)
        return b"".join(packer.process(piece) for piece in pieces) + bytes(packer.finish())
    if coding == "zstd":
        zstd = zstandard.ZstdCompressor().compressobj()
        return b"".join(zstd.compress(piece) for piece in pieces) + zstd.flush()
    bomb = zlib.compressobj(wbits=31 if coding == "gzip" else 15)
    return b"".join(bomb.compress(piece) for piece in pieces) + bomb.flush()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_decompression_bombs(server: Server, fetch: Fetch, coding: str) -> None:
    server.on("/a", respond(body=_bomb(coding, 40 * 2**20), headers={"Content-Encoding": coding}))
    (by_ratio,), (by_size,) = fetch("/a"), fetch("/a", max_unpack_ratio=10**6)
    assert isinstance(by_ratio, NoPage) and isinstance(by_size, NoPage)
    assert by_ratio.failure and "max_unpack_ratio" in by_ratio.failure.message
    assert by_size.failure and "max_body_bytes" in by_size.failure.message
    assert by_ratio.fetch.reason == by_size.fetch.reason == "too_large"


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_decompression_is_bounded(coding: str) -> None:
    bomb = _bomb(coding, 200 * 2**20)
    tracemalloc.start()
    try:
        with pytest.raises(Rejected) as caught:
            Body(coding, 2**20, 10**6).feed(bomb[: 2**18])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert caught.value.reason is Reason.TOO_LARGE
    assert peak < 24 * 2**20


@pytest.mark.parametrize("size", [1, 3, 100, 5000])
@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_chunks_of_any_size(coding: str, size: int) -> None:
    text = b"".join(b"<p>%d and %d</p>" % (n, n * n) for n in range(30_000))
    packers = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.compress}
    packed = packers[coding](text)
    body = Body(coding, 10 * 2**20, 100)
    for at in range(0, len(packed), size):
        body.feed(packed[at : at + size])
    assert body.finish() == text


def test_highly_compressed_page(server: Server, fetch: Fetch) -> None:
    rows = b"".join(b"<tr><td>%d</td><td>%d</td></tr>" % (n, n * n) for n in range(60_000))
    server.on("/a", respond(body=gzip.compress(rows, mtime=0), headers=GZIP))
    (result,) = fetch("/a")
    assert isinstance(result, Page)
    assert result.body == rows


def test_connection_refused(fetch: Fetch) -> None:
    (result,) = fetch("/a", resolve={"*": "127.0.0.1:1"})
    assert result.fetch.reason == "connect"


def test_server_without_tls(server: Server, fetch: Fetch) -> None:
    server.on("/a", respond())
    (result,) = fetch("https://news.example/a", max_attempts=1)
    assert result.fetch.reason == "tls"


def test_unknown_host(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def unknown(*_: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("transforms.fetch.http.address_guard.socket.getaddrinfo", unknown)
    (result,) = fetch("http://nowhere.test/a")
    assert (result.fetch.outcome, result.fetch.reason) == ("failed", "dns")


def test_request_headers(server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")
    server.on("/a", respond(302, b"", {"Location": "http://other.example/b", "Set-Cookie": "a=1; Domain=example"}))
    secret = {"news.*": {"X-Key": "secret"}}
    (result,) = fetch("/a", user_agent="Onrecord-Test/1.0 (+https://example.org/bot)", headers=secret)
    assert isinstance(result, Page)
    assert result.fetch.final_url == "http://other.example/b"
    by_path = {(r.host, r.path): r.headers for r in server.log}
    assert len(by_path) == 4
    for headers in by_path.values():
        assert headers["user-agent"] == "Onrecord-Test/1.0 (+https://example.org/bot)"
        assert headers["accept-encoding"] == "gzip, deflate, br, zstd"
        assert "cookie" not in headers
    assert by_path["news.example", "/robots.txt"]["x-key"] == by_path["news.example", "/a"]["x-key"] == "secret"
    assert "x-key" not in by_path["other.example", "/b"]
    assert by_path["news.example", "/a"]["accept"].startswith("application/xhtml+xml, text/html, text/plain")


def test_validators_are_stored(server: Server, fetch: Fetch) -> None:
    server.on("/a", respond(headers={"ETag": '"x1"', "Last-Modified": "Tue, 24 Jan 2017 05:35:45 GMT"}))
    (result,) = fetch("/a")
    assert (result.fetch.etag, result.fetch.last_modified) == ('"x1"', "Tue, 24 Jan 2017 05:35:45 GMT")
