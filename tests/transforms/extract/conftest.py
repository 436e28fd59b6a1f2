"""A small page to put things into."""

from collections.abc import Callable

import pytest

from tests.support.pages import PARAGRAPHS

Page = Callable[..., str]


@pytest.fixture
def page() -> Page:
    """Makes a page: ``page(body=..., head=..., lang=...)``; the body is three paragraphs unless one is given."""

    def make(body: str | None = None, head: str = "", lang: str = "en") -> str:
        paragraphs = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)
        article = f"<article><h1>Bridge closed to lorries</h1>{paragraphs if body is None else body}</article>"
        return (
            f'<!DOCTYPE html><html lang="{lang}"><head><title>Bridge closed to lorries</title>{head}</head>'
            f"<body>{article}</body></html>"
        )

    return make
