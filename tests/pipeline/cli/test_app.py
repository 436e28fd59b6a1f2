"""The command line without a run: output, refusals and start time."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.cli.run import with_workers
from pipeline.lake.commit import commit
from pipeline.run.engines import engine_of
from tests.support.golden_tables import ONRECORD, ROOT
from tests.support.staging import stage
from transforms.schema.tables import TABLES
from transforms.storage.folder import FolderStore

TEXT = "The mill will turn again.\n\n“We begin in May,” said Rosa Tiller, who chairs the trust. “Come and see it.”"
PAGE = (
    "<html lang=en><head><title>Mill turns again</title></head><body><article><h1>Mill turns again</h1>"
    + "".join(
        f"<p>The wheel of the old mill turned for hour {n} on Sunday, and people stood in the rain.</p>"
        for n in range(9)
    )
    + "</article></body></html>"
)


@pytest.fixture
def lake(tmp_path: Path) -> str:
    store = FolderStore(str(tmp_path / "lake"))
    run, files = stage(store)
    commit(store, run, files, urls=2)
    return store.root


def invoke(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
    result = CliRunner().invoke(app, arguments, input=stdin)
    return result.exit_code, result.stdout, result.stderr


def test_annotate_keeps_ids_and_spans() -> None:
    code, out, _ = invoke("annotate", "-", "-", stdin=json.dumps({"id": 7, "text": TEXT}) + "\n\n")
    (line,) = out.splitlines()
    found = json.loads(line)
    assert (code, found["id"]) == (0, 7)
    assert [e["name"] for e in found["entities"]] == ["Rosa Tiller"]
    (quote,) = found["quotes"]
    assert [TEXT[a:b].strip("“”,") for a, b in quote["spans"]] == ["We begin in May", "Come and see it."]
    assert (quote["kind"], quote["speaker_name"]) == ("direct", "Rosa Tiller")
    assert [TEXT[a:b] for a, b in quote["cue"]] == ["said"]


def test_extract_files(tmp_path: Path) -> None:
    (tmp_path / "in").write_text(json.dumps({"id": "a", "url": "https://site.example/1", "html": PAGE}) + "\n")
    code, _, _ = invoke("extract", str(tmp_path / "in"), str(tmp_path / "out"))
    found = json.loads((tmp_path / "out").read_text())
    assert (code, found["id"], found["title"], found["language"]) == (0, "a", "Mill turns again", "en")
    assert found["text"].count("turned for hour") == 9


@pytest.mark.parametrize("command", ["extract", "annotate"])
@pytest.mark.parametrize(("line", "message"), [("{", "line 2: "), ("[]", "line 2: "), ('{"id": 1}', "line 2: ")])
def test_invalid_line_is_named(command: str, line: str, message: str) -> None:
    good = json.dumps({"id": 0, "url": "", "html": PAGE, "text": TEXT})
    code, out, errors = invoke(command, "-", "-", stdin=f"{good}\n{line}\n")
    assert (code, len(out.splitlines())) == (2, 1)
    assert message in errors
    assert errors.count("\n") == 1


def test_invalid_unicode_is_annotated() -> None:
    lines = [
        json.dumps({"id": n, "text": f"“We \ud800 wait,” said Rosa Tiller{end}."}) for n, end in enumerate(["", "\0"])
    ]
    code, out, _ = invoke("annotate", "-", "-", stdin="\n".join(lines))
    assert (code, [json.loads(line)["id"] for line in out.splitlines()]) == (0, [0, 1])


def test_internal_error_affects_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(record: dict[str, object]) -> dict[str, object]:
        if record["id"] == 1:
            raise ZeroDivisionError("an error")
        return {"id": record["id"]}

    monkeypatch.setattr("transforms.annotate.annotate_line", broken)
    code, out, _ = invoke("annotate", "-", "-", stdin="\n".join(json.dumps({"id": n, "text": ""}) for n in range(3)))
    failed = {
        "id": 1,
        "entities": [],
        "quotes": [],
        "reason": "internal_error",
        "message": "ZeroDivisionError: an error",
    }
    assert (code, [json.loads(line) for line in out.splitlines()]) == (0, [{"id": 0}, failed, {"id": 2}])


def test_missing_file_is_named(tmp_path: Path) -> None:
    code, _, errors = invoke("annotate", str(tmp_path / "none.jsonl"), "-")
    assert code == 2
    assert "none.jsonl cannot be opened: No such file or directory" in errors


def test_query_prints_rows(lake: str) -> None:
    code, out, _ = invoke("query", "SELECT text, word_count FROM articles ORDER BY text", "--lake", lake)
    assert code == 0
    assert [line.split() for line in out.splitlines() if "one" in line or "two" in line] == [
        ["│", "one", "│", "1", "│"],
        ["│", "two", "│", "1", "│"],
    ]


def test_terminal_escapes_are_not_printed(lake: str) -> None:
    sql = "select 'a' || chr(27) || ']52;c;eA==' || chr(7) || chr(155) || '[red]' || chr(10) || 'b' as \"x" + '\x1b[2J"'
    result = CliRunner().invoke(app, ["query", sql, "--lake", lake])
    assert result.exit_code == 0, result.output
    assert "a\ufffd]52;c;eA==\ufffd\ufffd[red]" in result.output
    assert not set(result.output) & {"\x1b", "\x07", "\x9b"}


def test_query_prints_json_lines(lake: str) -> None:
    _, out, _ = invoke("query", "SELECT run_date, authors FROM articles LIMIT 1", "--lake", lake, "--format", "jsonl")
    assert json.loads(out) == {"run_date": "2026-03-04", "authors": []}


def test_query_lake_from_the_environment(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONRECORD_LAKE", lake)
    assert invoke("query", "SELECT 1")[0] == 0


def test_invalid_query_is_refused(lake: str, tmp_path: Path) -> None:
    code, _, errors = invoke("query", "SELECT nothing FROM articles", "--lake", lake)
    assert code == 2
    assert "nothing" in errors
    code, _, errors = invoke("query", "SELECT 1", "--lake", str(tmp_path / "empty"))
    assert code == 2
    assert "has no committed run; `onrecord run` creates one" in errors


def test_schema_explains_every_column() -> None:
    code, out, _ = invoke("schema")
    assert code == 0
    for table in TABLES.values():
        assert f"{table.name}: {table.meaning}" in out
        assert all(f"│ {c.name} " in out and c.meaning in out for c in table.columns)


def test_check_prints_the_effective_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ONRECORD_DEMO", "127.0.0.1:8000")
    monkeypatch.chdir(ROOT)
    lake = str(tmp_path / "lake")
    code, out, _ = invoke("check", "configs/demo.yaml", "--set", "fetch.delay_seconds=3", "--lake", lake)
    assert code == 0
    for expected in ("delay_seconds: 3.0", "'*.example': 127.0.0.1:8000", f"#   {ROOT}/configs/demo-urls.txt"):
        assert expected in out
    assert out.endswith(f"# writes: {lake}\n")


def test_check_refuses_with_exit_code_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONRECORD_DEMO", raising=False)
    monkeypatch.chdir(ROOT)
    code, _, errors = invoke("check", "configs/demo.yaml")
    assert code == 2
    assert "fetch.resolve.*.example: the environment variable ONRECORD_DEMO is not set" in errors


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "url;title\nhttp://a.example/1;One\n", "a.csv separates its columns by ';'; expected commas"),
        ("a.csv", "link,title\n", "a.csv has no column 'url'; its columns are link, title: set `column` of the source"),
        ("a.csv", "", "a.csv is empty; expected a line with the names of the columns, such as url"),
        ("a.jsonl", '{"link": 1}', "a.jsonl, line 1: expected an object with the key 'url'; its keys are link"),
        (".", "", "is a folder; allowed are a file and a glob, such as"),
    ],
)
def test_check_reads_the_lists(name: str, content: str, message: str, tmp_path: Path) -> None:
    if name != ".":
        tmp_path.joinpath(name).write_text(content)
    config = {
        "name": "own",
        "sources": [{"type": "urls", "path": str(tmp_path / name)}],
        "lake": str(tmp_path / "lake"),
    }
    tmp_path.joinpath("own.yaml").write_text(json.dumps(config))
    code, _, errors = invoke("check", str(tmp_path / "own.yaml"))
    assert (code, "sources.0.path: " in errors, message in errors) == (2, True, True), errors


def test_check_counts_the_urls(tmp_path: Path) -> None:
    for name, content in (("one.txt", "http://a.example/1\n# comment\n"), ("none.txt", "# nothing\n")):
        tmp_path.joinpath(name).write_text(content)
    config = {
        "name": "own",
        "sources": [{"type": "urls", "path": str(tmp_path / "*.txt")}],
        "lake": str(tmp_path / "lake"),
    }
    tmp_path.joinpath("own.yaml").write_text(json.dumps(config))
    code, out, errors = invoke("check", str(tmp_path / "own.yaml"))
    assert (code, f"#   {tmp_path}/one.txt: 1 URLs\n" in out) == (0, True)
    assert errors == f"onrecord: {tmp_path}/none.txt contains no URL; expected one URL per line\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "0"], "--workers 0: expected a number of processes from 1 to 999, or auto"),
        (["--workers", "all"], "--workers all: expected a number"),
        (["--workers", "2", "--", "--runner=FlinkRunner"], "--workers 2 with --runner=FlinkRunner: give only one of"),
        (
            ["--workers", "auto", "--", "--direct_num_workers", "3"],
            "--workers auto with --direct_num_workers: give only",
        ),
    ],
)
@pytest.mark.parametrize("command", ["run", "reprocess"])
def test_invalid_workers_are_refused(command: str, options: list[str], message: str) -> None:
    code, _, errors = invoke(command, "configs/demo.yaml", *options)
    assert (code, errors.startswith(f"onrecord: {message}")) == (2, True), errors


def test_workers_are_local_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 4, 5}, raising=False)
    for workers, number in (("auto", 3), ("2", 2), ("1", 1), (None, 1)):
        engine = engine_of(with_workers(workers, []))
        assert (engine.workers, engine.mode) == (number, "multi_processing" if number > 1 else "in_memory")


def test_show_prints_an_article(tmp_path: Path) -> None:
    (tmp_path / "article.txt").write_text(TEXT)
    code, out, _ = invoke("show", str(tmp_path / "article.txt"))
    assert code == 0
    assert "The mill will turn again." in out
    assert "Rosa Tiller (direct, named" in out


def test_show_explains_failures(tmp_path: Path) -> None:
    code, _, errors = invoke("show", str(tmp_path / "none.html"))
    assert (code, "none.html cannot be read: No such file or directory" in errors) == (1, True)
    code, _, errors = invoke("show", "http://127.0.0.1:9/")
    assert (code, "http://127.0.0.1:9/: " in errors) == (1, True)


IMPORTS = """
import sys
sys.argv = ["onrecord", *{arguments}]
import pipeline.cli.app
try:
    pipeline.cli.app.main()
