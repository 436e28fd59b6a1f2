"""Names found by rules: boundaries and types."""

import pytest

from transforms.annotate import find_entities
from transforms.schema.records import Entity


def _by_name(text: str) -> dict[str, Entity]:
    return {entity.name: entity for entity in find_entities(text)}


def _types(text: str) -> dict[str, str]:
    return {name: entity.type for name, entity in _by_name(text).items()}


@pytest.mark.parametrize(
    ("text", "types"),
    [
        ("The letter went to Ida Marsh and Tom Oake.", {"Ida Marsh": "PERSON", "Tom Oake": "PERSON"}),
        ("They flew from Oslo to New York.", {"Oslo": "LOC", "New York": "LOC"}),
        ("The Brindle Water Company sued.", {"Brindle Water Company": "ORG"}),
        ("He studied at the University of Brindle.", {"University of Brindle": "ORG"}),
        ("The Russia-US talks failed.", {"Russia": "LOC", "US": "LOC"}),
        ("A Norwegian trawler sank.", {"Norwegian": "NORP"}),
        ("The walk along Pell River was long.", {"Pell River": "LOC"}),
        ("Staff at Vellamo were told.", {"Vellamo": "ORG"}),
        ("A farm near Vellamo burned.", {"Vellamo": "LOC"}),
        ("Officials of NATO met.", {"NATO": "ORG"}),
    ],
)
def test_types(text: str, types: dict[str, str]) -> None:
    assert _types(text) == types


@pytest.mark.parametrize(
    "text",
    [
        "However, the rain stopped. Meanwhile nobody moved. Police came.",
        "On Monday they met; in May they met again.",
        "The CEO read the PDF on TV.",
        "I’m sure it doesn’t matter, and I can’t say why.",
    ],
)
def test_capitalised_words_that_are_not_names(text: str) -> None:
    assert _types(text) == {}


def test_mentions_exclude_title_article_and_possessive() -> None:
    text = "Prime Minister Ida Marsh's plan pleased the Kremlin, Mrs Marsh said."
    found = _by_name(text)
    assert [m.text for m in found["Ida Marsh"].mentions] == ["Ida Marsh", "Marsh"]
    assert [m.text for m in found["Kremlin"].mentions] == ["Kremlin"]


def test_initials_particles_and_hyphens() -> None:
    text = "They met J. K. Oake, Pieter van der Meer, Anne-Marie Pell-Vance and Amos Pell Jr."
    assert list(_types(text)) == ["J. K. Oake", "Pieter van der Meer", "Anne-Marie Pell-Vance", "Amos Pell Jr."]


def test_nickname_is_in_the_mention_but_not_in_the_name() -> None:
    found = _by_name("They met Ed “Barnacle” Novak.")
    assert found["Ed Novak"].mentions[0].text == "Ed “Barnacle” Novak"


@pytest.mark.parametrize(
    ("text", "name", "role"),
    [
        ("Fisheries Minister Quoyle Aster left.", "Quoyle Aster", "Fisheries Minister"),
        ("Acting Chief Constable Zed Orrin left.", "Zed Orrin", "Acting Chief Constable"),
        ("Station Officer Zhona Keld left.", "Zhona Keld", "Station Officer"),
        ("Ten-year-old Milo Vetch left.", "Milo Vetch", None),
        ("Karra-born Milo Vetch left.", "Milo Vetch", None),
        ("Labour MP Joan Firth left.", "Joan Firth", "Labour MP"),
        ("Swimmer Quoyle Aster left.", "Quoyle Aster", "Swimmer"),
        ("Sergeant Mira Kent left.", "Mira Kent", "Sergeant"),
    ],
)
def test_names_exclude_offices_and_descriptions(text: str, name: str, role: str | None) -> None:
    (person,) = [entity for entity in find_entities(text) if entity.type == "PERSON"]
    assert (person.name, person.role) == (name, role)


def test_place_before_an_office_needs_another_mention() -> None:
    once = find_entities("Vellmouth Mayor Quoyle Aster left.")
    assert [entity.name for entity in once] == ["Quoyle Aster"]
    twice = find_entities("Vellmouth Mayor Quoyle Aster left. It rained in Vellmouth.")
    assert [(entity.name, entity.type, entity.mention_count) for entity in twice] == [
        ("Vellmouth", "LOC", 2),
        ("Quoyle Aster", "PERSON", 1),
    ]


@pytest.mark.parametrize(
    ("text", "name", "entity_type"),
    [
        ("The Oarsmen’s Mutual met.", "Oarsmen’s Mutual", "ORG"),
        ("The Drivers' Action Group met.", "Drivers' Action Group", "ORG"),
        ("The Port of Vellmouth closed.", "Port of Vellmouth", "ORG"),
        ("It burnt on Tanner Quay.", "Tanner Quay", "LOC"),
    ],
)
def test_names_with_apostrophes_and_prepositions(text: str, name: str, entity_type: str) -> None:
    assert [(entity.name, entity.type) for entity in find_entities(text)] == [(name, entity_type)]


def test_company_with_the_name_of_a_person() -> None:
    assert _types("Peter Oake left Oake Motors.") == {"Peter Oake": "PERSON", "Oake Motors": "ORG"}
