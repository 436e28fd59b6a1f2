"""Install the wheel into an empty environment with pip, without the lock, and use it as a new user does.

Run by `make test-slow`, because each installation downloads some hundred megabytes.
"""

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = """<!DOCTYPE html><html lang=en><title>Mill turns again</title><article><h1>Mill turns again</h1>
<p>“We open on Monday,” said Rosa Tiller, who chairs the trust. The wheel of the old mill turned for an hour on Sunday,
and people stood in the rain to see it. The trust repaired it with the money of a lottery.</p></article></html>"""
OLDEST_PIP, NEWEST_PIP = "pip==23.2.1", "pip"
"""The pip that Python 3.11 carries, and the newest one."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module", params=[OLDEST_PIP, NEWEST_PIP])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of an environment with the wheel, and with what pip installs for it."""
    folder = tmp_path_factory.mktemp("user")
    run(folder, sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=True)
    commands = folder / "venv" / "bin"
    run(folder, f"{commands}/python", "-m", "pip", "install", "--quiet", "--upgrade", request.param)
    run(folder, f"{commands}/python", "-m", "pip", "install", "--quiet", str(wheel))
    return commands


def run(folder: Path, *command: str, cwd: Path | None = None) -> str:
    """Run a command in an empty folder, without the paths of this checkout; return its output."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=cwd or folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_show(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    printed = run(tmp_path, f"{installed}/onrecord", "show", "page.html")
    assert "Mill turns again" in printed
    assert "Rosa Tiller" in printed.splitlines()[-1]


def test_snippets_of_the_python_page(installed: Path, tmp_path: Path) -> None:
    page = ROOT.joinpath("docs", "python.md").read_text(encoding="utf-8").partition("## In Beam YAML")[0]
    program = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    expected = re.findall(r"print\(.*\)  # (.+)$", program, re.MULTILINE)
    assert len(expected) >= 5
    (tmp_path / "program.py").write_text(program, encoding="utf-8")
    assert sorted(run(tmp_path, f"{installed}/python", "program.py").splitlines()) == sorted(expected)
