"""Feeds: the public cases, and the formats."""

import json
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.support.records import load_cases
from transforms.schema.failures import Reason, Rejected
from transforms.sources.feeds import MAX_ENTRIES, MAX_XML_BYTES, FeedEntry, parse_feed

URL = "https://www.example.org/feeds/news.xml"


@pytest.mark.parametrize(
    "case", [case for case in load_cases("feeds") if "sitemap" not in case["tags"]], ids=lambda case: str(case["id"])
)
def test_case(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    body = given["body"].encode()
    if expected.get("not_a_feed"):
        with pytest.raises(Rejected):
            parse_feed(body, given.get("content_type", ""), given["url"])
        return
    entries = parse_feed(body, given.get("content_type", ""), given["url"])
    assert [e.url for e in entries] == [e["url"] for e in expected["entries"]]
    for entry, right in zip(entries, expected["entries"], strict=True):
        assert right["title"] in (None, entry.title)
        if right["published"] and "T" in right["published"]:
            assert entry.published_at == datetime.fromisoformat(right["published"].replace("Z", "+00:00"))
        elif right["published"]:
            assert entry.published_at is not None
            assert entry.published_at.date().isoformat() == right["published"]


def _rss(item: str, version: str = "2.0") -> list[FeedEntry]:
    return parse_feed(f'<rss version="{version}"><channel><item>{item}</item></channel></rss>'.encode(), "", URL)


@pytest.mark.parametrize(
    ("item", "url"),
    [
        ("<link>/n/1</link>", "https://www.example.org/n/1"),
        ("<link>../n/1?utm_source=rss</link>", "https://www.example.org/n/1"),
        ("<link> \n//other.example/n/1\n </link>", "https://other.example/n/1"),
        ("<guid>https://www.example.org/n/1</guid>", "https://www.example.org/n/1"),
        ('<guid isPermaLink="true">https://www.example.org/n/1</guid>', "https://www.example.org/n/1"),
        ('<guid isPermaLink="false">https://www.example.org/n/1</guid>', None),
        ("<guid>show-17</guid>", None),
        ("<link>https://www.example.org/n/1</link><guid>https://www.example.org/?p=1</guid>", "https://www.example.org/n/1"),
        ('<enclosure url="https://cdn.example.org/1.mp3" type="audio/mpeg" length="1"/>', None),
        ("<link>mailto:desk@example.org</link>", None),
        ("<link>javascript:alert(1)</link>", None),
        ("<link></link>", None),
        (
            '<link>https://proxy.example/x</link><feedburner:origLink xmlns:feedburner="http://rssnamespace.org/feedburner/ext/1.0">'
            "https://www.example.org/n/1</feedburner:origLink>",
            "https://www.example.org/n/1",
        ),
    ],
)  # fmt: skip
def test_the_page_of_an_rss_item(item: str, url: str | None) -> None:
    assert [e.url for e in _rss(f"<title>Ferry cut</title>{item}")] == ([url] if url else [])


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Ferry  cut\n to two", "Ferry cut to two"),
        ("Fish &amp;amp; chips", "Fish & chips"),
        ("<![CDATA[A <b>bold</b> plan]]>", "A bold plan"),
        ("3 &lt; 5", "3 < 5"),
        ("", None),
    ],
)
def test_title(title: str, expected: str | None) -> None:
    (entry,) = _rss(f"<title>{title}</title><link>/n/1</link>")
    assert entry.title == expected


