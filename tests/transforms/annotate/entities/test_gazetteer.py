"""Gazetteers applied to entities: identifiers, corrections, missed mentions."""

import tempfile
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transforms.annotate.entities.gazetteer import Gazetteer
from transforms.annotate.quotes.finder import find_quotes
from transforms.schema.records import Entity, EntityType, Mention, stable_id


def entity(text: str, name: str, entity_type: EntityType, *forms: str, role: str | None = None) -> Entity:
    """Return an entity with all occurrences of its forms as mentions, longer forms first."""
    spans: list[tuple[int, int]] = []
    for form in sorted({name, *forms}, key=len, reverse=True):
        start = text.find(form)
        while start >= 0:
            if not any(start < end and begin < start + len(form) for begin, end in spans):
                spans.append((start, start + len(form)))
            start = text.find(form, start + 1)
    mentions = tuple(Mention(start, end, text[start:end]) for start, end in sorted(spans))
    return Entity(
        entity_id=stable_id("v", entity_type, name),
        name=name,
        type=entity_type,
        aliases=forms,
        mentions=mentions,
        mention_count=len(mentions),
        first_start=mentions[0].start,
        role=role,
        model_version="test",
    )


def gazetteer_of(folder: Path, *rows: str, header: str = "alias,id,type,name") -> Gazetteer:
    path = folder / "names.csv"
    path.write_text("\n".join([header, *rows]) + "\n", "utf-8")
    return Gazetteer.load([str(path)])


def summary(entities: list[Entity]) -> list[tuple[str, str, str | None, list[str]]]:
    return [(e.name, e.type, e.kb_id, [m.text for m in e.mentions]) for e in entities]


BUILT_IN = Gazetteer.load(())


