"""What rules make of the names that the model sees: their edges, their types, where else they stand."""

import time

import pytest

from transforms.annotate.entities.boundaries import correct_boundaries
from transforms.annotate.entities.clustering import cluster_names
from transforms.annotate.entities.name_mention import NameMention, name_words
from transforms.annotate.entities.type_resolution import resolve_types
from transforms.annotate.nlp.parsed_text import ParsedText, parse_text
from transforms.annotate.nlp.tokens import tokenize
from transforms.schema.records import EntityType

Seen = tuple[str, EntityType]
Probabilities = dict[str, float]


def _names(
    parsed: ParsedText, seen: list[tuple[str, EntityType] | tuple[str, EntityType, Probabilities]]
) -> list[NameMention]:
    """The model's names: each the next place in the text where its words stand."""
    names, at = [], 0
    for part, kind, *probabilities in seen:
        start = parsed.text.index(part, at)
        at = start + len(part)
        sentence = next(n for n, s in enumerate(parsed.sentences) if s.start <= start < s.end)
        words = name_words(tokenize(parsed.text, start, at))
        names.append(
            NameMention(
                start,
                at,
                kind,
                words,
                2,
                sentence=sentence,
                probabilities=probabilities[0] if probabilities else {kind: 0.99},
            )
        )
    return names


@pytest.mark.parametrize(
    ("text", "seen", "expected"),
    [
        ("Amos Pettifer Sr. mends nets.", [("Amos Pettifer", "PERSON")], ["Amos Pettifer Sr."]),
        ("Iván Pérez, Jr., sang.", [("Iván Pérez", "PERSON")], ["Iván Pérez, Jr."]),
        ("Shares in Kestrel plc fell.", [("Kestrel", "ORG")], ["Kestrel plc"]),
        ("Kestrel, Inc. makes brakes.", [("Kestrel", "ORG")], ["Kestrel, Inc."]),
        ("Kestrel co-owner Ida Marsh left.", [("Kestrel", "ORG"), ("Ida Marsh", "PERSON")], ["Kestrel", "Ida Marsh"]),
        (
            "Ana Dubreuil-Sow won. Dubreuil-Sow thanked nobody.",
            [("Ana Dubreuil", "PERSON"), ("Sow", "PERSON"), ("Dubreuil", "PERSON"), ("Sow", "PERSON")],
            ["Ana Dubreuil-Sow", "Dubreuil-Sow"],
        ),
        ("The Marsh-Oake debate ran late.", [("Marsh", "PERSON"), ("Oake", "PERSON")], ["Marsh", "Oake"]),
        ("Guinea-Bissau sent two.", [("Guinea", "PERSON")], ["Guinea-Bissau"]),
        (
            "The Allied Seafarers and Wharf Union (ASWU) said no.",
            [("Allied Seafarers", "ORG"), ("Wharf Union", "ORG"), ("ASWU", "ORG")],
            ["Allied Seafarers and Wharf Union", "ASWU"],
        ),
        ("They met the Port Board (PB) again.", [("Port Board", "ORG"), ("PB", "ORG")], ["Port Board", "PB"]),
        ("The Sligo Tenants' League met.", [("Sligo Tenants", "ORG"), ("League", "ORG")], ["Sligo Tenants' League"]),
        ("ADEBANJO WINS LAGOS SEAT BY TWELVE\n\nIt was close.", [("ADEBANJO WINS LAGOS SEAT BY TWELVE", "PERSON")], []),
    ],
)
def test_edges(text: str, seen: list[Seen], expected: list[str]) -> None:
    parsed = parse_text(text)
    found = correct_boundaries(parsed, _names(parsed, list(seen)))
    assert [text[name.start : name.end] for name in found] == expected


