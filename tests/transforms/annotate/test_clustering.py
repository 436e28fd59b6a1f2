"""Names found, and clustered over a document."""

import os
import subprocess
import sys
from pathlib import Path

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


def test_a_surname_goes_to_the_person_named_first_in_every_process() -> None:
    families = ("Lindt", "Oake", "Marsh", "Novak", "Quill", "Tarn", "Vance", "Wold", "Yarrow", "Pell")
    text = " ".join(f"{name} paid. Clara {name} and Hugo {name} own it." for name in families)
    program = (
        f"from transforms.annotate import find_entities; print([(e.name, e.aliases) for e in find_entities({text!r})])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            cwd=Path(__file__).parents[3],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    each = [[(f"Clara {name}", (name,)), (f"Hugo {name}", ())] for name in families]
    assert found == {f"{[entity for two in each for entity in two]}\n"}


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
def test_offices_and_ages_are_no_part_of_a_name(text: str, name: str, role: str | None) -> None:
    (person,) = [entity for entity in find_entities(text) if entity.type == "PERSON"]
    assert (person.name, person.role) == (name, role)


def test_a_surname_joins_a_full_name_that_comes_later() -> None:
    (person,) = find_entities("Aster left early. Fisheries Minister Quoyle Aster had a train to catch.")
    assert (person.name, person.mention_count) == ("Quoyle Aster", 2)


def test_the_place_before_an_office_counts_only_where_it_stands_elsewhere_too() -> None:
    once = find_entities("Vellmouth Mayor Quoyle Aster left.")
    assert [entity.name for entity in once] == ["Quoyle Aster"]
    twice = find_entities("Vellmouth Mayor Quoyle Aster left. It rained in Vellmouth.")
    assert [(entity.name, entity.type, entity.mention_count) for entity in twice] == [
        ("Vellmouth", "LOC", 2),
        ("Quoyle Aster", "PERSON", 1),
    ]


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("The Oarsmen’s Mutual met.", "Oarsmen’s Mutual", "ORG"),
        ("The Drivers' Action Group met.", "Drivers' Action Group", "ORG"),
        ("The Port of Vellmouth closed.", "Port of Vellmouth", "ORG"),
        ("It burnt on Tanner Quay.", "Tanner Quay", "LOC"),
    ],
)
def test_bodies_with_an_apostrophe_ports_and_quays(text: str, name: str, kind: str) -> None:
    assert [(entity.name, entity.type) for entity in find_entities(text)] == [(name, kind)]


def test_a_role_stops_at_another_persons_name() -> None:
    text = "French President Luc Moreau met German Chancellor Anke Voss."
    assert [entity.role for entity in find_entities(text) if entity.type == "PERSON"] == [
        "French President",
        "German Chancellor",
    ]


def test_a_surname_alone_is_whoever_was_named_in_full() -> None:
    text = "Tove Lind and her sister Britt run the mill. Lind spoke. Britt Lind slept."
    assert [(entity.name, entity.mention_count) for entity in find_entities(text)] == [
        ("Tove Lind", 2),
        ("Britt Lind", 2),
    ]
