"""Tests of the settings of the fetch stage."""

import pytest
from pydantic import ValidationError

from transforms.fetch.config import FetchConfig, split_target


@pytest.mark.parametrize(
    ("agent", "name"),
    [("News_Bot-X/2.1 (+https://example.org)", "news_bot-x"), ("Reader", "reader"), ("Reader for tests", "reader")],
)
def test_robots_agent(agent: str, name: str) -> None:
    assert FetchConfig(user_agent=agent).robots_token == name


@pytest.mark.parametrize(
    "field",
    [
        {"user_agent": ""},
        {"user_agent": "2fast/1.0"},
        {"user_agent": "bot/1.0\r\nX: y"},
        {"delay_seconds": -1},
        {"max_attempts": 0},
        {"allowed_ports": [0]},
        {"allowed_ports": [70000]},
        {"resolve": {"a.example": "b.example"}},
        {"resolve": {"a.example": "127.0.0.1:0"}},
        {"resolve": {"a.example": "::1:x"}},
        {"headers": {"a.example": {"X Y": "z"}}},
        {"headers": {"a.example": {"X": "y\r\nZ: 1"}}},
        {"dely_seconds": 1},
    ],
    ids=str,
)
def test_invalid_settings(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FetchConfig.model_validate(field)


def test_targets() -> None:
    assert split_target("127.0.0.1") == ("127.0.0.1", None)
    assert split_target("127.0.0.1:8080") == ("127.0.0.1", 8080)
    assert split_target("::1") == ("::1", None)
    assert split_target("[::1]:81") == ("::1", 81)


def test_headers_are_not_in_repr() -> None:
    config = FetchConfig.model_validate({"headers": {"news.example": {"X-Key": "hush-hush"}}})
    assert "hush" not in repr(config)
    assert "hush" not in config.model_dump_json()
