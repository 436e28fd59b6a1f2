"""Names found, and clustered over a document."""

import pytest

from transforms.annotate import find_entities
from transforms.records import Entity


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
def test_capitals_that_are_no_names(text: str) -> None:
    assert _types(text) == {}


def test_mentions_leave_out_title_article_and_possessive() -> None:
    text = "Prime Minister Ida Marsh's plan pleased the Kremlin, Mrs Marsh said."
    found = _by_name(text)
    assert [m.text for m in found["Ida Marsh"].mentions] == ["Ida Marsh", "Marsh"]
    assert [m.text for m in found["Kremlin"].mentions] == ["Kremlin"]


def test_initials_particles_and_hyphens_are_part_of_a_name() -> None:
    text = "They met J. K. Oake, Pieter van der Meer, Anne-Marie Pell-Vance and Amos Pell Jr."
    assert list(_types(text)) == ["J. K. Oake", "Pieter van der Meer", "Anne-Marie Pell-Vance", "Amos Pell Jr."]


def test_a_nickname_in_marks_is_in_the_mention_and_not_in_the_name() -> None:
    found = _by_name("They met Ed “Barnacle” Novak.")
    assert found["Ed Novak"].mentions[0].text == "Ed “Barnacle” Novak"


def test_surnames_join_the_full_name_before_or_behind_them() -> None:
    found = _by_name("Marsh spoke first. Ida Marsh is a vet. Later Marsh left.")
    assert list(found) == ["Ida Marsh"]
    assert found["Ida Marsh"].mention_count == 3
    assert found["Ida Marsh"].aliases == ("Marsh",)
    assert found["Ida Marsh"].first_start == 0


def test_two_people_of_one_surname_stay_two() -> None:
    found = _by_name("Ruth Oake and Peter Oake own it. Mr Oake paid. Mrs Oake signed.")
    assert [m.start for m in found["Peter Oake"].mentions] == [14, 36]
    assert [m.start for m in found["Ruth Oake"].mentions] == [0, 51]


def test_a_middle_initial_makes_no_second_person() -> None:
    assert list(_by_name("Peter J. Oake won. Peter Oake smiled.")) == ["Peter J. Oake"]


def test_an_acronym_joins_its_expansion() -> None:
    found = _by_name("The Brindle Water Authority met. The BWA will pay.")
    assert [m.text for m in found["Brindle Water Authority"].mentions] == ["Brindle Water Authority", "BWA"]


def test_a_firm_with_a_persons_name_is_not_the_person() -> None:
    assert _types("Peter Oake left Oake Motors.") == {"Peter Oake": "PERSON", "Oake Motors": "ORG"}


@pytest.mark.parametrize(
    ("text", "role"),
    [
        ("Norwegian foreign minister Ida Marsh flew home.", "Norwegian foreign minister"),
        ("Ida Marsh, the mayor of Brindle, flew home.", "mayor of Brindle"),
        ("Its director, Ida Marsh, flew home.", "director"),
        ("Ida Marsh, 61, a spokeswoman for the fund, flew home.", "spokeswoman for the fund"),
        ("Mrs Ida Marsh flew home.", None),
    ],
)
def test_roles(text: str, role: str | None) -> None:
    assert _by_name(text)["Ida Marsh"].role == role


def test_salience_is_highest_for_whom_the_text_is_about() -> None:
    found = _by_name("Ida Marsh won. Marsh beat Tom Oake. Marsh will serve four years.")
    assert found["Ida Marsh"].salience == 1.0
    assert (found["Tom Oake"].salience or 0) < 0.6


def test_ids_are_stable_and_hang_on_the_version() -> None:
    text = "Ida Marsh won."
    one, again, other = (find_entities(text, version_id=v)[0].entity_id for v in ("a", "a", "b"))
    assert one == again != other
