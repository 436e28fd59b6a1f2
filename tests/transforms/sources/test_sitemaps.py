"""Sitemaps: the public cases, the formats, and hostile ones."""

import base64
import gzip
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from tests.support.records import load_cases
from transforms.schema.failures import Reason, Rejected
from transforms.sources import sitemaps
from transforms.sources.sitemaps import MAX_BYTES, MAX_ENTRIES, Sitemap, SitemapEntry, is_sitemap, parse_sitemap

URL = "https://www.example.org/maps/news.xml"


@pytest.mark.parametrize(
    "case", [case for case in load_cases("feeds") if "sitemap" in case["tags"]], ids=lambda case: str(case["id"])
)
def test_case(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    body = given["body"].encode() if "body" in given else base64.b64decode(given["body_base64"])
    found = parse_sitemap(body, given.get("content_type", ""), given["url"])
    entries = [e for e in found.entries if e.url not in expected.get("may_also", [])]
    assert [e.url for e in entries] == [e["url"] for e in expected["entries"]]
    assert [e.url for e in found.sitemaps] == expected.get("sitemaps", [])
    for entry, right in zip(entries, expected["entries"], strict=True):
        assert entry.title == right["title"]
        moment = right["published"] and datetime.fromisoformat(right["published"].replace("Z", "+00:00"))
        assert entry.published_at == moment


def _urls(body: bytes) -> list[str]:
    return [e.url for e in parse_sitemap(body, "", URL).entries]


def test_a_news_sitemap() -> None:
    body = b"""
    <?xml version="1.0" encoding="UTF-8"?><!-- made by hand -->
    <urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:n="http://www.google.com/schemas/sitemap-news/0.9"
      xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
    <url><image:image><image:loc>https://img.example.org/1.jpg</image:loc><image:title>Boat</image:title></image:image>
      <loc>https://www.example.org/n/1?utm_source=map</loc><lastmod>2024-05-02T10:00:00+02:00</lastmod>
      <n:news><n:publication><n:name>Brindle News</n:name><n:language>en</n:language></n:publication>
      <n:publication_date>2024-05-01</n:publication_date><n:title>Ferry <!-- not --> cut &amp; more</n:title>
      </n:news></url>
    <url><lastmod>2024-05-01</lastmod></url><url><loc> </loc></url><url><loc>mailto:desk@example.org</loc></url>
    <url><loc>https://www.example.org/maps/news.xml</loc></url></urlset>"""
    found = parse_sitemap(body, "application/xml", URL)
    assert found == Sitemap(
        entries=(
            SitemapEntry(
                "https://www.example.org/n/1",
                lastmod=datetime(2024, 5, 2, 8, tzinfo=timezone.utc),
                title="Ferry cut & more",
                published_at=datetime(2024, 5, 1, tzinfo=timezone.utc),
                language="en",
            ),
        )
    )


def test_an_index() -> None:
    body = b"""<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><sitemap><loc>a.xml.gz</loc>
      <lastmod>2024-05-01</lastmod></sitemap><sitemap><loc>news.xml</loc></sitemap></sitemapindex>"""
    changed = datetime(2024, 5, 1, tzinfo=timezone.utc)
    assert parse_sitemap(body, "", URL) == Sitemap(
        sitemaps=(SitemapEntry("https://www.example.org/maps/a.xml.gz", lastmod=changed),)
    )


def _set(count: int, start: int = 0) -> bytes:
    return b"<urlset>" + b"".join(b"<url><loc>/n/%d</loc></url>" % n for n in range(start, count)) + b"</urlset>"


@pytest.mark.parametrize(
    ("body", "urls"),
    [
        (_set(3), ["/n/0", "/n/1", "/n/2"]),
        (gzip.compress(_set(2), mtime=0), ["/n/0", "/n/1"]),
        (_set(2).decode().join(['<?xml version="1.0" encoding="utf-16"?>', ""]).encode("utf-16"), ["/n/0", "/n/1"]),
        (b"\xef\xbb\xbf\n " + _set(1), ["/n/0"]),
        # Cut off: an address that is not whole is no address.
        (_set(2)[:-20], ["/n/0"]),
        (_set(3)[:-22], ["/n/0", "/n/1"]),
        # Bare ampersands, in text and in CDATA
        (b"<urlset><url><loc>/n?a=1&b=2&amp;c=3</loc></url></urlset>", ["/n?a=1&b=2&c=3"]),
        (b"<urlset><url><loc><![CDATA[/n?a=1&b=2]]></loc></url></urlset>", ["/n?a=1&b=2"]),
        # Tags that do not match
        (b"<urlset><url><loc>/n/1</url><url><loc>/n/2</loc></url></urlset>", ["/n/1", "/n/2"]),
        (b"<urlset></urlset>", []),
        (b"http://www.example.org/n/1\r\nHTTPS://www.example.org/n/2\r\n\r\n", ["http:/n/1", "/n/2"]),
    ],
)  # fmt: skip
def test_what_can_be_read_is_read(body: bytes, urls: list[str]) -> None:
    assert [u.replace("//www.example.org", "").removeprefix("https:") for u in _urls(body)] == urls


def test_a_gzip_that_breaks_off_gives_what_was_whole() -> None:
    packed = gzip.compress(_set(20_000), mtime=0)
    urls = _urls(packed[: len(packed) // 2])
    assert 5_000 < len(urls) < 20_000
    assert urls == _urls(_set(20_000))[: len(urls)]


@pytest.mark.parametrize(
    "body",
    [b"", b"Not found", b"<html><body><url><loc>/n/1</loc></url></body></html>", b"<rss/>", b"\x1f\x8bno gzip",
     b"<!-- ", b"What a day.\nMore on https://www.example.org/n/1\nhttps://www.example.org/n/2\nThe end."],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_no_sitemap(body: bytes) -> None:
    with pytest.raises(Rejected, match=r"https://www\.example\.org/maps/news\.xml") as caught:
        parse_sitemap(body, "text/html", URL)
    assert caught.value.reason is Reason.LISTING_UNREADABLE


def test_robots_lines() -> None:
    body = b"\xef\xbb\xbfsitemap: a.xml\nDisallow: /\n SITEMAP :https://other.example/b.xml # news\nSitemap:\n"
    found = parse_sitemap(body, "text/plain", "https://www.example.org/robots.txt")
    assert [e.url for e in found.sitemaps] == ["https://www.example.org/a.xml", "https://other.example/b.xml"]
    with pytest.raises(Rejected, match=r"robots\.txt lists no sitemap"):
        parse_sitemap(b"Disallow: /\n", "text/plain", "https://www.example.org/robots.txt")


def test_nothing_outside_the_document_is_opened() -> None:
    body = b"""<!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/hostname">]>
      <urlset><url><loc>/n/1</loc><lastmod>&f;</lastmod></url><url><loc>/n/2</loc></url></urlset>"""
    assert [(e.url[-4:], e.lastmod) for e in parse_sitemap(body, "", URL).entries] == [("/n/1", None), ("/n/2", None)]


def test_entities_do_not_unfold() -> None:
    entities = "".join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    body = f"""<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">{entities}]>
      <urlset><url><loc>/n/1</loc></url><url><loc>/n/&i;</loc></url><url><loc>/n/3</loc></url></urlset>"""
    urls = _urls(body.encode())
    assert urls[0] == "https://www.example.org/n/1"
    assert max(map(len, urls)) < 60


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(_urls(_set(MAX_ENTRIES + 5))) == MAX_ENTRIES
    bomb = gzip.compress(b"<urlset><url><loc>/n/1</loc></url>" + b" " * (MAX_BYTES + 1000), mtime=0)
    assert len(sitemaps.unpacked(bomb, URL)) == MAX_BYTES
    monkeypatch.setattr(sitemaps, "MAX_BYTES", 1000)
    assert _urls(gzip.compress(_set(1000), mtime=0)) == _urls(_set(1000)[:1000]) == _urls(_set(1000))
    assert _urls(b"<urlset>" + b"<url>" * 100_000) == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (_set(1), True),
        (b"<?xml version='1.0'?>\n<s:sitemapindex xmlns:s='x'>", True),
        (b" https://www.example.org/n/1\n", True),
        (b"<rss version='2.0'><channel><title>urlset</title>", False),
        (b'{"items": []}', False),
        (b"<html>", False),
    ],
)
def test_is_sitemap(body: bytes, expected: bool) -> None:
    assert is_sitemap(body, URL) is expected
    assert is_sitemap(body, "https://www.example.org/robots.txt")


BOMBS: dict[str, Callable[[], bytes]] = {
    "ampersands": lambda: b"<urlset>" + b"&" * (8 << 20),
    "tags": lambda: b"<urlset>" + b"<a/>" * (1 << 20),
    "nesting": lambda: b"<urlset>" + b"<a>" * (2 << 20),
    "attributes": lambda: b"<urlset>" + b"<url loc='x' " + b"a='b' " * (2 << 20),
    "text": lambda: b"<urlset><url><loc>" + b"x" * (20 << 20),
    "entries": lambda: b"<urlset>" + b"<url><loc>https://a.example/n</loc></url>" * 60_000,
    "lines": lambda: b"\n" * (20 << 20),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_memory_is_bounded_for_any_content(kind: str) -> None:
    code = (
        "import resource, sys, time\n"
        "from transforms.schema.failures import Rejected\n"
        "from transforms.sources.sitemaps import parse_sitemap\n"
        "body = sys.stdin.buffer.read()\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before, start = peak(), time.process_time()\n"
        "try: parse_sitemap(body, '', 'https://www.example.org/sitemap.xml')\n"
        "except Rejected as refused: assert refused.reason.value == 'listing_unreadable'\n"
        "print((peak() - before) / 1024, time.process_time() - start)\n"
    )
    packed = gzip.compress(BOMBS[kind](), 1)
    output = subprocess.run([sys.executable, "-c", code], input=packed, capture_output=True, check=True).stdout
    megabytes, seconds = map(float, output.split())
    assert megabytes < 300
    assert seconds < 20
