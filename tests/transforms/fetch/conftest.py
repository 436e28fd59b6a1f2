"""A misbehaving server, and fetching from it under names that end in ``.example``."""

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
    """Makes a configuration that finds the server, without waits unless a test sets them."""

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
    """Fetches URLs; a path alone is one of ``http://news.example``."""

    def run(*urls: str, accept: frozenset[str] = ARTICLE_TYPES, **fields: object) -> list[Page | NoPage]:
        full = [f"http://news.example{url}" if url.startswith("/") else url for url in urls]
        return list(fetch_pages([request_of(url, "urls") for url in full], config(**fields), accept))

    return run
