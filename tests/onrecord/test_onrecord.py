"""The public names."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import onrecord


def test_every_public_name_is_there_and_documented() -> None:
    assert set(onrecord.__all__) == set(onrecord._HOME_OF)
    for name in onrecord.__all__:
        assert getattr(onrecord, name).__doc__, name


def test_the_documented_names_are_all_and_no_others() -> None:
    page = Path(__file__).parents[2].joinpath("docs", "python.md").read_text()
    assert re.findall(r"`(\w+)`", page.partition("## All names")[2])[1:] == onrecord.__all__


def test_an_unknown_name_is_said() -> None:
    with pytest.raises(AttributeError, match="onrecord has no 'annotat'; its names are ListUrls"):
        _ = onrecord.annotat


def test_importing_is_cheap_and_imports_no_beam() -> None:
    heavy = "{'apache_beam', 'trafilatura', 'aiohttp'}"
    code = f"import sys, onrecord; onrecord.Reason; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_docstrings_example_holds() -> None:
    quotes = onrecord.annotate('"It will rain," said Rosa Tiller.').quotes
    assert [quote.speaker_name for quote in quotes] == ["Rosa Tiller"]
