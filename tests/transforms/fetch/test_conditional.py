"""Tests of conditional requests with the validators of an earlier run."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.http_server import Server, respond
from transforms.fetch import FetchConfig, NoPage, fetch_pages
from transforms.schema.records import Page, UrlRequest
from transforms.schema.urls import request_of

Make = Callable[..., FetchConfig]
DATE = "Tue, 24 Jan 2017 05:35:45 GMT"


def known(url: str = "http://news.example/a", **fields: str | None) -> UrlRequest:
    about: dict[str, str | None] = {"etag": '"x1"', "last_modified": DATE, "text_hash": "ab", **fields}
    return replace(request_of(url, "urls"), **about)  # type: ignore[arg-type]


def test_not_modified(server: Server, config: Make) -> None:
    server.on("/a", respond(304, b"", {"Content-Length": "-"}))
    (result,) = fetch_pages([known()], config())
    assert isinstance(result, NoPage)
    row = result.fetch
    assert (row.outcome, row.reason, row.retriable, row.http_status) == ("not_modified", None, False, 304)
    assert (row.etag, row.last_modified, row.text_hash, row.attempts) == ('"x1"', DATE, "ab", 1)
    assert result.failure is None
    sent = {r.path: r.headers for r in server.log}
    assert (sent["/a"]["if-none-match"], sent["/a"]["if-modified-since"]) == ('"x1"', DATE)
    assert "if-none-match" not in sent["/robots.txt"]


def test_new_validators_replace_the_old(server: Server, config: Make) -> None:
    server.on("/a", respond(304, b"", {"Content-Length": "-", "ETag": '"x2"'}))
    (result,) = fetch_pages([known()], config())
    assert (result.fetch.etag, result.fetch.last_modified) == ('"x2"', DATE)


def test_changed_page(server: Server, config: Make) -> None:
    server.on("/a", respond(headers={"ETag": '"x2"'}))
    (result,) = fetch_pages([known()], config())
    assert isinstance(result, Page)
    assert (result.fetch.outcome, result.fetch.etag, result.fetch.last_modified) == ("ok", '"x2"', None)
    assert result.request.text_hash == "ab"


@pytest.mark.parametrize("etag", [None, "", 'x"\r\nX-Evil: 1', "é", "x" * 20_000])
def test_invalid_validators_are_not_sent(server: Server, config: Make, etag: str | None) -> None:
    server.on("/a", respond(304, b"", {"Content-Length": "-"}))
    (result,) = fetch_pages([known(etag=etag, last_modified=None)], config())
    assert (result.fetch.outcome, result.fetch.reason) == ("failed", "http_unexpected")
    assert not {"if-none-match", "if-modified-since", "x-evil"} & set(server.log[-1].headers)


def test_validators_follow_redirects_to_the_same_page_only(server: Server, config: Make) -> None:
    server.on("/a", respond(301, b"", {"Location": "http://www.news.example/a"}), host="news.example")
    server.on("/a", respond(301, b"", {"Location": "http://other.example/b"}), host="www.news.example")
    (result,) = fetch_pages([known()], config(obey_robots=False))
    assert isinstance(result, Page)
    assert ["if-none-match" in r.headers for r in server.log] == [True, True, False]


def test_304_of_another_page_fails(server: Server, config: Make) -> None:
    server.on("/a", respond(301, b"", {"Location": "/b"}))
    server.on("/b", respond(304, b"", {"Content-Length": "-"}))
    (result,) = fetch_pages([known()], config())
    assert (result.fetch.outcome, result.fetch.reason) == ("failed", "http_unexpected")


def test_validators_of_another_page_are_not_stored(server: Server, config: Make) -> None:
    server.on("/a", respond(301, b"", {"Location": "/b"}))
    server.on("/b", respond(headers={"ETag": '"b"', "Last-Modified": DATE}))
    (result,) = fetch_pages([request_of("http://news.example/a", "urls")], config())
    assert isinstance(result, Page)
    assert (result.fetch.etag, result.fetch.last_modified) == (None, None)