def test_rss_1_and_dublin_core() -> None:
    body = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
      xmlns:dc="http://purl.org/dc/elements/1.1/"><item rdf:about="/n/1"><title>Ferry cut</title><link>/n/1</link>
      <dc:date>2024-05-01T09:12:00+02:00</dc:date></item></rdf:RDF>"""
    when = datetime(2024, 5, 1, 7, 12, tzinfo=timezone.utc)
    assert parse_feed(body, "application/rdf+xml", URL) == [FeedEntry("https://www.example.org/n/1", "Ferry cut", when)]


def test_atom_base_and_links() -> None:
    body = b"""<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://base.example/x/"><entry>
      <title type="html">A &lt;b&gt;bold&lt;/b&gt; plan</title><link rel="self" href="entry.atom"/>
      <link rel="replies" href="r"/><link href="n/1"/><link rel="alternate" type="application/json" href="n/1.json"/>
      <updated>2024-05-02T00:00:00Z</updated></entry><entry>
      <title>No page</title><link rel="self" href="e"/></entry></feed>"""
    when = datetime(2024, 5, 2, tzinfo=timezone.utc)
    assert parse_feed(body, "application/atom+xml", URL) == [
        FeedEntry("https://base.example/x/n/1", "A bold plan", when)
    ]


def test_a_relative_base_counts_from_the_document() -> None:
    body = b"""<feed xmlns="http://www.w3.org/2005/Atom" xml:base="../x/"><entry xml:base="y/">
      <link href="n/1"/></entry></feed>"""
    assert [e.url for e in parse_feed(body, "", URL)] == ["https://www.example.org/x/y/n/1"]


def test_rss_0_9() -> None:
    assert [e.url for e in _rss("<title>Ferry cut</title><link>/n/1</link>", "0.91")] == ["https://www.example.org/n/1"]


def test_json_feed() -> None:
    items = [
        {"id": "1", "url": "/n/1", "title": " Ferry\n cut ", "date_published": "2024-05-01T09:12:00+02:00"},
        {"id": "https://www.example.org/n/2"},
        {"id": "3", "external_url": "https://other.example/n/3", "title": 7, "date_published": "soon"},
        {"id": "4"},
        "no item",
    ]
    body = b"\xef\xbb\xbf " + json.dumps({"version": "https://jsonfeed.org/version/1.1", "items": items}).encode()
    when = datetime(2024, 5, 1, 7, 12, tzinfo=timezone.utc)
    assert parse_feed(body, "application/feed+json", URL) == [
        FeedEntry("https://www.example.org/n/1", "Ferry cut", when),
        FeedEntry("https://www.example.org/n/2"),
        FeedEntry("https://other.example/n/3"),
    ]


def test_an_empty_feed_is_a_feed() -> None:
    assert parse_feed(b'<rss version="2.0"><channel><title>x</title></channel></rss>', "", URL) == []
    assert parse_feed(b'{"items": []}', "", URL) == []


def test_damaged_xml_gives_what_was_whole() -> None:
    body = b'<rss version="2.0"><channel><item><title>A & B</title><link>/n/1</link></item><item><title>Cut'
    assert [(e.url, e.title) for e in parse_feed(body, "", URL)][:1] == [("https://www.example.org/n/1", "A & B")]


@pytest.mark.parametrize(
    "body",
    [b"", b" ", b"<html><body>Not found</body></html>", b"\x89PNG\r\n", b"{", b'{"a": 1}', b'{"items": 1}', b"[1]",
     b'{"a":' * 100_000, b"/etc/passwd"],
    ids=lambda body: repr(body[:12]),
)  # fmt: skip
def test_no_feed(body: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        parse_feed(body, "text/html", URL)
    assert caught.value.reason is Reason.LISTING_UNREADABLE


def test_a_body_is_never_taken_for_a_file_s_name(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_text('<rss version="2.0"><channel><item><link>https://inside.example/</link></item></channel></rss>')
    with pytest.raises(Rejected):
        parse_feed(str(file).encode(), "", URL)


def test_entities_do_not_unfold() -> None:
    bomb = '<!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    body = f'{bomb}]><rss version="2.0"><channel><item><title>&i;</title><link>/n/1</link></item></channel></rss>'
    (entry,) = parse_feed(body.encode(), "", URL)
    assert len(entry.title or "") < 1000


def test_a_long_feed_is_read_up_to_the_limit() -> None:
    items = [
        f"<item><title>{n}</title><link>/n/{n}</link><description>{'x' * 1000}</description></item>"
        for n in range(3000)
    ]
    body = f'<rss version="2.0"><channel>{"".join(items)}</channel></rss>'.encode()
    entries = parse_feed(body, "", URL)
    assert [e.title for e in entries] == [str(n) for n in range(len(entries))]
    assert len("".join(items[: len(entries)])) <= MAX_XML_BYTES < len("".join(items[: len(entries) + 2]))


def test_a_feed_without_end() -> None:
    items = [{"url": f"/n/{n}"} for n in range(MAX_ENTRIES + 5)]
    assert len(parse_feed(json.dumps({"items": items}).encode(), "", URL)) == MAX_ENTRIES
