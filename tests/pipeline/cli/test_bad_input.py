"""No input of any command ends in a traceback: empty, binary, huge and misplaced files and arguments."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from pipeline.cli.app import app
from tests.support.lakes import lake_of_version_1

FILES = ("empty", "binary", "huge", "folder", "missing", "null", "list", "csv", "page", "config", "lake")
TEXTS = ("", " ", ";", "x" * 200_000, "[", "-", "gs://", "http://", "‮", "'\"", "1" * 5000)
COMMANDS_OF_A_CONFIG = ("run", "stream", "reprocess", "check")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a file of each kind, and a lake."""
    made = tmp_path_factory.mktemp("inputs")
    (made / "empty").write_bytes(b"")
    (made / "binary").write_bytes(bytes(range(256)) * 40)
    (made / "huge").write_bytes(b"x" * 3_000_000)
    (made / "folder").mkdir()
    (made / "null").write_bytes(b"null\n")
    (made / "list").write_bytes(b"[1, {}]\n")
    (made / "csv").write_bytes("id;text\n1;é\n".encode("latin-1"))
    (made / "page").write_bytes(b"<html><p>A page</p></html>")
    config = {"name": "bad", "lake": str(made / "new"), "sources": [{"type": "urls", "path": str(made / "empty")}]}
    (made / "config").write_text(json.dumps(config))
    lake_of_version_1(made)
    return made


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    yield


def check_ends_well(*arguments: str, stdin: bytes = b"") -> None:
    """Check that a command ends with an exit code of the table, and with one sentence if it is not 0."""
    result = CliRunner().invoke(app, [*arguments], input=stdin)
    shown = f"{[a[:80] for a in arguments]}\n{result.output[-1500:]}"
    assert result.exception is None or isinstance(result.exception, SystemExit), f"{shown}\n{result.exception!r}"
    assert result.exit_code in (0, 1, 2), shown
    assert "Traceback" not in result.output, shown
    if result.exit_code:
        assert result.stderr.strip(), shown
        if not result.stderr.startswith("Usage:"):
            lines = [line for line in result.stderr.splitlines() if line]
            assert lines[0].startswith("onrecord: ") and len(result.stderr) < 1200, shown
            assert len(lines) == 1 or arguments[0] == "query", shown
        for internal in ("Errno", "pydantic", "duckdb.", "Exception", "object at 0x", "INTERNAL"):
            assert internal not in result.stderr, shown


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", COMMANDS_OF_A_CONFIG)
def test_file_instead_of_a_configuration(command: str, name: str, folder: Path) -> None:
    if (command, name) != ("stream", "config"):  # it would run without end
        check_ends_well(command, str(folder / name))


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("command", COMMANDS_OF_A_CONFIG)
def test_text_instead_of_a_configuration(command: str, text: str) -> None:
    check_ends_well(command, "--", text)


@pytest.mark.parametrize("option", ["--set", "--lake", "--date", "--run-id", "--workers"])
@pytest.mark.parametrize("text", TEXTS)
def test_options_of_a_run(option: str, text: str, folder: Path) -> None:
    check_ends_well("run", str(folder / "config"), f"{option}={text}")


SETTINGS = ("=", "a=b", "name=", "name=[]", "sources=1", "sources=[]", "fetch=3", "fetch.resolve=1", "fetch=", "lake=1")


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings(setting: str, folder: Path) -> None:
    check_ends_well("check", str(folder / "config"), "--set", setting)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["urls", "feeds", "sitemaps", "warc", "gazetteers"])
def test_file_of_a_source(kind: str, name: str, folder: Path, tmp_path: Path) -> None:
    path = str(folder / name)
    source = {
        "type": "urls" if kind == "gazetteers" else kind,
        "path": str(folder / "empty") if kind == "gazetteers" else path,
    }
    config: dict[str, Any] = {"name": "bad", "lake": str(tmp_path / "lake"), "sources": [source]}
    if kind == "gazetteers":
        config["annotate"] = {"gazetteers": [path]}
    (tmp_path / "bad.yaml").write_text(json.dumps(config))
    check_ends_well("check", "bad.yaml")
    if kind == "urls":
        check_ends_well("run", "bad.yaml", "--date", "2026-01-05", "--quiet")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", ["extract", "annotate"])
