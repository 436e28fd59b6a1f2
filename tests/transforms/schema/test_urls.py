"""Addresses: the public cases, and the spellings that one page has."""

from datetime import datetime, timezone
from typing import Any

import pytest

from tests.support.records import load_cases
from transforms.schema.failures import Reason, Rejected
from transforms.schema.urls import (
    MAX_LENGTH,
    canonical_url,
    domain_of,
    host_of,
    normal_url,
    request_of,
    resolve,
    site_of,
    url_id,
)


@pytest.mark.parametrize("case", load_cases("urls"), ids=lambda case: str(case["id"]))
def test_case(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    if given["op"] == "same":
        same = url_id(canonical_url(given["a"])) == url_id(canonical_url(given["b"]))
        assert same == expected["same"]
    elif given["op"] == "canonical":
        assert canonical_url(given["url"]) == expected["canonical"]
    elif given["op"] == "resolve":
        assert resolve(given["base"], given["href"]) == expected["url"]
    else:
        assert host_of(given["url"]) == expected["host"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("  \ufeffhttp://Example.ORG\n", "http://example.org/"),
        ("http://example.org:80/a", "http://example.org/a"),
        ("http://example.org:443/a", "http://example.org:443/a"),
        ("https://example.org./a", "https://example.org/a"),
        ("https://bücher.example/ß?q=ü", "https://xn--bcher-kva.example/%C3%9F?q=%C3%BC"),
        ("https://straße.example/", "https://xn--strae-oqa.example/"),
        ("https://example.org/a%2fb/%2e%2e/%7ec", "https://example.org/~c"),
        ("https://example.org/100%/a%zz", "https://example.org/100%25/a%25zz"),
        ("https://example.org/../../a/.", "https://example.org/a/"),
        ("https://example.org//a//b", "https://example.org//a//b"),
        ("https://example.org\\a\\b?x=\\", "https://example.org/a/b?x=%5C"),
        ("https://example.org\\@evil.example/", "https://example.org/@evil.example/"),
        ("https://example.org/?b=2&UTM_Source=x&a=1&fbclid=3&a=0", "https://example.org/?b=2&a=1&a=0"),
        ("https://example.org/?utm_source=x", "https://example.org/"),
        ("https://example.org/?a=1&amp;amp;b=2&#38;c=3&#x26;d=4", "https://example.org/?a=1&b=2&c=3&d=4"),
        ("https://example.org/?a=1&copy=2&lt=3", "https://example.org/?a=1&copy=2&lt=3"),
        ("https://example.org/a b?c d+e", "https://example.org/a%20b?c%20d+e"),
        ("https://example.org?x=1", "https://example.org/?x=1"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://１２７.0.0.1/", "http://127.0.0.1/"),
        ("http://[0:0::1]:8080/", "http://[::1]:8080/"),
        ("http://ex%61mple.org/", "http://example.org/"),
    ],
)
def test_canonical(raw: str, expected: str) -> None:
    assert canonical_url(raw) == expected
    assert canonical_url(expected) == expected


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "example.org/a",
        "//example.org/a",
        "ftp://example.org/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "mailto:rosa@example.org",
        "http://",
        "http:///a",
        "https://?a",
        "http://rosa@example.org/",
        "http://rosa:tiller@example.org/",
        "http://exa mple.org/",
        "http://exam\nple.org/",
        "http://example.org/a\x00b",
        "http://example.org/\ud800",
        "http://example.org/\ufffd",
        "http://example.org:99999/",
        "http://example.org:0/",
        "http://example.org:x/",
        "http://[::1",
        "http://[fe80::1%25eth0]/",
        "http://256.1.1.1/",
        "http://1.2.3.4.5/",
        "http://09.1.1.1/",
        "http://a..b/",
        "http://-a.example/",
        f"http://{'a' * 64}.example/",
        f"http://{'ü' * 300}.example/",
        "http://example.org/" + "a" * MAX_LENGTH,
        "http://example.org/" + "ü" * (MAX_LENGTH // 3),
    ],
)
def test_no_address(raw: str) -> None:
    with pytest.raises(Rejected) as caught:
        canonical_url(raw)
    assert caught.value.reason is Reason.INVALID_URL
    assert caught.value.message.endswith(".")


def test_normal_url_keeps_the_query() -> None:
    assert normal_url("HTTP://example.org/?utm_source=x#a") == "http://example.org/?utm_source=x"


def test_id() -> None:
    page = url_id("https://www.example.org/a?x=1&y=2")
    assert page == url_id("http://example.org/a?y=2&x=1")
    assert page != url_id("https://www.example.org/A?x=1&y=2")
    assert page != url_id("https://www.example.org:8443/a?x=1&y=2")
    assert url_id("https://example.org/?x=1&x=2") != url_id("https://example.org/?x=2&x=1")
    assert url_id("http://www.example/") != url_id("http://example/")
    assert url_id("http://rosa:x@example.org/") != url_id("http://example.org/")
    assert len(url_id("no address")) == 32


def test_hosts() -> None:
    assert host_of("HTTPS://Example.org:443/a") == "example.org"
    assert host_of("https://example.org:8443/a") == "example.org:8443"
    assert host_of("http://rosa@evil.example/@example.org") == "evil.example"
    assert host_of("http://[::1]:81/") == "[::1]:81"
    assert host_of("no address") == ""
    assert site_of("http://www.example.org:81/") == site_of("https://example.org/") == "example.org"
    assert site_of("") == ""


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://www.example.org/", "example.org"),
        ("https://a.b.example.co.uk/", "example.co.uk"),
        ("http://www.harbour.example/", "harbour.example"),
        ("http://localhost/", "localhost"),
        ("http://127.0.0.1:81/", "127.0.0.1"),
        ("http://[2001:db8::1]/", "2001:db8::1"),
        ("http://co.uk/", "co.uk"),
        ("no address", ""),
    ],
)
def test_domain(url: str, domain: str) -> None:
    assert domain_of(url) == domain


def test_resolve_refuses_what_is_no_link() -> None:
    with pytest.raises(Rejected):
        resolve("https://example.org/", "http://[::1")


def test_request() -> None:
    when = datetime(2026, 1, 2, tzinfo=timezone.utc)
    request = request_of(" https://Example.org/a?utm_medium=rss ", "feed", title="Ferry cut", published_at=when)
    assert (request.url, request.source, request.title) == ("https://example.org/a", "feed", "Ferry cut")
    assert request.published_at == when
    assert request.article_id == url_id("https://example.org/a")


def test_a_listing_is_not_the_article_of_its_address() -> None:
    listing, article = (request_of("https://example.org/a", source) for source in ("listing", "feed"))
    assert listing.url == article.url
    assert listing.article_id != article.article_id


def test_request_of_no_address_keeps_its_text() -> None:
    request = request_of(" not a link\udcff ", "urls")
    assert request.url == "not a link?"
    assert request.article_id == request_of("not a link\udcff", "urls").article_id


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example/n/1;jsessionid=0AF3B2?page=2",
        "https://a.example/n/1?page=2&PHPSESSID=abc123",
        "https://a.example/n/1?ASPSESSIONIDQQ=x&page=2",
        "https://a.example/n/1;JSESSIONID=77.node1?page=2&CFID=1&CFTOKEN=2",
    ],
)
def test_session_ids_are_removed(url: str) -> None:
    assert canonical_url(url) == "https://a.example/n/1?page=2"
