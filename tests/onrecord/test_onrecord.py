"""Public names of the package."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import onrecord


def test_public_names_exist_and_have_docstrings() -> None:
    for name in onrecord.__all__:
        assert getattr(onrecord, name).__doc__, name


def test_documentation_lists_all_public_names() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "python.md").read_text()
    assert re.findall(r"`(\w+)`", page.partition("## All names")[2])[1:] == onrecord.__all__


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="onrecord has no attribute 'annotat'; its names are ListUrls"):
        _ = onrecord.annotat


def test_import_does_not_load_beam() -> None:
    heavy = "{'apache_beam', 'trafilatura', 'aiohttp'}"
    code = f"import sys, onrecord; onrecord.Reason; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_docstring_example() -> None:
    quotes = onrecord.annotate('"It will rain," said Rosa Tiller.').quotes
    assert [quote.speaker_name for quote in quotes] == ["Rosa Tiller"]
