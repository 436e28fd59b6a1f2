"""Tests of the demo site: every page responds as declared, and its documents are consistent."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import feedparser
import pytest
import trafilatura
import yaml
from lxml import etree, html
from protego import Protego

from pipeline.demo.render import PAGES
from pipeline.demo.server import BEHAVIOURS, Site
from transforms.schema.failures import Reason
from transforms.schema.records import stable_id

ROOT = Path(__file__).parents[2]
QUOTES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("quotes.json").read_text(encoding="utf-8"))
EXPECTED = Site().expected()
GAZETTE, POST, TIMES, WIRE = (
    "http://www.harbour-gazette.example",
    "http://brindle-post.example",
    "http://karra-times.example",
    "http://wire.example",
)
GLUED = "“in full”.The"


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


class Response:
    """One complete response."""

    def __init__(self, site: Site, url: str, headers: dict[str, str] | None = None) -> None:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(site.address, timeout=10)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request("GET", path, headers={"Host": parts.netloc, **(headers or {})})
        response = connection.getresponse()
        self.status, self.headers, self.body = response.status, response.headers, response.read()
        self.content_type = self.headers.get("Content-Type", "")
        connection.close()


def page(site: Site, url: str) -> Response:
    """Response after retries of 503 and redirects."""
    for _ in range(4):
        answer = Response(site, url)
        if answer.status == 301:
            url = f"http://{urlsplit(url).netloc}{answer.headers['Location']}"
        elif answer.status != 503:
            return answer
    raise AssertionError(f"{url} never answers.")


def words(site: Site, url: str) -> str:
    """Text of a page's paragraphs, decoded like a browser (header, then meta)."""
    answer = page(site, url)
    parser = html.HTMLParser(encoding=answer.headers.get_content_charset())
    paragraphs = html.fromstring(answer.body, parser=parser).iter("p")
    return "\n".join("".join(str(part) for part in paragraph.itertext()) for paragraph in paragraphs)


def bare(url: str) -> str:
    return url.partition("?utm_")[0]


@pytest.mark.parametrize(("url", "outcome", "reason"), EXPECTED)
def test_listed_urls_respond_as_declared(site: Site, url: str, outcome: str, reason: str | None) -> None:
    answer = page(site, url)
    robots = Response(site, f"http://{urlsplit(url).netloc}/robots.txt")
    rules = Protego.parse(robots.body.decode() if robots.status == 200 else "")
    assert rules.can_fetch(url, "onrecord") == (reason != Reason.ROBOTS)
    if reason == Reason.HTTP_GONE:
        assert answer.status in (404, 410)
        return
    assert answer.status == 200
    assert ("application/pdf" in answer.content_type) == (reason == Reason.UNSUPPORTED_TYPE)
    if outcome == "ok" and "html" in answer.content_type:
        assert 250 <= len(words(site, url).split()) <= 600
    if "html" in answer.content_type:
        assert 5_000 <= len(answer.body) <= 40_000


def test_expected_matches_the_sources(site: Site) -> None:
    config = yaml.safe_load((ROOT / "configs/demo.yaml").read_text(encoding="utf-8"))
    listed, feeds = config["sources"]
    lines = (ROOT / listed["path"]).read_text(encoding="utf-8").splitlines()
    own = [line for line in lines if line and not line.startswith("#")]
    entries = [url for feed in feeds["urls"] for url in feed_urls(site, feed)]
    assert sorted({bare(url) for url in [*own, *entries, *feeds["urls"]]}) == sorted(url for url, _, _ in EXPECTED)
    ferry = f"{GAZETTE}/news/2025/03/11/ferry-cuts"
    assert ferry in own and ferry not in entries and ferry in map(bare, entries)  # one URL in two spellings
    target = BEHAVIOURS[f"{POST}/a/1038"].location
    assert target and f"{POST}{target}" not in {*own, *entries}


def feed_urls(site: Site, feed: str) -> list[str]:
    answer = Response(site, feed)
    if "json" in answer.content_type:
        return [item["url"] for item in json.loads(answer.body)["items"]]
    parsed = feedparser.parse(
        answer.body, response_headers={"content-type": answer.content_type, "content-location": feed}
    )
    assert not parsed.bozo
    assert all(entry.published_parsed for entry in parsed.entries)
    return [str(entry.link) for entry in parsed.entries]


