"""WARC files for tests."""

from io import BytesIO

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

PAGE = b"<html><title>Ferry cut</title><p>The evening ferry will stop in June.</p></html>"


def record(
    url: str,
    body: bytes,
    *,
    kind: str = "response",
    status: str = "200 OK",
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/html; charset=utf-8"),),
    warc: dict[str, str] | None = None,
) -> bytes:
    """One record in its own gzip member; `warc` are headers of the record."""
    file = BytesIO()
    writer = WARCWriter(file, gzip=True, warc_version="1.1")
    fields = {"WARC-Date": "2025-03-12T06:30:00Z", **(warc or {})}
    http = None if kind in ("metadata", "resource") else StatusAndHeaders(status, list(headers), protocol="HTTP/1.1")
    writer.write_record(
        writer.create_warc_record(
            url, kind, payload=BytesIO(body), length=len(body), http_headers=http, warc_headers_dict=fields
        )
    )
    return file.getvalue()


def archive(*pages: tuple[str, bytes]) -> bytes:
    """A WARC file of these pages, by URL."""
    return b"".join(record(url, body) for url, body in pages)
