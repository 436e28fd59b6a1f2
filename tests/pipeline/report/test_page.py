"""The HTML report: escaped data, two scripts, a small size; and the command `onrecord report`."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from lxml import html
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.cli.live_view import Display
from pipeline.cli.run import print_result
from pipeline.lake.forget import forget, parse_target
from pipeline.lake.manifest import newest_run, report_path
from pipeline.lake.query.catalog import open_lake
from pipeline.report.page import render, web_link, write_report
from tests.support.invented import CODE, HOSTILE
from tests.support.lakes import run_of
from tests.support.records import make_article
from transforms.storage.folder import FolderStore


def parsed(page: str) -> Any:
    """Parse the page as a browser would."""
    return html.fromstring(page)


def test_hostile_texts_are_escaped(page: str) -> None:
    tree = parsed(page)
    assert [element.get("type") for element in tree.iter("script")] == ["application/json", None, None]
    assert not list(tree.iter("img", "iframe", "object", "embed", "link", "base", "form", "video", "audio"))
    handlers = [name for element in tree.iter() for name in element.attrib if name.startswith("on")]
    assert not handlers
    assert any(HOSTILE.strip() in title.text_content() for title in tree.iter("h3"))


def test_only_direct_speech_is_in_quotation_marks(page: str) -> None:
    document = parsed(page)
    shown = {kind: document.xpath(f"//blockquote[@class='{kind}']/text()") for kind in ("direct", "mixed", "indirect")}
    assert all(shown.values())
    assert all(text[0] == "“" and text[-1] == "”" for text in shown["direct"])
    assert not [text for text in shown["mixed"] + shown["indirect"] if text[0] in '“"']
    assert not document.xpath("//q")
    assert 'content: "“"' not in page


def test_links_lead_only_to_the_web(page: str) -> None:
    links = [a for a in parsed(page).iter("a") if not a.get("href").startswith("#")]
    assert len(links) > 20
    assert {a.get("href").split(":")[0] for a in links} == {"http"}
    assert {a.get("rel") for a in links} == {"noopener noreferrer"}
    assert CODE in page


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://a.example/", True),
        ("HTTPS://a.example/", True),
        (CODE, False),
        (" javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("//a.example/", False),
        ("http:", False),
        ("http://[", False),
        ("", False),
    ],
)
def test_only_web_urls_become_links(url: str, shown: bool) -> None:
    assert web_link(url) == (url if shown else None)


def test_data_block_is_escaped(page: str) -> None:
    (block,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert not set("<>&\u2028\u2029") & set(block)
    labels = {label for chart in json.loads(block)["charts"] for label in chart["labels"]}
    assert HOSTILE[:80] in labels


def test_content_security_policy(page: str) -> None:
    (meta,) = parsed(page).xpath("//meta[@http-equiv='Content-Security-Policy']")
    rules = dict(rule.strip().split(" ", 1) for rule in meta.get("content").split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"('sha256-[A-Za-z0-9+/]{43}=' ?){2}", rules["script-src"])
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", rules["style-src"])
    assert not re.search(r" style=", page.partition("<body>")[2].partition("<script")[0])


def test_page_is_small(page: str) -> None:
    assert len(page.encode()) < 1_000_000


def test_page_of_long_texts_is_small(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path / "lake"))
    articles = [make_article(n, f"{n} " + "word " * 20_000, title="t" * 50_000) for n in range(60)]
    run_of(store, "long", articles)
    with open_lake(store, "long") as database:
        assert len(render(database, "long")) < 600_000


def test_page_of_an_empty_run(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path / "lake"))
    run_of(store, "empty")
    with open_lake(store, "empty") as database:
        page = render(database, "empty").decode()
    assert "No articles." in page and "No URL failed or was skipped." in page


def invoke(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["report", *arguments])
    return done.exit_code, done.stdout.strip(), done.stderr


def test_command(tmp_path: Path) -> None:
    lake = tmp_path / "lake"
    store = FolderStore(str(lake))
    run_of(store, "first", [make_article(1)])
    run_of(store, "second", [make_article(2)])
    assert newest_run(store) == "second"
    assert invoke("--lake", str(lake)) == (0, f"{lake}/_reports/second.html", "")
    assert invoke("first", "--lake", str(lake)) == (0, f"{lake}/_reports/first.html", "")
    assert "<h1>first</h1>" in lake.joinpath("_reports/first.html").read_text()
    assert invoke("--all", "--lake", str(lake)) == (0, f"{lake}/_reports/_lake.html", "")
    assert "2 runs, the last" in lake.joinpath("_reports/_lake.html").read_text()
    out = tmp_path / "elsewhere.html"
    assert invoke("first", "--lake", str(lake), "--out", str(out)) == (0, str(out), "")
    assert "<h1>first</h1>" in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["missing"], 2, "is not committed in"),
        (["../first"], 2, "is not a valid run ID"),
        (["first", "--all"], 2, "give either a run or --all"),
        (["--lake", "nowhere"], 2, "has no committed run"),
        (["first", "--out", "/nowhere/at/all.html"], 1, "cannot be written"),
    ],
)
def test_invalid_arguments(tmp_path: Path, arguments: list[str], code: int, message: str) -> None:
    lake = tmp_path / "lake"
    run_of(FolderStore(str(lake)), "first", [make_article(1)])
    exit_code, _, error = invoke("--lake", str(lake), *arguments)
    assert (exit_code, message in error) == (code, True), error


def test_unwritable_report_fails_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = FolderStore(str(tmp_path / "lake"))
    manifest = run_of(store, "shows", [make_article(1)])
    tmp_path.joinpath("lake", "_reports").write_text("a file where the folder should be")
    assert print_result(store.root, manifest, Display("", is_quiet=True)) == 0
    assert "the run is committed, but its report cannot be written" in capsys.readouterr().err


def test_forgotten_page_deletes_its_reports(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path / "lake"))
    run_of(store, "shows", [make_article(1)])
    run_of(store, "other", [make_article(2)])
    for run_id in ("shows", "other", None):
        with open_lake(store, run_id) as database:
            write_report(store, database, run_id)
    forget(store, parse_target("site1.example", None))
    assert store.files("_reports") == [report_path("other")]
