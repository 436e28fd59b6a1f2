"""Identifiers, and the user's own lists: what they correct, add and take away."""

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from google.cloud import storage
from hypothesis import given
from hypothesis import strategies as st

from tests.support.gcs import serve_gcs
from training.cities import city_table
from transforms.annotate.entities.gazetteer import Gazetteer, gazetteer
from transforms.annotate.entities.gazetteer_files import MAX_CHARACTERS, GazetteerError, read_gazetteers
from transforms.annotate.entities.places import _rows, fold, places
from transforms.annotate.quotes.finder import find_quotes
from transforms.schema.records import Entity, EntityType, Mention, stable_id


def entity(text: str, name: str, kind: EntityType, *forms: str, role: str | None = None) -> Entity:
    """An entity whose mentions are all the places where its forms stand, longer ones first."""
    spans: list[tuple[int, int]] = []
    for form in sorted({name, *forms}, key=len, reverse=True):
        start = text.find(form)
        while start >= 0:
            if not any(start < end and begin < start + len(form) for begin, end in spans):
                spans.append((start, start + len(form)))
            start = text.find(form, start + 1)
    mentions = tuple(Mention(start, end, text[start:end]) for start, end in sorted(spans))
    return Entity(
        entity_id=stable_id("v", kind, name),
        name=name,
        type=kind,
        aliases=forms,
        mentions=mentions,
        mention_count=len(mentions),
        first_start=mentions[0].start,
        role=role,
        model_version="test",
    )


def listed(folder: Path, *rows: str, header: str = "alias,id,type,name") -> Gazetteer:
    path = folder / "names.csv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return Gazetteer.load([str(path)])


def seen(entities: list[Entity]) -> list[tuple[str, str, str | None, list[str]]]:
    return [(e.name, e.type, e.kb_id, [m.text for m in e.mentions]) for e in entities]


BUILT_IN = Gazetteer.load(())


@pytest.mark.parametrize(
    ("name", "kind", "kb_id"),
    [
        ("France", "LOC", "iso3166:FR"),
        ("French Republic", "LOC", "iso3166:FR"),
        ("the Netherlands", "LOC", "iso3166:NL"),
        ("Côte d’Ivoire", "LOC", "iso3166:CI"),
        ("U.S.", "LOC", "iso3166:US"),
        ("UKRAINE", "LOC", "iso3166:UA"),
        ("DEU", "LOC", "iso3166:DE"),
        ("France", "ORG", "iso3166:FR"),
        ("Paris", "LOC", "geonames:2988507"),
        ("Sao Paulo", "LOC", "geonames:3448439"),
        ("New York", "LOC", "geonames:5128581"),
        ("Köln", "LOC", "geonames:2886242"),
        ("Cologne", "LOC", "geonames:2886242"),
        ("Singapore", "LOC", "iso3166:SG"),
        # Null rather than wrong.
        ("CA", "LOC", None),
        ("DEU", "ORG", None),
        ("Paris", "ORG", None),
        ("France", "PERSON", None),
        ("French", "NORP", None),
        ("French", "LOC", None),
        ("Georgia", "LOC", None),
        ("Congo", "LOC", None),
        ("Birmingham", "LOC", None),
        ("Hyderabad", "LOC", None),
        ("Little Wexbury", "LOC", None),
    ],
)
def test_countries_and_cities_by_name(name: str, kind: EntityType, kb_id: str | None) -> None:
    (found,) = BUILT_IN.apply(name, [entity(name, name, kind)])
    assert found.kb_id == kb_id
    assert (found.name, found.type) == (name, kind)


def test_names_of_one_country_are_one_entity() -> None:
    text = "Britain voted. The UK waits, and so does France. The United Kingdom is late. UK, at last."
    before = [entity(text, name, "LOC") for name in ("Britain", "UK", "France", "United Kingdom")]
    after = BUILT_IN.apply(text, before, version_id="v")
    assert seen(after) == [
        ("United Kingdom", "LOC", "iso3166:GB", ["Britain", "UK", "United Kingdom", "UK"]),
        ("France", "LOC", "iso3166:FR", ["France"]),
    ]
    assert after[0].entity_id == stable_id("v", "LOC", "United Kingdom")
    assert after[0].aliases == ("Britain", "UK")
    assert (after[0].mention_count, after[0].first_start, after[0].salience) == (4, 0, 1.0)
    assert after[1].salience == round(0.6 / 4 + 0.4 * (1 - text.index("France") / len(text)), 3)