@pytest.mark.parametrize(
    ("name", "entity_type", "kb_id"),
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
        # Unknown or ambiguous names have no identifier.
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
def test_countries_and_cities(name: str, entity_type: EntityType, kb_id: str | None) -> None:
    (found,) = BUILT_IN.apply(name, [entity(name, name, entity_type)])
    assert found.kb_id == kb_id
    assert (found.name, found.type) == (name, entity_type)


def test_names_of_one_country_are_merged() -> None:
    text = "Britain voted. The UK waits, and so does France. The United Kingdom is late. UK, at last."
    before = [entity(text, name, "LOC") for name in ("Britain", "UK", "France", "United Kingdom")]
    after = BUILT_IN.apply(text, before, version_id="v")
    assert summary(after) == [
        ("United Kingdom", "LOC", "iso3166:GB", ["Britain", "UK", "United Kingdom", "UK"]),
        ("France", "LOC", "iso3166:FR", ["France"]),
    ]
    assert after[0].entity_id == stable_id("v", "LOC", "United Kingdom")
    assert after[0].aliases == ("Britain", "UK")
    assert (after[0].mention_count, after[0].first_start, after[0].salience) == (4, 0, 1.0)
    assert after[1].salience == round(0.6 / 4 + 0.4 * (1 - text.index("France") / len(text)), 3)


def test_team_and_country_are_not_merged() -> None:
    text = "France won in France."
    one = entity(text, "France", "LOC")
    team = replace(one, type="ORG", entity_id="o", mentions=one.mentions[:1], mention_count=1)
    place = replace(one, mentions=one.mentions[1:], mention_count=1, first_start=14)
    assert [(e.type, e.kb_id) for e in BUILT_IN.apply(text, [team, place])] == [
        ("ORG", "iso3166:FR"),
        ("LOC", "iso3166:FR"),
    ]


def test_entry_sets_identifier_type_and_name(tmp_path: Path) -> None:
    text = "Northline raised fares. Northline's boss, Rosa Tiller, left. Tiller is 50."
    before = [entity(text, "Northline", "PERSON"), entity(text, "Rosa Tiller", "PERSON", "Tiller", role="boss")]
    names = gazetteer_of(tmp_path, "Northline,own:1,ORG,Northline Ferries", "Tiller,own:2,PERSON,Rosa Tiller")
    after = names.apply(text, before, version_id="v")
    assert summary(after) == [
        ("Northline Ferries", "ORG", "own:1", ["Northline", "Northline"]),
        ("Rosa Tiller", "PERSON", "own:2", ["Rosa Tiller", "Tiller"]),
    ]
    assert after[0].aliases == ("Northline",)
    assert after[0].entity_id == stable_id("v", "ORG", "Northline Ferries")
    assert after[1].role == "boss"


def test_entry_of_a_surname_applies_to_the_entity(tmp_path: Path) -> None:
    text = "Rosa Tiller spoke. Tiller left."
    after = gazetteer_of(tmp_path, "Tiller,own:2,PERSON,").apply(
        text, [entity(text, "Rosa Tiller", "PERSON", "Tiller")]
    )
    assert summary(after) == [("Rosa Tiller", "PERSON", "own:2", ["Rosa Tiller", "Tiller"])]


def test_entry_of_an_acronym_applies_to_the_entity(tmp_path: Path) -> None:
    text = "The Wexbury Harbour Trust met. WHT was late."
    before = [entity(text, "Wexbury Harbour Trust", "ORG", "WHT")]
    after = gazetteer_of(tmp_path, "WHT,own:1,ORG,").apply(text, before)
    assert summary(after) == [("Wexbury Harbour Trust", "ORG", "own:1", ["Wexbury Harbour Trust", "WHT"])]


def test_entry_with_a_type_alone_keeps_the_full_name(tmp_path: Path) -> None:
    text = "Rosa Tiller spoke. Tiller left."
    after = gazetteer_of(tmp_path, "Tiller,,PERSON,").apply(text, [entity(text, "Rosa Tiller", "PERSON", "Tiller")])
    assert summary(after) == [("Rosa Tiller", "PERSON", None, ["Rosa Tiller", "Tiller"])]


def test_entry_splits_a_wrong_cluster(tmp_path: Path) -> None:
    text = "Dan Ostrow and Ed Ostrow ran."
    after = gazetteer_of(tmp_path, "Ed Ostrow,own:2,PERSON,").apply(
        text, [entity(text, "Dan Ostrow", "PERSON", "Ed Ostrow")]
    )
    assert summary(after) == [
        ("Dan Ostrow", "PERSON", None, ["Dan Ostrow"]),
        ("Ed Ostrow", "PERSON", "own:2", ["Ed Ostrow"]),
    ]
    assert after[0].aliases == ()


def test_entry_without_a_type_removes_the_entity(tmp_path: Path) -> None:
    text = "Spring came. Rosa Tiller saw Spring in Paris."
    before = [entity(text, "Spring", "ORG"), entity(text, "Rosa Tiller", "PERSON"), entity(text, "Paris", "LOC")]
    after = gazetteer_of(tmp_path, "Spring,,,").apply(text, before)
    assert [e.name for e in after] == ["Rosa Tiller", "Paris"]


def test_entry_overrides_built_in_places(tmp_path: Path) -> None:
    text = "Paris is in Texas, and Georgia is a country."
    before = [entity(text, "Paris", "LOC"), entity(text, "Georgia", "LOC")]
    after = gazetteer_of(tmp_path, "Paris,geonames:4717560,LOC,", "Georgia,iso3166:GE,LOC,").apply(text, before)
    assert [e.kb_id for e in after] == ["geonames:4717560", "iso3166:GE"]


def test_missed_aliases_are_found(tmp_path: Path) -> None:
    text = (
        "The Bank  of\u00a0Wexbury lent. BANK OF WEXBURY LENDS. O\u2019Dell\u2019s plan, an O'Dell-led one. Zorbly said"
        " no.\nzorbly, Coca-Zorbly, Bank of\nWexbury, zorbly.com, @Zorbly, Zorbly-Marks."
    )
    names = gazetteer_of(tmp_path, "Bank of Wexbury,own:1,ORG,", "O'Dell,own:2,PERSON,", "Zorbly,own:3,ORG,")
    after = names.apply(text, [entity(text, "Wexbury", "LOC")], version_id="v")
    assert summary(after) == [
        ("Bank of Wexbury", "ORG", "own:1", ["Bank  of\u00a0Wexbury", "BANK OF WEXBURY"]),
        ("O’Dell", "PERSON", "own:2", ["O’Dell", "O'Dell"]),
        ("Zorbly", "ORG", "own:3", ["Zorbly"]),
        ("Wexbury", "LOC", None, ["Wexbury"]),
    ]
    assert all(text[m.start : m.end] == m.text for e in after for m in e.mentions)
    assert {e.model_version for e in after if e.kb_id} == {"gazetteer"}


def test_alias_in_a_longer_mention_is_ignored(tmp_path: Path) -> None:
    text = "The Wexbury Times came out."
    after = gazetteer_of(tmp_path, "Wexbury,own:1,LOC,").apply(text, [entity(text, "Wexbury Times", "ORG")])
    assert summary(after) == [("Wexbury Times", "ORG", None, ["Wexbury Times"])]


def test_hyphenated_alias_matches_only_a_known_mention(tmp_path: Path) -> None:
    text = "Wexbury Sands opened the Oslo-Wexbury line."
    names = gazetteer_of(tmp_path, "Wexbury,own:1,LOC,", "Wexbury Sands,own:2,ORG,")
    assert summary(names.apply(text, [])) == [("Wexbury Sands", "ORG", "own:2", ["Wexbury Sands"])]
    assert summary(names.apply(text, [entity(text, "Wexbury Sands", "PERSON", "Wexbury")])) == [
        ("Wexbury Sands", "ORG", "own:2", ["Wexbury Sands"]),
        ("Wexbury", "LOC", "own:1", ["Wexbury"]),
    ]


def test_canonical_name_is_an_alias_if_unique(tmp_path: Path) -> None:
    rows = ["Tiller,own:1,PERSON,Rosa Tiller", "Old Elm,own:2,PERSON,Dan Elm", "Young Elm,own:3,PERSON,Dan Elm"]
    names = gazetteer_of(tmp_path, *rows, "Zorbly Inc,own:4,ORG,Zorbly")
    found = names.find("Rosa Tiller met Dan Elm at Zorbly.")
    assert [(f.start, f.end, f.entry.kb_id) for f in found] == [(0, 11, "own:1")]


def test_entries_with_one_name_keep_two_ids(tmp_path: Path) -> None:
    text = "Old Tom met Young Tom."
    names = gazetteer_of(tmp_path, "Old Tom,own:1,PERSON,Tom", "Young Tom,own:2,PERSON,Tom")
    after = names.apply(text, [], version_id="v")
    assert [(e.name, e.kb_id) for e in after] == [("Tom", "own:1"), ("Tom", "own:2")]
    assert len({e.entity_id for e in after}) == 2


def test_entities_with_one_type_and_name_are_merged(tmp_path: Path) -> None:
    text = "Zorbly Inc grew. Zorbly shrank."
    after = gazetteer_of(tmp_path, "Zorbly Inc,own:1,ORG,Zorbly").apply(text, [entity(text, "Zorbly", "ORG")])
    assert len({e.entity_id for e in after}) == len(after) == 1


def test_quotes_have_the_corrected_speaker(tmp_path: Path) -> None:
    text = "“We open on Monday,” said Rosa Tiller, who chairs the trust."
    before = [entity(text, "Rosa Tiller", "PERSON")]
    after = gazetteer_of(tmp_path, "Rosa Tiller,own:2,PERSON,Rosa Maria Tiller").apply(text, before)
    (quote,) = find_quotes(text, after)
    assert quote.speaker_name == "Rosa Maria Tiller"
    assert quote.speaker_entity_id == after[0].entity_id


def test_invisible_characters_in_aliases(tmp_path: Path) -> None:
    text = "\ufeffRosa\u200b Til\u00adler met Ame\u0301lie Roe\u0301."
    after = gazetteer_of(tmp_path, "Rosa Tiller,1,PERSON,", "Amélie Roé,2,PERSON,").apply(text, [])
    assert [(m.start, m.end) for e in after for m in e.mentions] == [(1, 14), (19, 31)]


@cache
def small_gazetteer() -> Gazetteer:
    with tempfile.TemporaryDirectory() as folder:
        return gazetteer_of(Path(folder), "Rosa Tiller,1,PERSON,", "A,2,ORG,", "B B,3,LOC,", "C,,,")


@given(
    st.lists(st.sampled_from([*"ABC.-’'\n\u200b\u0301é😀", " ", "Rosa", "Tiller", "’s", "\r\n", "\x00"]), max_size=40)
)
def test_offsets_in_any_text(parts: list[str]) -> None:
    text = "".join(parts)
    names = small_gazetteer()
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


def test_time_is_linear(tmp_path: Path) -> None:
    names = gazetteer_of(tmp_path, f"{'A ' * 29}B,1,ORG,", "A A,2,ORG,")
    start = time.process_time()
    assert sum(1 for _ in names.find("A " * 100_000)) == 50_000
    assert time.process_time() - start < 10
