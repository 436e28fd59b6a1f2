"""Tests of TDM reservations: always recorded, obeyed if configured."""

import json
import time

import pytest

from tests.support.http_server import Behaviour, Fetch, Server, respond, slow
from transforms.fetch import NoPage
from transforms.fetch.politeness.tdm_reservation import WELL_KNOWN, Head, Reservations, read_head, reserved_by_headers
from transforms.schema.records import Page

HEADERS: list[tuple[list[tuple[str, str]], bool | None]] = [
    ([], None),
    ([("X-Robots-Tag", "noai")], True),
    ([("x-robots-tag", "noindex, NoAI")], True),
    ([("X-Robots-Tag", "noindex"), ("X-Robots-Tag", "noai")], True),
    ([("X-Robots-Tag", "noindex, noimageai, nofollow")], None),
    ([("X-Robots-Tag", "onrecord: noindex, noai")], True),
    ([("X-Robots-Tag", "otherbot: noindex, noai")], None),
    ([("X-Robots-Tag", "max-snippet: 5, noai")], True),
    ([("X-Robots-Tag", "noainoai")], None),
    ([("TDM-Reservation", " 1 ")], True),
    ([("tdm-reservation", "0")], False),
    ([("tdm-reservation", "yes")], None),
    ([("tdm-reservation", "0"), ("X-Robots-Tag", "noai")], True),
]


@pytest.mark.parametrize(("headers", "expected"), HEADERS)
def test_headers(headers: list[tuple[str, str]], expected: bool | None) -> None:
    class Pairs(dict[str, str]):
        def items(self) -> list[tuple[str, str]]:  # type: ignore[override]
            return headers

    assert reserved_by_headers(Pairs(), "onrecord") is expected


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (b"<meta name=robots content='noindex, noai'>", True),
        (b"<META CONTENT=noai NAME=Robots>", True),
        (b"<meta name=onrecord content=noai>", True),
        (b"<meta name=otherbot content=noai>", None),
        (b"<meta name=tdm-reservation content=1>", True),
        (b"<meta name=tdm-reservation content=0>", False),
        (b"<meta name=description content='noai, they say'>", None),
        (b"<!-- <meta name=robots content=noai> -->", None),
        (b"noai", None),
        (b"<!-- noai", None),
        (b"\xff\xfe<\x00noai \x00", None),
        (b" " * 70_000 + b"<meta name=robots content=noai>", None),
    ],
)
def test_meta_tags(html: bytes, expected: bool | None) -> None:
    assert read_head(html, "onrecord").reserved is expected


@pytest.mark.parametrize(
    ("content", "target"),
    [
        ("0;url=/real", "/real"),
        ("0; URL='/real'", "/real"),
        ("3,/real", "/real"),
        ("0.5 ; url = http://b.example/?a=1;b=2", "http://b.example/?a=1;b=2"),
        ("0", None),
        ("0;url=", None),
        ("60;url=/real", None),
        ("soon;url=/real", None),
    ],
)
def test_refresh(content: str, target: str | None) -> None:
    assert read_head(f'<meta http-equiv="Refresh" content="{content}">'.encode(), "x") == Head(None, target)


@pytest.mark.parametrize("piece", [b"<!--", b"<meta http-equiv=", b"<div>", b"<noscript>", b"<meta name='"])
def test_hostile_head_is_read_quickly(piece: bytes) -> None:
    began = time.monotonic()
    read_head(b"noai" + piece * 2**18, "onrecord")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(
    ("location", "path", "matches"),
    [
        ("/", "/a/b", True),
        ("/a", "/ab", True),
        ("/a/", "/ab", False),
        ("/a$", "/a", True),
        ("/a$", "/ab", False),
        ("/*/news", "/en/news/1", True),
        ("/*/news$", "/en/news/1", False),
        ("/*.html$", "/a/b.html", True),
        ("/*.html$", "/a/b.html?x=1", False),
        ("/ab*ab$", "/ab", False),
        ("*", "/a", True),
        ("/*$", "/a", True),
        ("", "/a", True),
        ("/b", "/a", False),
    ],
)
def test_locations(location: str, path: str, matches: bool) -> None:
    rules = Reservations.parse(json.dumps([{"location": location, "tdm-reservation": 1}]).encode())
    assert rules.reserved(f"https://news.example{path}") is (True if matches else None)


