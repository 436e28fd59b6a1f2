"""Fixtures: a misbehaving server, and functions that fetch from it under ``.example`` names."""

from collections.abc import Callable, Iterator

import pytest

from tests.support.http_server import Fetch, Server
from transforms.fetch import ARTICLE_TYPES, FetchConfig, NoPage, fetch_pages
from transforms.schema.records import Page
from transforms.schema.urls import request_of


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        yield running


@pytest.fixture
def config(server: Server) -> Callable[..., FetchConfig]:
    """Return a function that creates a configuration for the server, by default without waits."""

    def make(**fields: object) -> FetchConfig:
        known: dict[str, object] = {
            "delay_seconds": 0,
            "backoff_seconds": 0,
            "resolve": {"*.example": f"127.0.0.1:{server.port}"},
            "allow_private_hosts": ("*.example",),
        }
        return FetchConfig.model_validate({**known, **fields})

    return make


@pytest.fixture
def fetch(config: Callable[..., FetchConfig]) -> Fetch:
    """Return a function that fetches URLs; a path alone belongs to ``http://news.example``."""

    def run(*urls: str, accept: frozenset[str] = ARTICLE_TYPES, **fields: object) -> list[Page | NoPage]:
        full = [f"http://news.example{url}" if url.startswith("/") else url for url in urls]
        return list(fetch_pages([request_of(url, "urls") for url in full], config(**fields), accept))

    return run