finally:
    sys.stderr.write(" loaded: " + " ".join(sys.modules))
"""
HEAVY = {
    "aiohttp",
    "apache_beam",
    "duckdb",
    "grpc",
    "lxml",
    "numpy",
    "onnxruntime",
    "pyarrow",
    "trafilatura",
}


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [(["--help"], 0.3), (["schema"], 2), (["annotate", "-", "-"], 2), (["extract", "-", "-"], 2)],
)
def test_quick_start_without_beam(arguments: list[str], seconds: float) -> None:
    """CPU seconds, the minimum of three starts, because other tests slow the machine down at times."""
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*ONRECORD, *arguments], cwd=ROOT, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < seconds
    assert "apache_beam" not in loaded(*arguments)


def loaded(*arguments: str) -> set[str]:
    """The modules that a command has imported when it ends."""
    code = IMPORTS.format(arguments=list(arguments))
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    return set(run.stderr.rpartition("loaded: ")[2].split())


@pytest.mark.parametrize("arguments", [[], ["run"], ["query"], ["export"]], ids=" ".join)
def test_help_imports_no_large_library(arguments: list[str]) -> None:
    found = loaded(*arguments, "--help")
    assert "typer" in found
    assert not found & HEAVY


@pytest.mark.parametrize(
    "arguments", [["compact"], ["forget", "site1.example"], ["files"], ["query", "FROM quotes"]], ids=" ".join
)
def test_lake_commands_import_no_beam(arguments: list[str], lake: str) -> None:
    assert "apache_beam" not in loaded(*arguments, "--lake", lake)