@pytest.mark.parametrize(
    ("feed", "version", "entries"), [(f"{GAZETTE}/feed.xml", "rss20", 5), (f"{POST}/atom.xml", "atom10", 4)]
)
def test_feeds_parse(site: Site, feed: str, version: str, entries: int) -> None:
    assert feedparser.parse(Response(site, feed).body).version == version
    assert len(set(feed_urls(site, feed))) == entries


def test_json_feed(site: Site) -> None:
    feed = json.loads(Response(site, f"{TIMES}/feed.json").body)
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert len(feed_urls(site, f"{TIMES}/feed.json")) == 4


def test_robots_txt_lists_the_news_sitemap(site: Site) -> None:
    (sitemap,) = Protego.parse(Response(site, f"{WIRE}/robots.txt").body.decode()).sitemaps
    tree = etree.fromstring(Response(site, sitemap).body)
    locations = [node.text for node in tree.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")]
    assert len(locations) == 5
    assert set(locations) <= {url for url, outcome, _ in EXPECTED if outcome == "ok"}


def test_robots_of_each_host(site: Site) -> None:
    post = Protego.parse(Response(site, f"{POST}/robots.txt").body.decode())
    assert post.crawl_delay("onrecord") == 0.2
    assert Response(site, f"{TIMES}/robots.txt").status == 404


def test_quotes_are_in_their_pages(site: Site) -> None:
    texts = {url: words(site, url) for url in {quote["url"] for quote in QUOTES}}
    for quote in QUOTES:
        assert set(quote) == {"url", "text", "speaker_name", "kind", "fragments"}
        assert quote["kind"] in ("direct", "mixed", "indirect")
        assert quote["text"] == " ".join(quote["fragments"])
        assert [part for part in quote["fragments"] if part not in texts[quote["url"]]] == []
        name = quote["speaker_name"]
        assert name is None or name.split()[-1] in texts[quote["url"]], quote


def test_english_articles_have_quotes() -> None:
    articles = {url for url, outcome, _ in EXPECTED if outcome == "ok" and not url.endswith((".xml", ".json"))}
    assert {quote["url"] for quote in QUOTES} == {url for url in articles if "/de/" not in url}
    assert {quote["kind"] for quote in QUOTES} == {"direct", "mixed", "indirect"}


def test_ids_are_unique() -> None:
    assert len({stable_id(url) for url, _, _ in EXPECTED}) == len(EXPECTED)
    assert len({(quote["url"], quote["text"]) for quote in QUOTES}) == len(QUOTES)


def test_wire_text_is_copied_by_two_publishers(site: Site) -> None:
    first, second = (main_text(site, url) for url in (f"{WIRE}/2025/storm-gates", f"{POST}/articles/1044-storm-gates"))
    assert first == second


@pytest.mark.parametrize(
    ("url", "begin", "end"),
    [
        (f"{GAZETTE}/news/2025/03/12/hospital-wing", "The children’s wing", "what his heating costs.”"),
        (f"{POST}/articles/1041-mill-reopening", "The wheel at Upper Mill", "They were gone by ten."),
        (f"{TIMES}/story/harbour-levy", "Islanders packed the chapel", "right about the weed.’"),
        (f"{WIRE}/2025/herring-quota", "FENNICK (OW)", 'We cannot freeze wages."'),
    ],
)
def test_main_text_excludes_boilerplate(site: Site, url: str, begin: str, end: str) -> None:
    text = main_text(site, url)
    assert text.startswith(begin)
    assert text.endswith(end)
    assert not [word for word in ("cookie", "newsletter", "Subscribe", "Copyright", "Most read") if word in text]


def main_text(site: Site, url: str) -> str:
    text = trafilatura.extract(page(site, url).body, url=url, favor_precision=True, include_comments=False)
    assert isinstance(text, str)
    return text


def test_missing_space_after_quotation_mark(site: Site) -> None:
    assert GLUED in words(site, f"{GAZETTE}/news/2025/03/12/hospital-wing")


def test_metadata_formats_differ(site: Site) -> None:
    graph, broken = (
        page(site, url).body.decode().partition('<script type="application/ld+json">')[2].partition("</script>")[0]
        for url in (f"{GAZETTE}/culture/2025/03/13/film-festival", f"{WIRE}/2025/mayor-race")
    )
    article = next(node for node in json.loads(graph)["@graph"] if node["@type"] == "NewsArticle")
    assert article["author"][0]["name"] == "Delphine Roake"
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken)
    post = page(site, f"{POST}/articles/1041-mill-reopening").body
    assert b"article:published_time" in post
    assert b"ld+json" not in post
    times = page(site, f"{TIMES}/story/cup-final").body
    assert b'itemprop="headline"' in times
    assert b"og:" not in times