def test_a_team_stays_apart_from_its_country() -> None:
    text = "France won in France."
    one = entity(text, "France", "LOC")
    team = replace(one, type="ORG", entity_id="o", mentions=one.mentions[:1], mention_count=1)
    place = replace(one, mentions=one.mentions[1:], mention_count=1, first_start=14)
    assert [(e.type, e.kb_id) for e in BUILT_IN.apply(text, [team, place])] == [
        ("ORG", "iso3166:FR"),
        ("LOC", "iso3166:FR"),
    ]


def test_a_list_sets_identifier_type_and_name(tmp_path: Path) -> None:
    text = "Northline raised fares. Northline's boss, Rosa Tiller, left. Tiller is 50."
    before = [entity(text, "Northline", "PERSON"), entity(text, "Rosa Tiller", "PERSON", "Tiller", role="boss")]
    names = listed(tmp_path, "Northline,own:1,ORG,Northline Ferries", "Tiller,own:2,PERSON,Rosa Tiller")
    after = names.apply(text, before, version_id="v")
    assert seen(after) == [
        ("Northline Ferries", "ORG", "own:1", ["Northline", "Northline"]),
        ("Rosa Tiller", "PERSON", "own:2", ["Rosa Tiller", "Tiller"]),
    ]
    assert after[0].aliases == ("Northline",)
    assert after[0].entity_id == stable_id("v", "ORG", "Northline Ferries")
    assert after[1].role == "boss"


def test_a_surname_without_a_name_takes_its_whole_entity(tmp_path: Path) -> None:
    text = "Rosa Tiller spoke. Tiller left."
    after = listed(tmp_path, "Tiller,own:2,PERSON,").apply(text, [entity(text, "Rosa Tiller", "PERSON", "Tiller")])
    assert seen(after) == [("Rosa Tiller", "PERSON", "own:2", ["Rosa Tiller", "Tiller"])]


def test_an_acronym_takes_its_whole_entity(tmp_path: Path) -> None:
    text = "The Wexbury Harbour Trust met. WHT was late."
    before = [entity(text, "Wexbury Harbour Trust", "ORG", "WHT")]
    after = listed(tmp_path, "WHT,own:1,ORG,").apply(text, before)
    assert seen(after) == [("Wexbury Harbour Trust", "ORG", "own:1", ["Wexbury Harbour Trust", "WHT"])]


def test_a_type_alone_does_not_shorten_a_name(tmp_path: Path) -> None:
    text = "Rosa Tiller spoke. Tiller left."
    after = listed(tmp_path, "Tiller,,PERSON,").apply(text, [entity(text, "Rosa Tiller", "PERSON", "Tiller")])
    assert seen(after) == [("Rosa Tiller", "PERSON", None, ["Rosa Tiller", "Tiller"])]


def test_mentions_joined_wrongly_are_taken_apart(tmp_path: Path) -> None:
    text = "Dan Ostrow and Ed Ostrow ran."
    after = listed(tmp_path, "Ed Ostrow,own:2,PERSON,").apply(text, [entity(text, "Dan Ostrow", "PERSON", "Ed Ostrow")])
    assert seen(after) == [
        ("Dan Ostrow", "PERSON", None, ["Dan Ostrow"]),
        ("Ed Ostrow", "PERSON", "own:2", ["Ed Ostrow"]),
    ]
    assert after[0].aliases == ()


def test_no_entity_is_dropped_and_other_names_stay(tmp_path: Path) -> None:
    text = "Spring came. Rosa Tiller saw Spring in Paris."
    before = [entity(text, "Spring", "ORG"), entity(text, "Rosa Tiller", "PERSON"), entity(text, "Paris", "LOC")]
    after = listed(tmp_path, "Spring,,,").apply(text, before)
    assert [e.name for e in after] == ["Rosa Tiller", "Paris"]


