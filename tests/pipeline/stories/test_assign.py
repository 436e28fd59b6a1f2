"""Near-duplicate articles share a story with one original."""

import random
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from benchmarks.stories import articles, clusters, documents, edits, precision_and_recall
from pipeline.lake.attempts import new_attempt
from pipeline.lake.commit import commit
from pipeline.lake.query.catalog import open_lake
from pipeline.stories.assign import write_stories
from tests.support.records import make_article, make_fetch
from transforms.schema.records import Article, stable_id
from transforms.storage.base import Store
from transforms.storage.folder import FolderStore
from transforms.text.near_duplicates import sketch, to_column
from transforms.write.parquet import merge_staged_files, write_rows

DAY = date(2026, 3, 4)
MORNING = datetime(2026, 3, 4, 6, tzinfo=timezone.utc)
PARAGRAPHS = next(articles())[1]
OTHER = "\n\n".join(list(articles())[1][1])
TEXT = "\n\n".join(PARAGRAPHS)
CUT = "\n\n".join(PARAGRAPHS[:5])
SHORT = "\n\n".join(PARAGRAPHS[:3])

Rows = dict[str, tuple[str, bool, float]]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return FolderStore(str(tmp_path / "lake"))


def run_of(store: Store, rows: list[Article], day: date = DAY) -> Rows:
    """Commit a run of these articles; returns its rows of ``stories`` by version."""
    run = new_attempt(f"daily-{day:%Y%m%d}T0000", day, store.root)
    files = merge_staged_files(run, [write_rows(run, "articles", rows, f"{run.staging}/rows/articles/a.parquet")])
    fetches = [make_fetch(n) for n, _ in enumerate(rows)]
    files += merge_staged_files(run, [write_rows(run, "fetches", fetches, f"{run.staging}/rows/fetches/f.parquet")])
    commit(store, run, [*files, *write_stories(run, [f for f in files if f.table == "articles"])], urls=len(rows))
    with open_lake(store, run.run_id) as database:
        found = database.execute("SELECT version_id, story_id, is_original, similarity FROM stories").fetchall()
    return {version: tuple(rest) for version, *rest in found}


def at(n: int, text: str, hours: int | None = 0, precision: str = "second") -> Article:
    """The n-th page with a text, published some hours after `MORNING`."""
    published = MORNING + timedelta(hours=hours) if hours is not None else None
    return make_article(n, text, published_at=published, published_precision=precision if published else None)


@pytest.mark.parametrize("brief", [False, True], ids=["articles", "briefs"])
def test_precision_and_recall(brief: bool) -> None:
    titles, texts = map(list, zip(*documents(brief=brief), strict=True))
    found = clusters(texts)
    precision, recall = precision_and_recall(titles, lambda one, other: found[one] == found[other])
    assert precision >= 0.98 and recall >= 0.95


def test_edited_copies_join_the_story() -> None:
    for title, paragraphs in articles():
        original, *copies = edits(title, paragraphs, random.Random(7))  # noqa: S311 - the same each time
        assert all(len(set(clusters([original, copy]))) == 1 for copy in copies)


def test_earliest_article_is_the_original(store: Store) -> None:
    first, second, other = at(3, CUT, 1), at(1, TEXT, 2), at(2, OTHER, 0)
    rows = run_of(store, [second, other, first])
    story = stable_id("story", first.text_hash)
    assert rows[first.version_id] == (story, True, 1.0)
    assert rows[second.version_id] == (story, False, 1.0)
    assert rows[other.version_id] == (stable_id("story", other.text_hash), True, 1.0)


def test_article_with_a_time_comes_before_one_with_a_date(store: Store) -> None:
    timed, day, none = at(1, TEXT, 5), at(2, CUT, -6, "day"), at(3, SHORT, None)
    rows = run_of(store, [none, day, timed])
    assert [rows[a.version_id][1] for a in (timed, day, none)] == [True, False, False]


def test_similarity_is_the_shared_part_of_the_shorter_text(store: Store) -> None:
    original = at(1, TEXT)
    half = at(2, "\n\n".join([*PARAGRAPHS[:4], *OTHER.split("\n\n")[:2]]), 1)
    rows = run_of(store, [original, half])
    assert rows[half.version_id][0] == rows[original.version_id][0]
    assert 0.5 <= rows[half.version_id][2] < 0.95


def test_story_continues_on_later_days(store: Store) -> None:
    before = run_of(store, [at(1, TEXT)])
    files = {path: Path(store.root, path).read_bytes() for path in store.files("stories")}
    copy, equal = at(2, CUT, 30), at(3, TEXT, -30)
    rows = run_of(store, [copy, equal], DAY + timedelta(days=1))
    [(story, is_original, _)] = before.values()
    assert is_original
    assert [rows[a.version_id][:2] for a in (copy, equal)] == [(story, False)] * 2
    assert all(Path(store.root, path).read_bytes() == data for path, data in files.items())


def test_copy_continues_a_story_without_recent_original(store: Store) -> None:
    [(story, *_)] = run_of(store, [at(1, TEXT)]).values()
    run_of(store, [at(2, CUT)], DAY + timedelta(days=6))
    [(later, is_original, _)] = run_of(store, [at(3, CUT)], DAY + timedelta(days=12)).values()
    assert (later, is_original) == (story, False)
    [(much_later, is_original, _)] = run_of(store, [at(4, CUT)], DAY + timedelta(days=40)).values()
    assert (much_later, is_original) == (stable_id("story", at(4, CUT).text_hash), True)


def test_new_version_of_the_original_is_the_original(store: Store) -> None:
    original, copy = at(1, TEXT), at(2, CUT, 1)
    first = run_of(store, [original, copy])
    story = first[original.version_id][0]
    edited, rewritten = at(1, f"{TEXT}\n\nOne more line on the mill."), at(2, OTHER, 1)
    rows = run_of(store, [edited, rewritten], DAY + timedelta(days=1))
    assert rows[edited.version_id][:2] == (story, True)
    assert rows[rewritten.version_id][:2] == (story, False)
    assert rows[rewritten.version_id][2] < 0.2


def test_round_up_is_not_a_copy_of_its_items() -> None:
    round_up = "\n\n".join("\n\n".join(paragraphs) for _, paragraphs in articles())
    assert len(set(clusters([round_up, TEXT]))) == 2


def test_no_articles_no_stories(store: Store) -> None:
    assert write_stories(new_attempt("daily-20260304T0000", DAY, store.root), []) == []


@pytest.mark.parametrize("has_sketch", [True, False], ids=["with sketches", "of schema version 1"])
def test_stories_with_and_without_stored_sketch(has_sketch: bool, store: Store) -> None:
    def article(n: int, text: str, hours: int) -> Article:
        made = at(n, text, hours)
        return replace(made, sketch=to_column(sketch(text))) if has_sketch else made

    first = run_of(store, [article(1, TEXT, 0), article(2, CUT, 1), article(3, OTHER, 2)])
    second = run_of(store, [article(4, TEXT, 25), article(5, CUT, 26), article(6, SHORT, 27)], DAY + timedelta(days=1))
    stories = {story: version for version, (story, is_original, _) in first.items() if is_original}
    assert len(stories) == 2
    assert {story for story, *_ in second.values()} == {first[at(1, TEXT).version_id][0]}
    assert not any(is_original for _, is_original, _ in second.values())