def test_windows_1252_is_declared_in_meta_only(site: Site) -> None:
    answer = page(site, f"{TIMES}/story/cafe-margot")
    assert answer.content_type == "text/html"
    assert b"charset=windows-1252" in answer.body
    assert "at the old price of £1.20" in answer.body.decode("windows-1252")
    with pytest.raises(UnicodeDecodeError):
        answer.body.decode("utf-8")


def test_busy_and_slow_pages() -> None:
    with Site() as site:
        bus = f"{POST}/articles/1042-school-bus"
        answers = [Response(site, bus) for _ in range(4)]
        assert [answer.status for answer in answers] == [503, 503, 200, 200]
        assert answers[0].headers["Retry-After"] == "1"
        start = time.monotonic()
        assert Response(site, f"{GAZETTE}/news/2025/03/10/quay-fire").status == 200
        assert 1.5 <= time.monotonic() - start < 3


def test_conditional_request(site: Site) -> None:
    url = f"{WIRE}/2025/energy-link"
    first = Response(site, url)
    for headers in (
        {"If-None-Match": first.headers["ETag"]},
        {"If-Modified-Since": first.headers["Last-Modified"]},
    ):
        again = Response(site, url, headers)
        assert (again.status, again.body) == (304, b"")
    assert Response(site, url, {"If-None-Match": '"another"'}).status == 200


def test_log_has_every_request() -> None:
    with Site() as site:
        assert site.hosts == tuple(sorted(urlsplit(url).netloc for url in (GAZETTE, POST, TIMES, WIRE)))
        Response(site, f"{WIRE}/2025/mayor-race?utm_source=x", {"User-Agent": "probe/1"})
        Response(site, "http://nobody.example/")
        first, second = site.log
        assert (first.host, first.path) == ("wire.example", "/2025/mayor-race?utm_source=x")
        assert first.headers["User-Agent"] == "probe/1"
        assert second.host == "nobody.example"
        assert 0 <= second.at - first.at < 5


def test_every_behaviour_and_document_is_used(site: Site) -> None:
    assert set(BEHAVIOURS) <= {url for url, _, _ in EXPECTED}
    articles = {f"http://{file.relative_to(PAGES).with_suffix('').as_posix()}" for file in PAGES.rglob("*.md")}
    assert articles - {url for url, _, _ in EXPECTED} == {f"{POST}/articles/1045-library-hours"}


def beside(*code: str) -> list[str]:
    return [sys.executable, "-m", "tests.site", sys.executable, "-c", "\n".join(code)]


def test_command_runs_with_the_site() -> None:
    command = beside(
        "import http.client, os, sys",
        "connection = http.client.HTTPConnection(os.environ['ONRECORD_DEMO'], timeout=10)",
        "connection.request('GET', '/2025/mayor-race', headers={'Host': 'wire.example'})",
        "sys.exit(7 if connection.getresponse().status == 200 else 1)",
    )
    assert subprocess.run(command, cwd=ROOT, timeout=60).returncode == 7


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_is_forwarded_once(number: signal.Signals) -> None:
    command = beside(
        "import signal, sys, time",
        "seen = []",
        f"signal.signal({int(number)}, lambda *_: seen.append(1))",
        "print('up', flush=True)",
        "while not seen: time.sleep(0.02)",
        "time.sleep(0.3)",
        "sys.exit(40 + len(seen))",
    )
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        process.send_signal(number)
        assert process.wait(timeout=30) == 41


def test_serves_until_ctrl_c() -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "tests.site"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout
        assert b"127.0.0.1:" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=30) == 0


def test_missing_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.site", "no-such-command"], cwd=ROOT, capture_output=True, timeout=60
    )
    assert done.returncode == 127
    assert b"Cannot run no-such-command" in done.stderr
