"""Tests of TLS verification with the system's authorities or those in SSL_CERT_FILE."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.authority import Authority
from tests.support.http_server import PAGE, Server
from transforms.fetch import FetchConfig, NoPage, fetch_pages
from transforms.schema.records import Page
from transforms.schema.urls import request_of


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def _fetch(server: Server) -> Page | NoPage:
    config = FetchConfig(
        resolve={"*.example": f"127.0.0.1:{server.port}"},
        allow_private_hosts=("*.example",),
        obey_robots=False,
        max_attempts=1,
    )
    (result,) = fetch_pages([request_of("https://news.example/a", "urls")], config)
    return result


def test_valid_certificate(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with Server(authority.context("news.example")) as server:
        result = _fetch(server)
    assert isinstance(result, Page)
    assert result.body == PAGE


BAD: dict[str, tuple[Callable[[Authority], object], str]] = {
    "expired": (lambda a: a.context("news.example", expired=True), "certificate has expired"),
    "wrong host": (lambda a: a.context("other.example"), "Hostname mismatch"),
    "self-signed": (lambda a: a.context("news.example", self_signed=True), "self-signed certificate"),
}


@pytest.mark.parametrize("kind", BAD)
def test_invalid_certificate(kind: str, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    make, message = BAD[kind]
    with Server(make(authority)) as server:  # type: ignore[arg-type]
        result = _fetch(server)
        assert server.log == []
    assert isinstance(result, NoPage)
    assert (result.fetch.outcome, result.fetch.reason, result.fetch.retriable) == ("failed", "tls", True)
    assert result.failure is not None
    assert message.replace("-", " ") in result.failure.message.replace("-", " ")


def test_unknown_authority(authority: Authority) -> None:
    with Server(authority.context("news.example")) as server:
        assert _fetch(server).fetch.reason == "tls"
