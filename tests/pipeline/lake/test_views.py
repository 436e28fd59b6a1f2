"""SQL views over small lakes with known results."""

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.lake.query.catalog import VIEWS, open_lake
from tests.support.lakes import run_of
from tests.support.quotations import FERRY, entity, said
from tests.support.records import make_article
from transforms.storage.folder import FolderStore

CUT = "The ferry will not sail again before the spring"
SHORT = "The ferry will not sail."
DAY_1, DAY_2 = (datetime(2026, 3, day, 23, 30, tzinfo=timezone.utc) for day in (3, 4))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> FolderStore:
    """Two runs: a page with two versions, its copy on another site with an excerpt of a quote, and a third page."""
    store = FolderStore(str(tmp_path_factory.mktemp("views")))
    wire = " ".join(f"word{n}" for n in range(80))
    old = make_article(1, wire, published_at=DAY_1, fetched_at=DAY_1)
    run_of(
        store,
        "a-20260304T0000",
        [old],
        entities=[entity(old, "Ada Moss")],
        quotes=[said(old, 0, "Ada Moss", "This was taken back later on the same day.")],
    )
    new = make_article(1, f"{wire} and more", published_at=DAY_1, fetched_at=DAY_2)
    copy = make_article(2, wire, published_at=DAY_2, fetched_at=DAY_2)
    third = make_article(3, "Nothing of the kind.", published_at=DAY_2, fetched_at=DAY_2)
    people = [entity(a, name) for a in (new, copy, third) for name in ("Ada Moss", "Bo Lind")]
    quotes = [
        said(new, 0, "Ada Moss", FERRY, ("Bo Lind", "Ada Moss")),
        said(new, 1, "Bo Lind", SHORT),
        said(copy, 0, "Ada Moss", FERRY, ("Bo Lind",)),
        said(copy, 1, "Moss", CUT),
        said(third, 0, "Bo Lind", FERRY, ("Ada Moss",)),
        said(third, 1, "Ada Moss", SHORT),
        said(third, 2, None, "Nobody is named for these words."),
    ]
    run_of(store, "b-20260304T0100", [new, copy, third], entities=people, quotes=quotes)
    return store


def ask(lake: FolderStore, query: str, gazetteer: Path | None = None) -> list[tuple[Any, ...]]:
    with open_lake(lake, gazetteer=str(gazetteer) if gazetteer else None) as database:
        return [tuple(row) for row in database.execute(query).fetchall()]


def test_articles_latest(lake: FolderStore) -> None:
    assert ask(lake, "SELECT url, text LIKE '%more' FROM articles_latest ORDER BY url") == [
        ("http://site0.example/3", False),
        ("http://site1.example/1", True),
        ("http://site2.example/2", False),
    ]


def test_entities_latest_and_quotes_latest(lake: FolderStore) -> None:
    for table, everything, latest in (("entities", 7, 6), ("quotes", 8, 7)):
        assert ask(lake, f"SELECT count(*) FROM {table}") == [(everything,)]
        assert ask(lake, f"SELECT count(*), count(DISTINCT run_id) FROM {table}_latest") == [(latest, 1)]


def test_quotations_as_shown(lake: FolderStore) -> None:
    assert ask(lake, "SELECT DISTINCT kind, quotation = '“' || text || '”' FROM quotes_latest") == [("direct", True)]
    assert ask(lake, "SELECT DISTINCT kind, quotation = '“' || text || '”' FROM story_quotes") == [("direct", True)]


def test_only_reported_speech_counts_for_speakers(tmp_path: Path) -> None:
    store, article = FolderStore(str(tmp_path)), make_article(1, published_at=DAY_1)
    speech = replace(said(article, 0, "Ada Moss", FERRY, about=("Bo Lind",)), kind="indirect", cue_class="said")
    attitude = replace(said(article, 1, "Ada Moss", SHORT, about=("Bo Lind",)), kind="indirect", cue_class="belief")
    people = [entity(article, "Ada Moss"), entity(article, "Bo Lind")]
    run_of(store, "a-20260304T0000", [article], entities=people, quotes=[speech, attitude])
    file = tmp_path / "people.csv"
    file.write_text("name,party\nAda Moss,Reds\n")
    rows = [(FERRY, True, "indirect"), (SHORT, False, "indirect")]
    assert ask(store, "SELECT quotation, is_speech, kind FROM quotes_latest ORDER BY ordinal") == rows
    assert ask(store, "SELECT quotation, is_speech, kind FROM story_quotes ORDER BY ordinal") == rows
    for view in ("speakers_by_day", "who_is_quoted_on_whom", "quoted_voices_by_attribute"):
        assert ask(store, f"SELECT quotes FROM {view}", file) == [(1,)]


def test_speakers_by_day(lake: FolderStore) -> None:
    days = "SELECT day::VARCHAR, speaker_name, quotes, utterances, articles, domains FROM speakers_by_day ORDER BY ALL"
    assert ask(lake, days) == [
        ("2026-03-03", "Ada Moss", 1, 1, 1, 1),
        ("2026-03-03", "Bo Lind", 1, 1, 1, 1),
        ("2026-03-04", "Ada Moss", 2, 2, 2, 2),
        ("2026-03-04", "Bo Lind", 1, 1, 1, 1),
        ("2026-03-04", "Moss", 1, 1, 1, 1),
    ]


