"""The commands `onrecord query` and `onrecord runs`, and the version."""

import csv
import io
import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.lake.compaction import compact
from tests.support.lakes import DAY, run_of
from tests.support.quotations import said
from tests.support.records import make_article, make_fetch
from transforms.storage.folder import FolderStore


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A lake with two runs; the first has a quote with a hostile speaker."""
    store = FolderStore(str(tmp_path_factory.mktemp("query") / "lake"))
    page = make_article(1, title='=HYPERLINK("http://x.example")')
    quote = replace(said(page, 0, "Ada Moss", "We sail."), confidence=0.74)
    run_of(store, "a-20260304T0000", [page], quotes=[quote])
    rows = [make_fetch(n, outcome="failed" if n else "skipped", reason="dns" if n else "robots") for n in range(3)]
    run_of(store, "a-20260304T0100", fetches=rows)
    return store.root


def invoke(*arguments: str, given: str | bytes = "") -> tuple[int, str, str]:
    """Run a command; return its exit code, standard output and standard error."""
    done = CliRunner().invoke(app, [*arguments], input=given)
    return done.exit_code, done.stdout, done.stderr


def test_query_of_a_file_and_of_standard_input(lake: str, tmp_path: Path) -> None:
    file = tmp_path / "count.sql"
    file.write_text("SELECT count(*) AS n\nFROM fetches;\n", encoding="utf-8")
    options = ("--lake", lake, "--format", "jsonl")
    expected = (0, '{"n": 4}\n', "")
    assert invoke("query", str(file), *options) == expected
    assert invoke("query", "-", *options, given=file.read_text()) == expected


@pytest.mark.parametrize(
    ("sql", "given", "message"),
    [
        ("nowhere.sql", "", "query nowhere.sql: the file cannot be read: No such file or directory; name a text file"),
        ("-", b"\xff\xfe", "query -: the file cannot be read: it is not UTF-8"),
        ("-", "", "the query is empty; give an SQL statement"),
        (";", "", "the query is empty"),
        ("-- nothing", "", "the query is empty"),
    ],
)
def test_query_that_cannot_be_read_is_refused(lake: str, sql: str, given: str | bytes, message: str) -> None:
    code, out, errors = invoke("query", "--lake", lake, "--", sql, given=given)
    assert (code, out) == (2, "")
    assert errors.startswith(f"onrecord: {message}")


def test_csv_has_no_formulas(lake: str) -> None:
    sql = "SELECT title, -1 AS number, '-1' AS text, ['a', 'b'] AS list, NULL AS nothing, '\n\"' AS odd FROM articles"
    code, out, _ = invoke("query", sql, "--lake", lake, "--format", "csv")
    names, row = csv.reader(io.StringIO(out))
    assert code == 0
    assert names == ["title", "number", "text", "list", "nothing", "odd"]
    assert row == ['\'=HYPERLINK("http://x.example")', "-1", "'-1", '["a", "b"]', "", '\n"']


@pytest.mark.parametrize("form", ["table", "jsonl", "csv"])
def test_numbers_have_the_digits_that_are_stored(lake: str, form: str) -> None:
    _, out, _ = invoke("query", "SELECT confidence FROM quotes", "--lake", lake, "--format", form)
    assert "0.74" in out
    assert "0.740000" not in out


def test_runs(lake: str) -> None:
    code, out, _ = invoke("runs", "--lake", lake, "--format", "jsonl")
    second, first = map(json.loads, out.splitlines())
    assert code == 0
    assert [run["run_id"] for run in (first, second)] == ["a-20260304T0000", "a-20260304T0100"]
    counts = ("urls", "ok", "skipped", "failed", "articles")
    assert [first[name] for name in counts] == [1, 1, 0, 0, 1]
    assert [second[name] for name in counts] == [3, 0, 1, 2, 0]
    assert first["bytes"] > second["bytes"] > 1_000
    assert "a-20260304T0100" in invoke("runs", "--lake", lake)[1]


def test_runs_that_were_compacted(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path))
    for number in range(3):
        run_of(store, f"a-20260304T0{number}00", [make_article(number)])
    assert list(compact(store, DAY.replace(year=2027)))
    _, out, _ = invoke("runs", "--lake", store.root, "--format", "jsonl")
    found = [json.loads(line) for line in out.splitlines()]
    assert sorted(run["run_id"] for run in found) == [f"a-20260304T0{number}00" for number in range(3)]
    assert [(run["articles"], run["bytes"]) for run in found] == [(1, None)] * 3


def test_version() -> None:
    assert invoke("--version") == (0, f"onrecord {version('onrecord')}\n", "")


def test_standard_streams_are_the_default() -> None:
    line = json.dumps({"id": 1, "text": "“We sail,” said Ada Moss."})
    code, out, _ = invoke("annotate", given=line)
    assert (code, json.loads(out)["quotes"][0]["speaker_name"]) == (0, "Ada Moss")
    code, out, _ = invoke("extract", given='{"id": 2, "html": "<p>no"}')
    assert (code, json.loads(out)["id"]) == (0, 2)