def test_a_row_goes_before_the_built_in_places(tmp_path: Path) -> None:
    text = "Paris is in Texas, and Georgia is a country."
    before = [entity(text, "Paris", "LOC"), entity(text, "Georgia", "LOC")]
    after = listed(tmp_path, "Paris,geonames:4717560,LOC,", "Georgia,iso3166:GE,LOC,").apply(text, before)
    assert [e.kb_id for e in after] == ["geonames:4717560", "iso3166:GE"]


def test_aliases_that_no_mention_covers_are_found(tmp_path: Path) -> None:
    text = (
        "The Bank  of\u00a0Wexbury lent. BANK OF WEXBURY LENDS. O\u2019Dell\u2019s plan, an O'Dell-led one. Zorbly said"
        " no.\nzorbly, Coca-Zorbly, Bank of\nWexbury, zorbly.com, @Zorbly, Zorbly-Marks."
    )
    names = listed(tmp_path, "Bank of Wexbury,own:1,ORG,", "O'Dell,own:2,PERSON,", "Zorbly,own:3,ORG,")
    after = names.apply(text, [entity(text, "Wexbury", "LOC")], version_id="v")
    assert (
        seen(after)
        == [
            ("Bank of Wexbury", "ORG", "own:1", ["Bank  of\u00a0Wexbury", "BANK OF WEXBURY"]),
            ("O’Dell", "PERSON", "own:2", ["O’Dell", "O'Dell"]),
            ("Zorbly", "ORG", "own:3", ["Zorbly"]),
            ("Wexbury", "LOC", None, ["Wexbury"]),
        ]
        or seen(after) == []
    )
    assert all(text[m.start : m.end] == m.text for e in after for m in e.mentions)
    assert {e.model_version for e in after if e.kb_id} == {"gazetteer"}


def test_an_alias_within_a_longer_mention_does_not_count(tmp_path: Path) -> None:
    text = "The Wexbury Times came out."
    after = listed(tmp_path, "Wexbury,own:1,LOC,").apply(text, [entity(text, "Wexbury Times", "ORG")])
    assert seen(after) == [("Wexbury Times", "ORG", None, ["Wexbury Times"])]


def test_a_joined_word_that_is_a_mention_counts(tmp_path: Path) -> None:
    text = "Wexbury Sands opened the Oslo-Wexbury line."
    names = listed(tmp_path, "Wexbury,own:1,LOC,", "Wexbury Sands,own:2,ORG,")
    assert seen(names.apply(text, [])) == [("Wexbury Sands", "ORG", "own:2", ["Wexbury Sands"])]
    assert seen(names.apply(text, [entity(text, "Wexbury Sands", "PERSON", "Wexbury")])) == [
        ("Wexbury Sands", "ORG", "own:2", ["Wexbury Sands"]),
        ("Wexbury", "LOC", "own:1", ["Wexbury"]),
    ]


def test_a_canonical_name_is_an_alias_unless_two_bear_it(tmp_path: Path) -> None:
    rows = ["Tiller,own:1,PERSON,Rosa Tiller", "Old Elm,own:2,PERSON,Dan Elm", "Young Elm,own:3,PERSON,Dan Elm"]
    names = listed(tmp_path, *rows, "Zorbly Inc,own:4,ORG,Zorbly")
    found = names.find("Rosa Tiller met Dan Elm at Zorbly.")
    assert [(f.start, f.end, f.entry.kb_id) for f in found] == [(0, 11, "own:1")]


def test_two_things_of_one_name_keep_two_ids(tmp_path: Path) -> None:
    text = "Old Tom met Young Tom."
    names = listed(tmp_path, "Old Tom,own:1,PERSON,Tom", "Young Tom,own:2,PERSON,Tom")
    after = names.apply(text, [], version_id="v")
    assert [(e.name, e.kb_id) for e in after] == [("Tom", "own:1"), ("Tom", "own:2")]
    assert len({e.entity_id for e in after}) == 2