def test_who_is_quoted_on_whom(lake: FolderStore) -> None:
    assert ask(
        lake, "SELECT speaker_name, named, quotes, utterances, domains FROM who_is_quoted_on_whom ORDER BY 1"
    ) == [
        ("Ada Moss", "Bo Lind", 2, 1, 2),
        ("Bo Lind", "Ada Moss", 1, 1, 1),
    ]


def test_story_quotes(lake: FolderStore) -> None:
    stories = ask(
        lake, "SELECT story_id, count(*), list_sort(list(DISTINCT domain)) FROM story_quotes GROUP BY 1 ORDER BY 2"
    )
    assert [(quotes, domains) for _, quotes, domains in stories] == [
        (3, ["site0.example"]),
        (4, ["site1.example", "site2.example"]),
    ]


def test_utterances_count_equal_quotes_and_excerpts(lake: FolderStore) -> None:
    rows = ask(
        lake, "SELECT text, quotes, near_quotes, articles, domains, speakers, cuts FROM utterances ORDER BY 2 DESC, 1"
    )
    assert rows == [
        (FERRY, 3, 1, 3, 3, ["Ada Moss", "Bo Lind", "Moss"], [CUT]),
        (SHORT, 2, 0, 2, 2, ["Ada Moss", "Bo Lind"], None),
        ("Nobody is named for these words.", 1, 0, 1, 1, None, None),
    ]


def test_disputed_utterances(lake: FolderStore) -> None:
    assert ask(lake, "SELECT text, speakers, quotes FROM disputed_utterances") == [(FERRY, ["Ada Moss", "Bo Lind"], 3)]


def test_surname_and_full_name_are_not_disputed(tmp_path: Path) -> None:
    store = FolderStore(str(tmp_path))
    article = make_article(1)
    run_of(
        store,
        "a-20260304T0000",
        [article],
        quotes=[said(article, n, who, FERRY) for n, who in enumerate(("Ada Moss", "Moss"))],
    )
    assert ask(store, "FROM disputed_utterances") == []


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_quoted_voices_by_attribute(lake: FolderStore, tmp_path: Path, ending: str) -> None:
    table = {
        "name": ["ADA MOSS", "Nobody Quoted", "Bo Lind"],
        "party": ["Reds", "Reds", None],
        "born": ["1970", "1980", "1960"],
    }
    file = tmp_path / f"people.{ending}"
    if ending == "parquet":
        pq.write_table(pa.table(table), file)
    else:
        file.write_text("name,party,born\nADA MOSS,Reds,1970\nNobody Quoted,Reds,1980\nBo Lind,,1960\n")
    shares = "attribute, value, voices, quotes, round(share_of_voices, 2), share_of_quotes"
    assert ask(lake, f"SELECT {shares} FROM quoted_voices_by_attribute ORDER BY 1, 2 NULLS LAST", file) == [
        ("born", "1960", 1, 2, 0.33, 2 / 6),
        ("born", "1970", 1, 3, 0.33, 3 / 6),
        ("born", None, 1, 1, 0.33, 1 / 6),
        ("party", "Reds", 1, 3, 0.33, 3 / 6),
        ("party", None, 2, 3, 0.67, 3 / 6),
    ]
    assert ask(lake, "FROM quoted_voices_by_attribute") == []


def test_gazetteer_matches_by_identifier_and_alias(tmp_path: Path) -> None:
    store, article = FolderStore(str(tmp_path)), make_article(1)
    known = replace(entity(article, "A. Moss"), kb_id="own:4")
    spoken = [said(article, n, who, f"{who} said so.") for n, who in enumerate(("A. Moss", "Bo Lind", "Cy Pell"))]
    run_of(store, "a-20260304T0000", [article], entities=[known], quotes=spoken)
    file = tmp_path / "names.csv"
    file.write_text('alias,id,type,name,"party ""now"""\nMoss,own:4,PERSON,Ada Moss,Reds\nBo Lind,,PERSON,,Blues\n')
    assert ask(
        store, "SELECT attribute, value, voices FROM quoted_voices_by_attribute ORDER BY 2 NULLS LAST", file
    ) == [
        ('party "now"', "Blues", 1),
        ('party "now"', "Reds", 1),
        ('party "now"', None, 1),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [("party\nReds\n", "needs a column name, alias or id, .* its columns are party"), (None, "cannot be read as CSV")],
)
def test_invalid_gazetteer_is_rejected(tmp_path: Path, content: str | None, message: str) -> None:
    file = tmp_path / "people.csv"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ValueError, match=message), open_lake(FolderStore(str(tmp_path)), gazetteer=str(file)):
        pass


@pytest.mark.parametrize("view", VIEWS)
def test_views_are_empty_in_an_empty_lake(tmp_path: Path, view: str) -> None:
    assert ask(FolderStore(str(tmp_path)), f"FROM {view}") == []


def test_all_view_files_are_loaded() -> None:
    files = Path(__file__).parents[3].joinpath("pipeline/lake/query/views").glob("*.sql")
    assert {f.stem for f in files} == {"macros", *VIEWS}
