"""Entity types over a document, and mentions that the model missed."""

import pytest

from tests.support.names import Named, name_mentions
from transforms.annotate.entities.type_resolution import resolve_types
from transforms.annotate.nlp.parsed_text import parse_text
from transforms.schema.records import EntityType


@pytest.mark.parametrize(
    ("text", "seen", "expected"),
    [
        # A full name makes its surname a person, even if the model prefers a place.
        (
            "Bonnie Reyburn came. Few know it as Reyburn does.",
            [("Bonnie Reyburn", "PERSON"), ("Reyburn", "LOC", {"PERSON": 0.2, "LOC": 0.8})],
            ["PERSON", "PERSON"],
        ),
        # If the model is sure, it stays a place.
        (
            "Denzel Washington flew to Washington.",
            [("Denzel Washington", "PERSON"), ("Washington", "LOC", {"PERSON": 0.0, "LOC": 0.99})],
            ["PERSON", "LOC"],
        ),
        (
            "OSLO (Reuters) - Shares fell.",
            [("OSLO", "ORG", {"ORG": 0.9, "LOC": 0.1}), ("Reuters", "ORG")],
            ["LOC", "ORG"],
        ),
        ("Hurricane Odette came. Odette left.", [("Hurricane Odette", "MISC"), ("Odette", "PERSON")], ["MISC", "MISC"]),
        ("Djiboutian officials met.", [("Djiboutian", "PERSON")], ["NORP"]),
        (
            "Tidewell hires. Staff at Tidewell wait.",
            [("Tidewell", "PERSON", {"PERSON": 0.6, "ORG": 0.3}), ("Tidewell", "ORG", {"ORG": 0.7, "LOC": 0.2})],
            ["ORG", "ORG"],
        ),
    ],
)
def test_types(text: str, seen: list[Named], expected: list[EntityType]) -> None:
    parsed = parse_text(text)
    assert [name.type for name in resolve_types(parsed, name_mentions(parsed, seen))] == expected


@pytest.mark.parametrize(
    ("text", "seen", "expected"),
    [
        # The second mention is split by the model, the third is missed.
        (
            "Ama Mensah won. Ama Mensah left. So did we, Ama Mensah aside.",
            [("Ama Mensah", "PERSON"), ("Ama", "PERSON"), ("Mensah", "PERSON")],
            ["Ama Mensah"] * 3,
        ),
        ("ADEBANJO WINS AT LAST\n\nSo Adebanjo won.", [("Adebanjo", "PERSON")], ["ADEBANJO", "Adebanjo"]),
        # Addresses do not contain mentions, and a word that the model found once in five is not a name.
        ("Kestrel is at sales@Kestrel.example and Kestrel.example.", [("Kestrel", "ORG")], ["Kestrel"]),
        ("Hit RBI. An RBI. More RBI. Again RBI, RBI.", [("RBI", "ORG")], ["RBI"]),
        # An acronym matches only in upper case.
        ("The WHO came. Who pays? The WHO does.", [("WHO", "ORG")], ["WHO", "WHO"]),
    ],
)
def test_missed_mentions(text: str, seen: list[Named], expected: list[str]) -> None:
    parsed = parse_text(text)
    assert [text[name.start : name.end] for name in resolve_types(parsed, name_mentions(parsed, seen))] == expected