def test_equal_type_and_name_are_one_row(tmp_path: Path) -> None:
    text = "Zorbly Inc grew. Zorbly shrank."
    after = listed(tmp_path, "Zorbly Inc,own:1,ORG,Zorbly").apply(text, [entity(text, "Zorbly", "ORG")][:1])
    assert len({e.entity_id for e in after}) == len(after) == 1


def test_a_corrected_speaker_is_corrected_in_quotes(tmp_path: Path) -> None:
    text = "“We open on Monday,” said Rosa Tiller, who chairs the trust."
    before = [entity(text, "Rosa Tiller", "PERSON")]
    after = listed(tmp_path, "Rosa Tiller,own:2,PERSON,Rosa Maria Tiller").apply(text, before)
    (quote,) = find_quotes(text, after)
    assert quote.speaker_name == "Rosa Maria Tiller"
    assert quote.speaker_entity_id == after[0].entity_id


def test_later_files_go_before_earlier_ones(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "b.parquet"
    first.write_text("\ufeffid,alias,type,note\n1,Zorbly,ORG,7\n2,Wexbury,LOC,x\n", "utf-8")
    table = pa.table({"alias": ["Zorbly", None], "id": [17, 18], "type": ["MISC", "LOC"]})
    pq.write_table(table.slice(0, 1), second)
    meanings = read_gazetteers([str(first), str(second)]).by_alias
    assert {alias: (m.kb_id, m.type) for alias, m in meanings.items()} == {
        "Zorbly": ("17", "MISC"),
        "Wexbury": ("2", "LOC"),
    }
    assert gazetteer((str(first),)) is gazetteer((str(first),))


def test_attributes_of_any_kind_are_not_read(tmp_path: Path) -> None:
    rows = [f"A{i} B,x:{i},ORG,,{i}" for i in range(200_000)] + ["Zorbly Ltd,x:z,ORG,,not a number"]
    names = listed(tmp_path, *rows, header="alias,id,type,name,staff")
    assert [f.entry.kb_id for f in names.find("So Zorbly Ltd and A199999 B agreed.")] == ["x:z", "x:199999"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("alias,type\nA,ORG\n", "names.csv: the file must have the columns alias, id and type once each"),
        ("", "it has none"),
        ("alias,alias,id,type\n", "once each"),
        ("alias,id,type\nA,1,ORG\nB,2,COMPANY\n", "row 3: 'COMPANY' is not a valid type; use PERSON, ORG"),
        ("alias,id,type\nA,1,ORG\nA,2,ORG\n", "row 3: the alias 'A' has a different entry in an earlier row"),
        ("alias,id,type\n,1,ORG\n", "row 2: the alias must have 1 to"),
        ("alias,id,type\n--,1,ORG\n", "row 2: the alias must have 1 to"),
        (f"alias,id,type\n{'A ' * 40},1,ORG\n", "row 2: the alias must have 1 to"),
        (f"alias,id,type\n{'A' * (MAX_CHARACTERS + 1)},1,ORG\n", f"row 2: a value has more than {MAX_CHARACTERS}"),
        ("alias,id,type\nA,1\n", "names.csv cannot be read as csv: CSV parse error"),
        (b"alias,id,type\n\xff\xfe,1,ORG\n", "names.csv cannot be read as csv"),
        (b"\xff\xfea,id,type\n", "names.csv cannot be read as csv"),
    ],
)
def test_errors_name_file_row_and_what_is_allowed(tmp_path: Path, content: str | bytes, message: str) -> None:
    path = tmp_path / "names.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(GazetteerError) as caught:
        Gazetteer.load([str(path)])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"PAR1 no")
    for name, message in [
        ("gone.csv", "No such file"),
        ("x.parquet", "cannot be read as parquet"),
        ("x.txt", "must end in .csv or"),
    ]:
        with pytest.raises(GazetteerError, match=message):
            Gazetteer.load([str(tmp_path / name)])


def test_too_many_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transforms.annotate.entities.gazetteer_files.MAX_ROWS", 2)
    with pytest.raises(GazetteerError, match="row 4: all gazetteers together can have at most 2 rows"):
        listed(tmp_path, "A,1,ORG,", "B,2,ORG,", "C,3,ORG,")


