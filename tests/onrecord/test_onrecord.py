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


@pytest.mark.parametrize("name", ["pipeline", "transforms"])
@pytest.mark.parametrize("form", ["__init__.py", ""], ids=["package", "module"])
def test_shadowed_package_is_named(name: str, form: str, tmp_path: Path) -> None:
    own = tmp_path / name / form if form else tmp_path / f"{name}.py"
    own.parent.mkdir(exist_ok=True)
    own.write_text("")
    run = subprocess.run([sys.executable, "-m", "onrecord", "schema"], cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == (
        f"onrecord: {own} shadows the package {name} of Onrecord: rename it, or start Python in another folder and "
        "without it in PYTHONPATH\n"
    )
    if name == "transforms":
        code = "import onrecord; onrecord.annotate"
        used = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
        assert used.stderr.splitlines()[-1].startswith(f"ImportError: {own} shadows the package transforms")


def test_folder_without_python_files_shadows_nothing(tmp_path: Path) -> None:
    (tmp_path / "pipeline").mkdir()
    run = subprocess.run([sys.executable, "-m", "onrecord", "--help"], cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
