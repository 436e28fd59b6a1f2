"""Tests of the Dockerfile without a container engine: linter, contents and entry point.

`make test-image` runs its installation in a clean folder.
"""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "deploy" / "docker"
BIN = Path(sys.executable).parent


def dockerfile() -> DockerfileParser:
    return DockerfileParser(fileobj=io.BytesIO(DOCKER.joinpath("Dockerfile").read_bytes()))


def pins(name: str) -> dict[str, str]:
    """Packages pinned by a lock file, without those for some Python versions only."""
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+) \\$", ROOT.joinpath(name).read_text(), re.MULTILINE))


def test_linter_reports_nothing() -> None:
    result = subprocess.run([BIN / "hadolint", "--no-color", DOCKER / "Dockerfile"], capture_output=True, text=True)
    assert (result.returncode, result.stdout) == (0, "")


def test_two_stages_and_user() -> None:
    recipe = dockerfile()
    assert recipe.is_multistage
    assert recipe.baseimage == "python:3.11-slim-bookworm"
    *_, user = [step["value"] for step in recipe.structure if step["instruction"] == "USER"]
    assert user == "1000"
    last = max(n for n, step in enumerate(recipe.structure) if step["instruction"] == "FROM")
    assert not [s for s in recipe.structure[last:] if s["instruction"] == "RUN" and "pip" in s["value"]]


def test_versions_of_beam_and_python() -> None:
    images = re.findall(r"^FROM (\S+)", DOCKER.joinpath("Dockerfile").read_text(), re.MULTILINE)
    assert f"apache/beam_python3.11_sdk:{pins('requirements-dataflow.txt')['apache-beam']}" in images
    assert {re.sub(r"\D*3\.?(\d+).*", r"3.\1", image.partition("python")[2]) for image in images} == {"3.11"}


def test_image_uses_the_lock_file() -> None:
    tested, shipped = pins("requirements.txt"), pins("requirements-dataflow.txt")
    assert {name: shipped.get(name) for name in tested} == tested


def test_copied_files_exist() -> None:
    copied = [
        path
        for step in dockerfile().structure
        if step["instruction"] == "COPY" and not step["value"].startswith("--from")
        for path in step["value"].split()[:-1]
    ]
    kept = [line[1:] for line in ROOT.joinpath(".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert len(copied) > 5
    for path in copied:
        assert ROOT.joinpath(path).exists(), path
        assert path.split("/")[0] in kept, path


@pytest.mark.parametrize(
    ("arguments", "program"),
    [
        (["--id=1-1", "--provision_endpoint=localhost:1"], "boot"),
        (["--logging_endpoint=localhost:1", "--id", "1-1"], "boot"),
        (["--worker_pool"], "boot"),
        (["--help"], "onrecord"),
        (["run", "configs/demo.yaml", "--run-id", "demo"], "onrecord"),
        (["query", "select 'a  b'"], "onrecord"),
    ],
)
def test_entry_point_selects_the_program(arguments: list[str], program: str, tmp_path: Path) -> None:
    for name in ("boot", "onrecord"):
        fake = tmp_path / name
        fake.write_text(f'#!/bin/sh\nprintf "{name}|"; printf "%s|" "$@"\n')
        fake.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "BEAM_BOOT": str(tmp_path / "boot")}
    result = subprocess.run(
        [DOCKER / "entrypoint.sh", *arguments], env=environment, capture_output=True, text=True, check=True
    )
    assert result.stdout == "|".join([program, *arguments, ""])


@pytest.mark.parametrize(("argument", "threads"), [("--worker_pool", "1"), ("--help", None)])
def test_the_entry_point_sets_allocators_and_threads(argument: str, threads: str | None, tmp_path: Path) -> None:
    for name in ("boot", "onrecord"):
        fake = tmp_path / name
        fake.write_text("#!/bin/sh\nexec env\n")
        fake.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "BEAM_BOOT": str(tmp_path / "boot"), "MALLOC_ARENA_MAX": "2"}
    command = [str(DOCKER / "entrypoint.sh"), argument]
    lines = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    found = dict(line.split("=", 1) for line in lines)
    assert found["ARROW_DEFAULT_MEMORY_POOL"] == "system"
    assert found["MALLOC_MMAP_THRESHOLD_"] == found["MALLOC_TRIM_THRESHOLD_"] == str(128 * 1024)
    assert found["MALLOC_ARENA_MAX"] == "2", "a value of the user is kept"
    assert found.get("OMP_NUM_THREADS") == threads