def test_first_matching_rule_applies() -> None:
    rules = Reservations.parse(
        b'[{"location": "/open/", "tdm-reservation": 0}, 7, {"location": 1}, {"location": "/", "tdm-reservation": "1"}]'
    )
    assert rules.reserved("https://news.example/open/a") is False
    assert rules.reserved("https://news.example/a") is True


@pytest.mark.parametrize("body", [b"", b"{}", b"null", b"<html>", b"\xff", b"[" * 100_000, b'["a"]'])
def test_other_contents_are_ignored(body: bytes) -> None:
    assert Reservations.parse(body).reserved("https://news.example/a") is None


SAYS: list[tuple[str, Behaviour]] = [
    ("header", respond(headers={"X-Robots-Tag": "noai"})),
    ("tdm header", respond(headers={"TDM-Reservation": "1"})),
    ("robots meta", respond(body=b"<html><meta name=robots content=noai><p>Text</html>")),
    ("tdm meta", respond(body=b"<html><meta name=tdm-reservation content=1><p>Text</html>")),
]


@pytest.mark.parametrize("behaviour", [s[1] for s in SAYS], ids=[s[0] for s in SAYS])
def test_recorded_and_obeyed(server: Server, fetch: Fetch, behaviour: Behaviour) -> None:
    server.on("/a", behaviour)
    (page,) = fetch("/a")
    assert isinstance(page, Page)
    assert page.tdm_reserved is True
    assert server.paths() == ["/robots.txt", "/a"]  # the well-known file is not requested
    (result,) = fetch("/a", obey_opt_outs=True)
    assert isinstance(result, NoPage)
    assert (result.fetch.outcome, result.fetch.reason, result.fetch.retriable) == ("skipped", "opted_out", False)
    assert result.failure is None


def test_page_without_reservation(server: Server, fetch: Fetch) -> None:
    server.on("/b", respond(headers={"TDM-Reservation": "0"}))
    silent, open_ = sorted(fetch("/a", "/b", obey_opt_outs=True), key=lambda r: r.fetch.url)
    assert isinstance(silent, Page) and isinstance(open_, Page)
    assert silent.tdm_reserved is None
    assert open_.tdm_reserved is False


def _file(*rules: tuple[str, int]) -> Behaviour:
    body = json.dumps([{"location": location, "tdm-reservation": value} for location, value in rules]).encode()
    return respond(body=body, headers={"Content-Type": "application/json"})


def test_well_known_file_is_requested_once_per_host(server: Server, fetch: Fetch) -> None:
    server.on(WELL_KNOWN, _file(("/closed/", 1), ("/open", 0)))
    results = fetch("/closed/1", "/closed/2", "/open", obey_opt_outs=True)
    assert sorted(str(r.fetch.reason) for r in results) == ["None", "opted_out", "opted_out"]
    assert [r.tdm_reserved for r in results if isinstance(r, Page)] == [False]
    assert server.paths() == ["/robots.txt", WELL_KNOWN, "/open"]


@pytest.mark.parametrize("behaviour", [respond(404), respond(403), respond(body=b"x" * 600_000), respond(302)])
def test_missing_well_known_file(server: Server, fetch: Fetch, behaviour: Behaviour) -> None:
    server.on(WELL_KNOWN, behaviour)
    (page,) = fetch("/a", obey_opt_outs=True)
    assert isinstance(page, Page)


@pytest.mark.parametrize(("behaviour", "reason"), [(respond(503), "http_5xx"), (slow(2), "timeout")])
def test_unreachable_well_known_file_is_requested_again(
    server: Server, fetch: Fetch, behaviour: Behaviour, reason: str
) -> None:
    server.on(WELL_KNOWN, behaviour)
    results = fetch("/a", "/b", obey_opt_outs=True, max_attempts=2, first_byte_timeout=0.2)
    assert {(r.fetch.outcome, r.fetch.reason, r.fetch.retriable) for r in results} == {("failed", reason, True)}
    assert server.paths() == ["/robots.txt", WELL_KNOWN, WELL_KNOWN]


def test_robots_txt_disallows_the_well_known_file(server: Server, fetch: Fetch) -> None:
    rules = b"User-agent: *\nDisallow: /.well-known/"
    server.on("/robots.txt", respond(body=rules, headers={"Content-Type": "text/plain"}))
    (page,) = fetch("/a", obey_opt_outs=True)
    assert isinstance(page, Page)
    assert server.paths() == ["/robots.txt", "/a"]
