"""Roles next to names."""

import pytest

from transforms.annotate import find_entities


def _roles(text: str) -> list[str | None]:
    return [entity.role for entity in find_entities(text) if entity.type == "PERSON"]


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
    assert _roles(text) == [role]


def test_role_ends_at_the_name_of_another_person() -> None:
    assert _roles("French President Luc Moreau met German Chancellor Anke Voss.") == [
        "French President",
        "German Chancellor",
    ]
