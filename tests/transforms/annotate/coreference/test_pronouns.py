"""Pronouns resolved to persons."""

from transforms.annotate import resolve_pronouns


def _names(text: str) -> list[tuple[str, str]]:
    return [(text[item["start"] : item["end"]], item["name"]) for item in resolve_pronouns(text)]


def test_pronouns_agree_in_gender() -> None:
    text = "Ida Marsh met Tom Oake. He gave her his map, and she thanked him."
    assert _names(text) == [
        ("He", "Tom Oake"),
        ("her", "Ida Marsh"),
        ("his", "Tom Oake"),
        ("she", "Ida Marsh"),
        ("him", "Tom Oake"),
    ]


def test_titles_imply_gender() -> None:
    assert _names("Mr Vell and Mrs Sarn met. She left.") == [("She", "Sarn")]


def test_frequent_person_is_preferred() -> None:
    text = "Tom Oake won. Oake beat Amos Pell. Oake then rested. He slept and he dreamt."
    assert {name for _, name in _names(text)} == {"Tom Oake"}


def test_no_antecedent_before_the_pronoun() -> None:
    assert _names("She left at noon. It rained on him.") == []
