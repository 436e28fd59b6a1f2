"""`onrecord diff` compares two runs with known differences, an older schema, and a real run with its rerun."""

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.app import app
from pipeline.demo.server import Site
from pipeline.lake.query.diff import TITLES, Section, diff
from pipeline.run.reprocess import reprocess
from pipeline.run.runner import execute
from tests.support.lakes import daily_config, lake_of_version_1, run_of
from tests.support.quotations import quote
from tests.support.records import make_article, make_fetch
from transforms.schema.failures import Reason, failure_of
from transforms.schema.records import Article, Entity, Fetch, Mention, stable_id
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore

DAY = datetime(2026, 3, 4, tzinfo=timezone.utc)
TEXT = "The ferry stops. It will not sail again, said Ada Moss. Nobody knows why."


def entity(article: Article, name: str, **fields: Any) -> Entity:
    """An entity of an article."""
    return replace(
        Entity(
            entity_id=stable_id(article.version_id, name),
            name=name,
            type="PERSON",
            mentions=(Mention(0, 3, name),),
            mention_count=1,
            first_start=0,
            model_version="1",
            article_id=article.article_id,
            version_id=article.version_id,
            domain=article.domain,
        ),
        **fields,
    )


def gone(number: int) -> Fetch:
    return make_fetch(number, outcome="failed", reason="http_gone")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The runs `before` and `after` of five pages, each with a different outcome."""
    store = FolderStore(str(tmp_path_factory.mktemp("diff") / "lake"))
    same, edited, lost, new = (make_article(n, TEXT if n == 1 else None, title=f"Page {n}") for n in range(1, 5))
    run_of(
        store,
        "before",
        [same, replace(edited, authors=("Ed Ink",), text="First.\nIt stays.\nOld line.", text_hash="h"), lost],
        fetches=[*(make_fetch(n) for n in (1, 2, 3)), gone(4), gone(5)],
        quotes=[
            quote(same, 0, 16, "Ada Moss"),
            quote(same, 17, 40, "Ada Moss", kind="direct"),
            quote(same, 56, 73),
            quote(lost, 0, 7, "On a page in one run only"),
        ],
        entities=[entity(same, "Ada Moss"), entity(same, "Moss", type="ORG"), entity(same, "Quay")],
        failures=[failure_of(gone(n), "fetch", Reason.HTTP_GONE, "It is gone.", DAY) for n in (4, 5)],
    )
    later = make_article(2, "First.\nIt stays.\nA new line.\nAnother.", title="Page two", extractor_version="2")
    run_of(
        store,
        "after",
        [same, later, new],
        fetches=[*(make_fetch(n) for n in (1, 2, 4)), gone(3)],
        quotes=[
            quote(same, 0, 16, "Bo Lind", ordinal=7, model_version="2"),
            quote(same, 17, 54, None, kind="mixed", model_version="2"),
            quote(same, 60, 64, "Ada Moss", model_version="2", kind="direct"),
            quote(same, 4, 9, "Ada Moss", model_version="2"),
        ],
        entities=[entity(same, "Ada Moss", kb_id="x:1"), entity(same, "Moss"), entity(same, "Ferry", type="MISC")],
        failures=[failure_of(gone(3), "fetch", Reason.HTTP_GONE, "It is gone.", DAY)],
    )
    return store


@pytest.fixture(scope="module")
def sections(store: Store) -> dict[str, Section]:
    return {section.name: section for section in diff((store, "before"), (store, "after"))}


def test_sections_are_in_order(sections: dict[str, Section]) -> None:
    assert list(sections) == list(TITLES)


def test_runs_section_has_versions(sections: dict[str, Section]) -> None:
    about = {what: (a, b) for what, a, b in sections["runs"].rows}
    assert (about["run"], about["URLs"]) == (("before", "after"), (5, 4))
    assert (about["extractor_version"], about["model_version"]) == (("1", "1, 2"), ("1", "1, 2"))
    assert about["schema_version"][0] == about["schema_version"][1]


def test_counts_by_table_outcome_and_reason(sections: dict[str, Section]) -> None:
    tables = {row[0]: row[1:] for row in sections["tables"].rows}
    assert (tables["fetches"], tables["failures"], tables["quotes"]) == ((5, 4, -1), (2, 1, -1), (4, 4, 0))
    assert sections["outcomes"].rows == [("ok", "", 3, 3, 0), ("failed", "http_gone", 2, 1, -1)]
    assert sections["failures"].rows == [("fetch", "http_gone", 2, 1, -1)]
    assert {row[:3] for row in sections["urls"].rows} == {
        ("ok", "failed / http_gone", 1),
        ("failed / http_gone", "ok", 1),
        ("failed / http_gone", "not in it", 1),
    }


def test_articles_in_one_run_have_their_outcome_in_the_other(sections: dict[str, Section]) -> None:
    assert sections["articles"].rows == [
        ("only in A", "http://site0.example/3", "Page 3", "failed / http_gone"),
        ("only in B", "http://site1.example/4", "Page 4", "failed / http_gone"),
    ]


def test_changed_texts(sections: dict[str, Section]) -> None:
    [(url, likeness, *changed)] = sections["texts"].rows
    assert (url, changed) == ("http://site2.example/2", [9, 19, "Old line.", "A new line."])
    assert likeness == pytest.approx(2 * 4 / (5 + 7), abs=0.001)


def test_changed_metadata(sections: dict[str, Section]) -> None:
    assert sections["fields"].rows == [("authors", 1, 1, 0), ("title", 1, 0, 0)]
    assert sections["metadata"].rows == [
        ("authors", "Ed Ink", None, "http://site2.example/2"),
        ("title", "Page 2", "Page two", "http://site2.example/2"),
    ]


def test_quotes_are_matched_by_words_or_overlap(sections: dict[str, Section]) -> None:
    assert dict(sections["quotes"].rows) == {
        "other speaker": 1,
        "speaker lost": 1,
        "speaker found": 1,
        "words": 2,
        "kind": 2,
        "only in B": 1,
    }
    changed = {(row[0], row[3], row[4]): row[5:7] for row in sections["changed_quotes"].rows}
    assert changed == {
        ("other speaker", "Ada Moss", "Bo Lind"): ("The ferry stops.", None),
        ("words, kind, speaker lost", "Ada Moss", None): (TEXT[17:40], TEXT[17:54]),
        ("words, kind, speaker found", None, "Ada Moss"): (TEXT[56:73], TEXT[60:64]),
        ("only in B", None, "Ada Moss"): (None, "ferry"),
    }
    assert {row[:3] for row in sections["speakers"].rows} == {
        ("Ada Moss", "Bo Lind", 1),
        ("Ada Moss", None, 1),
        (None, "Ada Moss", 1),
    }


def test_changed_entities(sections: dict[str, Section]) -> None:
    assert {row[:4] for row in sections["entities"].rows} == {
        ("Ada Moss", "kb_id", None, "x:1"),
        ("Moss", "type", "ORG", "PERSON"),
        ("Quay", "only in A", "PERSON", None),
        ("Ferry", "only in B", None, "MISC"),
    }


def test_run_equals_itself_in_a_copy_of_the_lake(store: Store, tmp_path: Path) -> None:
    shutil.copytree(store.root, tmp_path / "copy")
    found = {s.name: s for s in diff((store, "before"), (FolderStore(str(tmp_path / "copy")), "before"))}
    assert [row[-1] for row in found["tables"].rows] == [0] * 6
    assert found["quotes"].rows == [("the same", 4)]
    for name in ("urls", "articles", "fields", "metadata", "texts", "speakers", "changed_quotes", "entities"):
        assert (name, found[name].total) == (name, 0)


def test_section_is_limited_and_has_its_total(store: Store) -> None:
    found = {s.name: s for s in diff((store, "before"), (store, "after"), limit=1)}
    assert (len(found["entities"].rows), found["entities"].total) == (1, 4)
    assert len(found["quotes"].rows) == found["quotes"].total == 6


def onrecord(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["diff", *arguments])


def test_command_prints_tables_or_json_lines(store: Store) -> None:
    shown = onrecord("before", "after", "--lake", store.root, "--limit", "2")
    assert shown.exit_code == 0
    assert "Changed names on pages in both runs, 2 of 4" in shown.stdout
    assert "URLs with a different outcome" in shown.stdout
    lines = onrecord("before", "after", "--lake", store.root, "--format", "jsonl").stdout.splitlines()
    found = [json.loads(line) for line in lines]
    assert {"section": "texts", "total": 1, "shown": 1} in found
    [speakers] = [line for line in found if line["section"] == "speakers" and line.get("b") == "Bo Lind"]
    assert speakers == {"section": "speakers", "a": "Ada Moss", "b": "Bo Lind", "quotes": 1, "example": TEXT[:16]}


def test_invalid_comparison_is_rejected_with_one_sentence(store: Store, tmp_path: Path) -> None:
    for arguments, message in (
        (("before", "befor"), "run befor is not committed in the lake .*; its last runs are after, before"),
        (("before", "before"), "are the same run of .*; use --lake-b to name the lake"),
        (("before", "../x"), "is not a valid run ID"),
        (("before", "after", "--lake-b", str(tmp_path)), "has no committed run"),
    ):
        rejected = onrecord(*arguments, "--lake", store.root)
        assert (rejected.exit_code, rejected.stderr.count("\n")) == (2, 1)
        assert re.search(message, rejected.stderr)


def test_runs_of_an_older_schema_version(tmp_path: Path) -> None:
    store = lake_of_version_1(tmp_path)
    found = {s.name: s for s in diff((store, "v1-20250312T0000"), (store, "v1-20250313T0000"))}
    assert ("schema_version", 1, 1) in found["runs"].rows
    assert {row[0] for row in found["articles"].rows} == {"only in A", "only in B"}
    assert found["articles"].total == 4


HOST = "http://wire.example"


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A real run annotated by rules, and a copy annotated again by the model."""
    folder = tmp_path_factory.mktemp("upgrade")
    with Site() as site:
        site.put(
            f"{HOST}/daily.xml",
            '<rss version="2.0"><channel><title>Wire</title>'
            f"<item><link>{HOST}/2025/herring-quota</link></item></channel></rss>",
            "text/xml",
        )
        config = daily_config(site, folder / "old", f"{HOST}/daily.xml", annotate={"model": "rules"})
        execute(config, "days-20260304T0000", DAY)
    shutil.copytree(folder / "old", folder / "new")
    newer = daily_config(site, folder / "new", f"{HOST}/daily.xml")
    assert [run.texts for run in reprocess(newer)] == [1]
    yield folder / "old", folder / "new"


def test_run_before_and_after_reprocess(copies: tuple[Path, Path]) -> None:
    old, new = (FolderStore(str(folder)) for folder in copies)
    found = {s.name: s for s in diff((old, "days-20260304T0000"), (new, "days-20260304T0000"))}
    [(a, b)] = [row[1:] for row in found["runs"].rows if row[0] == "model_version"]
    assert a.startswith("rules")
    assert not b.startswith("rules")
    assert found["texts"].total == found["articles"].total == found["urls"].total == 0
    quotes = dict(found["quotes"].rows)
    assert 3 < quotes["the same"] < sum(quotes.values())
    assert found["changed_quotes"].total > 0
