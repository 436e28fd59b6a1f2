"""Tests of robots.txt: the public cases, and parts of RFC 9309 that they do not cover."""

from typing import Any

import pytest

from tests.support.records import load_cases
from transforms.fetch.politeness.robots import MAX_BYTES, RobotsRules
from transforms.schema.failures import Reason, Rejected


@pytest.mark.parametrize("case", load_cases("robots"), ids=lambda case: str(case["id"]))
def test_case(case: dict[str, Any]) -> None:
    given, expected = case["input"], case["expected"]
    if given["status"] is None or given["status"] >= 500:
        # An unreachable file is tested in test_fetcher.py with sockets.
        with pytest.raises(Rejected) as caught:
            RobotsRules.parse(given["robots_txt"].encode(), given["status"] or 599, given["agent"])
        assert caught.value.reason is Reason.ROBOTS_UNREACHABLE
        assert not expected["allowed"]
        return
    rules = RobotsRules.parse(given["robots_txt"].encode(), given["status"], given["agent"])
    assert rules.allowed(given["url"]) == expected["allowed"]
    assert rules.delay == expected["delay"]


def _allowed(text: str, path: str = "/a") -> bool:
    return RobotsRules.parse(text.encode(), 200, "onrecord").allowed(f"https://www.example.org{path}")


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        ("User-agent: onrecord\nDisallow: /", False),
        ("User-agent: Onrecord/1.2 (news)\nDisallow: /", False),
        ("User-agent: on\nDisallow: /", True),
        ("User-agent: record\nDisallow: /", True),
        ("User-agent: onrecord-images\nDisallow: /", True),
        ("User-agent: *\nDisallow: /\n\nUser-agent: onrecord\nDisallow: /b", True),
        ("User-agent: other\nDisallow: /\n\nUser-agent: *\nAllow: /", True),
        ("user-agent:*\r\ndisallow:/\r\n", False),
        ("User-agent: *\rDisallow: /\r", False),
        ("", True),
        ("<html><body>Welcome</body></html>", True),
        ("\x00\xff\x00", True),
    ],
)
def test_user_agent_groups(text: str, allowed: bool) -> None:
    assert _allowed(text) == allowed


def test_statuses() -> None:
    for status in (400, 401, 403, 404, 410):
        assert RobotsRules.parse(b"User-agent: *\nDisallow: /", status, "onrecord").allowed("https://example.org/a")
    for status in (302, 304, 429, 500, 503, 599):
        with pytest.raises(Rejected):
            RobotsRules.parse(b"", status, "onrecord")


def test_size_limit() -> None:
    comment = "# " + "x" * 97 + "\n"
    head = comment * (MAX_BYTES // len(comment))
    assert _allowed(head + "User-agent: *\nDisallow: /\n")
    assert not _allowed("User-agent: *\nDisallow: /\n" + head * 2)


def test_truncated_rule_is_ignored() -> None:
    head = "User-agent: *\n# "
    cut = "\nDisallow: /a"
    text = head + "x" * (MAX_BYTES - len(head) - len(cut)) + cut + "bc/only\n"
    assert _allowed(text, "/abd")


@pytest.mark.parametrize(
    ("lines", "delay"),
    [
        ("Crawl-delay: 7", 7.0),
        ("Crawl-delay: 0.5", 0.5),
        ("Request-rate: 1/20", 20.0),
        ("Request-rate: 30/1m", 2.0),
        ("Crawl-delay: 3\nRequest-rate: 1/5", 5.0),
        ("Crawl-delay: -1", None),
        ("Crawl-delay: inf", None),
    ],
)
def test_delay(lines: str, delay: float | None) -> None:
    assert RobotsRules.parse(f"User-agent: *\n{lines}\n".encode(), 200, "onrecord").delay == delay
    assert RobotsRules.parse(f"User-agent: other\n{lines}\n".encode(), 200, "onrecord").delay is None