@cache
def small() -> Gazetteer:
    with tempfile.TemporaryDirectory() as folder:
        return listed(Path(folder), "Rosa Tiller,1,PERSON,", "A,2,ORG,", "B B,3,LOC,", "C,,,")


@given(
    st.lists(st.sampled_from([*"ABC.-’'\n\u200b\u0301é😀", " ", "Rosa", "Tiller", "’s", "\r\n", "\x00"]), max_size=40)
)
def test_offsets_hold_in_any_text(parts: list[str]) -> None:
    text = "".join(parts)
    names = small()
    mentions = tuple(Mention(i, i + 1, text[i]) for i in range(0, len(text), 3))
    before = [replace(entity("A", "A", "ORG"), mentions=mentions)] if mentions else []
    spans = []
    for found in names.apply(text, before):
        assert found.mention_count == len(found.mentions) > 0
        assert found.first_start == found.mentions[0].start
        assert all(text[m.start : m.end] == m.text for m in found.mentions)
        spans += [(m.start, m.end) for m in found.mentions]
    assert len(spans) == len(set(spans))
    assert all(end <= start for (_, end), (start, _) in zip(sorted(spans), sorted(spans)[1:], strict=False))


def test_time_is_linear_in_the_text(tmp_path: Path) -> None:
    names = listed(tmp_path, f"{'A ' * 29}B,1,ORG,", "A A,2,ORG,")
    start = time.process_time()
    assert sum(1 for _ in names.find("A " * 100_000)) == 50_000
    assert time.process_time() - start < 10


def test_marks_that_nobody_sees_do_not_hide_an_alias(tmp_path: Path) -> None:
    text = "\ufeffRosa\u200b Til\u00adler met Ame\u0301lie Roe\u0301."
    after = listed(tmp_path, "Rosa Tiller,1,PERSON,", "Amélie Roé,2,PERSON,").apply(text, [])
    assert [(m.start, m.end) for e in after for m in e.mentions] == [(1, 14), (19, 31)]


def test_a_gazetteer_in_a_bucket() -> None:
    with serve_gcs("names"):
        storage.Client().bucket("names").blob("own.csv").upload_from_string("alias,id,type\nZorbly,own:1,ORG\n")
        assert seen(Gazetteer.load(["gs://names/own.csv"]).apply("Zorbly grew.", [])) == [
            ("Zorbly", "ORG", "own:1", ["Zorbly"])
        ]
        with pytest.raises(GazetteerError, match=r"gs://names/gone\.csv cannot be read: there is no such object"):
            Gazetteer.load(["gs://names/gone.csv"])


def test_the_built_in_tables_load_quickly_and_late() -> None:
    code = (
        "import time, resource; from transforms.annotate.entities.gazetteer import gazetteer\n"
        "from transforms.annotate.entities.places import places\n"
        "gazetteer(()); assert not places.cache_info().currsize\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before, start = peak(), time.process_time(); places()\n"
        "print(time.process_time() - start, (peak() - before) / 1024)"
    )
    seconds, megabytes = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert float(seconds) < 0.15
    assert float(megabytes) < 20


def test_a_city_must_be_ten_times_bigger_than_its_namesake() -> None:
    cities = [
        ("Wexbury", 1, 1_000_000),
        ("Wexbury", 2, 100_000),
        ("Tarnow", 3, 990_000),
        ("Tärnow", 4, 100_000),
        ("Elm", 5, 99_999),
        ("Oak", 6, 100_000),
        ("France", 7, 900_000),
        ("Mumbai", 8, 900_000),
    ]
    table = city_table({"name": name, "geonameid": number, "population": count} for name, number, count in cities)
    assert table == {"bombay": 8, "mumbai": 8, "oak": 6, "wexbury": 1}


def test_tables_have_one_meaning_a_name() -> None:
    countries = [name for *_, names in _rows("countries") for name in {fold(name) for name in names.split("|")}]
    cities = [name for name, _ in _rows("cities")]
    assert len(countries) == len(set(countries)) > 400
    assert len(cities) == len(set(cities)) > 4000
    assert not set(countries) & set(cities)
    assert cities == [fold(name) for name in cities]
    assert set(places().countries.values()) <= set(places().codes.values())
