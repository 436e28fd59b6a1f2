"""Tests of the wheel: its contents and its types."""

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("onrecord", "pipeline", "transforms")

PROGRAM = """\
from onrecord import Annotation, ExtractConfig, Rejected, annotate, extract_article

article = extract_article(b"<p>...", "https://news.example/", config=ExtractConfig(min_words=50))
said: Annotation = annotate(article.text, title=article.title)
names: list[str | None] = [quote.speaker_name for quote in said.quotes]
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def user(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python of an environment with the wheel and without other typed packages."""
    folder = tmp_path_factory.mktemp("user")
    venv.create(folder, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    return folder / "bin" / "python"


def test_wheel_contains_all_files(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        shipped = set(archive.namelist())
    files = (p for package in PACKAGES for p in ROOT.joinpath(package).rglob("*.*") if p.is_file())
    ours = {p.relative_to(ROOT).as_posix() for p in files}
    assert {name for name in ours if "__pycache__" not in name} <= shipped
    for name in (
        "onrecord/beam-providers.yaml",
        "onrecord/py.typed",
        "pipeline/demo/demo.yaml",
        "pipeline/demo/pages/wire.example/template.html",
        "pipeline/lake/query/views/quotes_latest.sql",
        "transforms/annotate/model/onrecord.onnx",
    ):
        assert name in shipped
    assert not [name for name in shipped if name.startswith(("tests/", "training/")) or name.endswith(".pyc")]


def test_type_checker_uses_the_package_types(user: Path, tmp_path: Path) -> None:
    source = tmp_path / "program.py"
    source.write_text(f"{PROGRAM}wrong: int = said\n")
    command = [sys.executable, "-m", "mypy", "--strict", f"--python-executable={user}", f"--cache-dir={os.devnull}"]
    said = subprocess.run([*command, source], cwd=tmp_path, capture_output=True, text=True).stdout
    (error, count) = said.splitlines()
    assert 'program.py:6: error: Incompatible types in assignment (expression has type "Annotation"' in error
    assert count.startswith("Found 1 error in 1 file")


def test_the_installed_wheel_annotates(user: Path) -> None:
    names = "[quote.speaker_name for quote in onrecord.annotate('“No,” said Rosa Tiller.').quotes]"
    command: list[str | Path] = [user, "-c", f"import onrecord; print(onrecord.__file__, {names})"]
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    said = subprocess.run(command, env=environment, cwd=user.parent, capture_output=True, text=True, check=True).stdout
    file, found = said.split(maxsplit=1)
    assert Path(file).is_relative_to(user.parents[1])
    assert found == "['Rosa Tiller']\n"


def test_the_installed_wheel_serves_the_demo(user: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    command: list[str | Path] = [user, "-m", "onrecord", "demo"]
    with subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline().startswith("Serving brindle-post.example, ")
        assert process.stdout.readline() == "Wrote demo.yaml and demo-urls.txt.\n"
        process.terminate()
        assert process.wait(30) == 0
