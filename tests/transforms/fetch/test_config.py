"""The fetch stage's settings."""

import pytest
from pydantic import ValidationError

from transforms.fetch.config import FetchConfig, split_target


@pytest.mark.parametrize(
    ("agent", "name"),
    [("News_Bot-X/2.1 (+https://example.org)", "news_bot-x"), ("Reader", "reader"), ("Reader for tests", "reader")],
)
def test_robots_txt_is_read_for_the_product_s_name(agent: str, name: str) -> None:
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
def test_refused(field: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        FetchConfig.model_validate(field)


def test_targets() -> None:
    assert split_target("127.0.0.1") == ("127.0.0.1", None)
    assert split_target("127.0.0.1:8080") == ("127.0.0.1", 8080)
    assert split_target("::1") == ("::1", None)
    assert split_target("[::1]:81") == ("::1", 81)


def test_headers_are_never_printed() -> None:
    config = FetchConfig.model_validate({"headers": {"news.example": {"X-Key": "hush-hush"}}})
    assert "hush" not in repr(config)
    assert "hush" not in config.model_dump_json()
