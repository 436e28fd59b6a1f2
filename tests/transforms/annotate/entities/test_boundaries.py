"""Boundaries of names found by the model."""

import time

import pytest

from tests.support.names import Named, name_mentions
from transforms.annotate.entities.boundaries import correct_boundaries
from transforms.annotate.nlp.parsed_text import parse_text


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
def test_boundaries(text: str, seen: list[Named], expected: list[str]) -> None:
    parsed = parse_text(text)
    found = correct_boundaries(parsed, name_mentions(parsed, seen))
    assert [text[name.start : name.end] for name in found] == expected


def test_time_is_linear_in_acronyms() -> None:
    parsed = parse_text(" ".join(f"Port Board (PB{n % 10})" for n in range(4_000)))
    names = name_mentions(parsed, [("Port Board", "ORG")] * 4_000, sentence=0)
    started = time.process_time()
    assert len(correct_boundaries(parsed, names)) == 4_000
    assert time.process_time() - started < 5
