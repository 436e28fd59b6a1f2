"""Every case of ``tests/cases/extract.jsonl`` and ``metadata.jsonl``, which come from public bug reports."""

from typing import Any

import pytest

from tests.support.extract_judge import wrong_metadata, wrong_text
from tests.support.records import load_cases
from transforms.extract import extract_line

KNOWN_MISSES: dict[str, str] = {
    "extract-p10": "digest: not yet",
    "extract-p18": "slides: not yet",
    "extract-p20": "date line: not yet",
    "extract-p22": "compressed: not yet",
}
"""Cases that are still wrong, by id, each with its reason."""


def _cases(name: str) -> list[Any]:
    return [
        pytest.param(
            case,
            id=case["id"],
            marks=[pytest.mark.xfail(reason=KNOWN_MISSES[case["id"]], strict=True)]
            if case["id"] in KNOWN_MISSES
            else [],
        )
        for case in load_cases(name)
    ]


@pytest.mark.parametrize("case", _cases("extract"))
def test_text(case: dict[str, Any]) -> None:
    answer = extract_line({"id": case["id"], **case["input"]})
    assert not wrong_text(case["expected"], answer["text"])
    assert bool(answer["text"]) != bool(answer.get("reason"))


@pytest.mark.parametrize("case", _cases("metadata"))
def test_metadata(case: dict[str, Any]) -> None:
    assert not wrong_metadata(case["expected"], extract_line({"id": case["id"], **case["input"]}))