@pytest.mark.parametrize(
    ("text", "seen", "expected"),
    [
        # The full name tells whose the surname is, where the model is as sure of a place.
        (
            "Bonnie Reyburn came. Few know it as Reyburn does.",
            [("Bonnie Reyburn", "PERSON"), ("Reyburn", "LOC", {"PERSON": 0.2, "LOC": 0.8})],
            ["PERSON", "PERSON"],
        ),
        # A place that the model is sure of stays one.
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
def test_types(text: str, seen: list[tuple[str, EntityType, Probabilities]], expected: list[EntityType]) -> None:
    parsed = parse_text(text)
    assert [name.type for name in resolve_types(parsed, _names(parsed, list(seen)))] == expected


@pytest.mark.parametrize(
    ("text", "seen", "expected"),
    [
        # Seen in halves, and not seen at all.
        (
            "Ama Mensah won. Ama Mensah left. So did we, Ama Mensah aside.",
            [("Ama Mensah", "PERSON"), ("Ama", "PERSON"), ("Mensah", "PERSON")],
            ["Ama Mensah"] * 3,
        ),
        ("ADEBANJO WINS AT LAST\n\nSo Adebanjo won.", [("Adebanjo", "PERSON")], ["ADEBANJO", "Adebanjo"]),
        # An address holds no name, and what the model sees in one place of many is no name there.
        ("Kestrel is at sales@Kestrel.example and Kestrel.example.", [("Kestrel", "ORG")], ["Kestrel"]),
        ("Hit RBI. An RBI. More RBI. Again RBI, RBI.", [("RBI", "ORG")], ["RBI"]),
        # The World Health Organization is WHO in capitals alone.
        ("The WHO came. Who pays? The WHO does.", [("WHO", "ORG")], ["WHO", "WHO"]),
    ],
)
def test_repeats(text: str, seen: list[Seen], expected: list[str]) -> None:
    parsed = parse_text(text)
    assert [text[name.start : name.end] for name in resolve_types(parsed, _names(parsed, list(seen)))] == expected


@pytest.mark.parametrize(
    ("text", "seen", "expected"),
    [
        (
            "J. R. Okafor, born Jude Raymond Okafor, left.",
            ["J. R. Okafor", "Jude Raymond Okafor"],
            ["Jude Raymond Okafor"],
        ),
        ("Ana Quiroga Salas spoke. Quiroga left.", ["Ana Quiroga Salas", "Quiroga"], ["Ana Quiroga Salas"]),
        # A middle name does not reach back to what stands before it.
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
def test_persons(text: str, seen: list[str], expected: list[str]) -> None:
    parsed = parse_text(text)
    clusters = cluster_names(_names(parsed, [(part, "PERSON") for part in seen]))
    assert [" ".join(cluster.fullest.words) for cluster in clusters] == expected


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        (["Harrow & Sons Ltd", "Harrow & Sons"], ["Harrow & Sons Ltd"]),
        (["Ashdown Rovers", "Rovers"], ["Ashdown Rovers"]),
        (["Ashdown Rovers", "Brindle Rovers", "Rovers"], ["Ashdown Rovers", "Brindle Rovers", "Rovers"]),
    ],
)
def test_organisations(seen: list[str], expected: list[str]) -> None:
    parsed = parse_text(". ".join(seen) + ".")
    clusters = cluster_names(_names(parsed, [(part, "ORG") for part in seen]))
    assert [" ".join(cluster.fullest.words) for cluster in clusters] == expected


def test_time_is_linear_in_registers_of_initials_and_acronyms() -> None:
    people = [f"J. Abc{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}" for n in range(4_000)]
    register = parse_text(", ".join(f"{name}, John {name[3:]}" for name in people))
    bodies = parse_text(" ".join(f"Port Board (PB{n % 10})" for n in range(4_000)))
    names = _all_of(register, people, "PERSON")
    acronyms = _all_of(bodies, ["Port Board"] * 4_000, "ORG")
    started = time.process_time()
    assert len(cluster_names(resolve_types(register, correct_boundaries(register, names)))) == 4_000
    assert len(correct_boundaries(bodies, acronyms)) == 4_000
    assert time.process_time() - started < 5


def _all_of(parsed: ParsedText, parts: list[str], kind: EntityType) -> list[NameMention]:
    names, at = [], 0
    for part in parts:
        start = parsed.text.index(part, at)
        at = start + len(part)
        words = name_words(tokenize(part))
        names.append(NameMention(start, at, kind, words, 2, probabilities={kind: 0.99}))
    return names