def test_file_of_lines(command: str, name: str, folder: Path) -> None:
    check_ends_well(command, str(folder / name), "out.jsonl")
    check_ends_well(command, str(folder / "null"), str(folder / "folder"))


@pytest.mark.parametrize(
    "line", [b'{"text": 1}', b'{"html": 1}', b'{"text": null, "html": null}', b"[" * 100_000, b'{"body_base64": "%"}']
)
@pytest.mark.parametrize("command", ["extract", "annotate"])
def test_line(command: str, line: bytes) -> None:
    check_ends_well(command, "-", "-", stdin=line)


@pytest.mark.parametrize("name", FILES)
def test_page_to_show(name: str, folder: Path) -> None:
    check_ends_well("show", str(folder / name))


@pytest.mark.parametrize("text", TEXTS)
def test_text_to_show(text: str) -> None:
    check_ends_well("show", "--", text)


@pytest.mark.parametrize(
    "sql", [*TEXTS, "-- comment", "select", "from nowhere", "select 1; select 2", "drop view quotes"]
)
def test_query(sql: str, folder: Path) -> None:
    check_ends_well("query", "--lake", str(folder / "lake"), "--", sql)


@pytest.mark.parametrize("name", [*FILES, *TEXTS])
def test_lake(name: str, folder: Path) -> None:
    lake = f"--lake={folder / name if name in FILES and name != 'lake' else name}"
    for arguments in (
        ["query", "from quotes"],
        ["files"],
        ["runs"],
        ["compact"],
        ["report"],
        ["forget", "a.example"],
        ["diff", "a", "b"],
        ["export", "duckdb", "out.duckdb"],
        ["export", "iceberg", "--namespace", "news"],
    ):
        check_ends_well(*arguments, lake)


@pytest.mark.parametrize("name", FILES)
def test_gazetteer_of_a_query(name: str, folder: Path) -> None:
    lake = f"--lake={folder / 'lake'}"
    check_ends_well("query", "from gazetteer", lake, f"--gazetteer={folder / name}")
    check_ends_well("export", "duckdb", "out.duckdb", lake, f"--gazetteer={folder / name}")


@pytest.mark.parametrize("text", TEXTS)
def test_arguments_of_lake_commands(text: str, folder: Path) -> None:
    lake = f"--lake={folder / 'lake'}"
    for arguments in (
        ["files", f"--run={text}"],
        ["files", f"--table={text}"],
        ["compact", f"--before={text}"],
        ["forget", f"--before={text}"],
        ["forget", "--dry-run", "--", text],
        ["diff", "--", text, text],
        ["report", "--", text],
        ["report", f"--out={text}"],
        ["export", "duckdb", "--", text],
        ["export", "iceberg", f"--namespace={text}"],
        ["export", "iceberg", "--namespace=a", f"--catalog-property={text}"],
    ):
        check_ends_well(
            arguments[0],
            *([arguments[1], lake, *arguments[2:]] if arguments[0] == "export" else [lake, *arguments[1:]]),
        )


def test_argument_that_is_not_utf8(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "onrecord", "show", b"\xff"], capture_output=True)
    assert (done.returncode, done.stderr.startswith(b"onrecord: the argument \\udcff is not valid UTF-8")) == (2, True)


@pytest.mark.parametrize("arguments", [[], ["nothing"], ["run"], ["--nothing"], ["export"], ["query"], ["diff", "a"]])
def test_command_line(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert (result.exit_code, "Usage:" in result.output) == (2, True)


def test_every_command_is_tested() -> None:
    command: Any = typer.main.get_command(app)
    visible = {name for name, one in command.commands.items() if not one.hidden}
    others = {
        "annotate",
        "compact",
        "demo",
        "diff",
        "export",
        "extract",
        "files",
        "forget",
        "query",
        "report",
        "schema",
    }
    others |= {"runs", "show"}
    assert visible == {*COMMANDS_OF_A_CONFIG, *others}


def test_signal_before_the_run_begins_gives_a_message(folder: Path) -> None:
    code = (
        "import os, signal, typer; from pipeline.cli import app, console; "
        "console.quiet = lambda *_: os.kill(os.getpid(), signal.SIGTERM); app.run_commands.quiet = console.quiet; "
        "import sys; sys.argv = ['onrecord', 'run', 'any.yaml']; app.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "onrecord: aborted before its end; repeat the command\n")
