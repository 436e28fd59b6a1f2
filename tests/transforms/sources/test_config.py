"""The sources' settings."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from transforms.sources import FeedsSource, Source, UrlsSource

SOURCES: TypeAdapter[Any] = TypeAdapter(Source)


def test_the_type_decides() -> None:
    urls = SOURCES.validate_python({"type": "urls", "path": ["a.csv", "gs://b/*.txt"], "column": "link"})
    assert urls == UrlsSource(path=("a.csv", "gs://b/*.txt"), column="link")
    assert urls.patterns == ("a.csv", "gs://b/*.txt")
    feeds = SOURCES.validate_python({"type": "feeds", "urls": ["https://a.example/feed"], "path": "feeds.txt"})
    assert feeds == FeedsSource(urls=("https://a.example/feed",), path="feeds.txt")
    assert feeds.patterns == ("feeds.txt",)
    assert FeedsSource(urls=("https://a.example/feed",)).patterns == ()


@pytest.mark.parametrize(
    "value",
    [
        {"type": "feeds"},
        {"type": "urls"},
        {"type": "urls", "path": "a", "fromat": "csv"},
        {"type": "urls", "path": "a", "format": "xml"},
        {"type": "rss", "path": "a"},
        {"path": "a"},
    ],
)
def test_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SOURCES.validate_python(value)
