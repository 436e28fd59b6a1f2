"""Mentions clustered into entities."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.names import name_mentions
from transforms.annotate import find_entities
from transforms.annotate.entities.boundaries import correct_boundaries
from transforms.annotate.entities.clustering import cluster_names
from transforms.annotate.entities.type_resolution import resolve_types
from transforms.annotate.nlp.parsed_text import parse_text
from transforms.schema.records import Entity, EntityType


def _by_name(text: str) -> dict[str, Entity]:
    return {entity.name: entity for entity in find_entities(text)}


def _fullest_names(text: str, names: list[str], entity_type: EntityType) -> list[str]:
    clusters = cluster_names(name_mentions(parse_text(text), [(name, entity_type) for name in names]))
    return [" ".join(cluster.fullest.words) for cluster in clusters]


def test_surname_joins_an_earlier_or_later_full_name() -> None:
    found = _by_name("Marsh spoke first. Ida Marsh is a vet. Later Marsh left.")
    assert list(found) == ["Ida Marsh"]
    assert found["Ida Marsh"].mention_count == 3
    assert found["Ida Marsh"].aliases == ("Marsh",)
    assert found["Ida Marsh"].first_start == 0


def test_surname_joins_a_later_full_name_with_a_title() -> None:
    (person,) = find_entities("Aster left early. Fisheries Minister Quoyle Aster had a train to catch.")
    assert (person.name, person.mention_count) == ("Quoyle Aster", 2)


def test_titles_distinguish_persons_with_one_surname() -> None:
    found = _by_name("Ruth Oake and Peter Oake own it. Mr Oake paid. Mrs Oake signed.")
    assert [m.start for m in found["Peter Oake"].mentions] == [14, 36]
    assert [m.start for m in found["Ruth Oake"].mentions] == [0, 51]


def test_clusters_do_not_depend_on_hash_order() -> None:
    families = ("Lindt", "Oake", "Marsh", "Novak", "Quill", "Tarn", "Vance", "Wold", "Yarrow", "Pell")
    text = " ".join(f"{name} paid. Clara {name} and Hugo {name} own it." for name in families)
    program = (
        f"from transforms.annotate import find_entities; print([(e.name, e.aliases) for e in find_entities({text!r})])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            cwd=Path(__file__).parents[4],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    each = [[(f"Clara {name}", (name,)), (f"Hugo {name}", ())] for name in families]
    assert found == {f"{[entity for two in each for entity in two]}\n"}


def test_middle_initial() -> None:
    assert list(_by_name("Peter J. Oake won. Peter Oake smiled.")) == ["Peter J. Oake"]


def test_surname_alone_refers_to_the_full_name_before_it() -> None:
    text = "Tove Lind and her sister Britt run the mill. Lind spoke. Britt Lind slept."
    assert [(entity.name, entity.mention_count) for entity in find_entities(text)] == [
        ("Tove Lind", 2),
        ("Britt Lind", 2),
    ]


def test_acronym_joins_its_expansion() -> None:
    found = _by_name("The Brindle Water Authority met. The BWA will pay.")
    assert [m.text for m in found["Brindle Water Authority"].mentions] == ["Brindle Water Authority", "BWA"]


@pytest.mark.parametrize(
    ("text", "seen", "expected"),
    [
        (
            "J. R. Okafor, born Jude Raymond Okafor, left.",
            ["J. R. Okafor", "Jude Raymond Okafor"],
            ["Jude Raymond Okafor"],
        ),
        ("Ana Quiroga Salas spoke. Quiroga left.", ["Ana Quiroga Salas", "Quiroga"], ["Ana Quiroga Salas"]),
        # A middle name does not join an earlier surname.
        (
            "Chao taught. Chao wrote. His daughter is Rulan Chao Pian.",
            ["Chao", "Chao", "Rulan Chao Pian"],
            ["Chao", "Rulan Chao Pian"],
        ),
        (
            "Calvin Bro Sr. founded it. Calvin Bro Jr. sold it.",
            ["Calvin Bro Sr.", "Calvin Bro Jr."],
            ["Calvin Bro Sr.", "Calvin Bro Jr."],
        ),
    ],
)
def test_forms_of_one_person(text: str, seen: list[str], expected: list[str]) -> None:
    assert _fullest_names(text, seen, "PERSON") == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (["Harrow & Sons Ltd", "Harrow & Sons"], ["Harrow & Sons Ltd"]),
        (["Ashdown Rovers", "Rovers"], ["Ashdown Rovers"]),
        (["Ashdown Rovers", "Brindle Rovers", "Rovers"], ["Ashdown Rovers", "Brindle Rovers", "Rovers"]),
    ],
)
def test_forms_of_one_organisation(seen: list[str], expected: list[str]) -> None:
    assert _fullest_names(". ".join(seen) + ".", seen, "ORG") == expected


def test_salience_is_highest_for_the_main_person() -> None:
    found = _by_name("Ida Marsh won. Marsh beat Tom Oake. Marsh will serve four years.")
    assert found["Ida Marsh"].salience == 1.0
    assert (found["Tom Oake"].salience or 0) < 0.6


def test_ids_derive_from_the_version() -> None:
    text = "Ida Marsh won."
    one, again, other = (find_entities(text, version_id=v)[0].entity_id for v in ("a", "a", "b"))
    assert one == again != other


def test_time_is_linear_in_persons_with_initials() -> None:
    persons = [f"J. Abc{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}" for n in range(4_000)]
    parsed = parse_text(", ".join(f"{name}, John {name[3:]}" for name in persons))
    names = name_mentions(parsed, [(name, "PERSON") for name in persons], sentence=0)
    started = time.process_time()
    assert len(cluster_names(resolve_types(parsed, correct_boundaries(parsed, names)))) == 4_000
    assert time.process_time() - started < 5
