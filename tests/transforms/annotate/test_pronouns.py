"""He and she in running text."""

from transforms.annotate import resolve_pronouns


def _names(text: str) -> list[tuple[str, str]]:
    return [(text[item["start"] : item["end"]], item["name"]) for item in resolve_pronouns(text)]


def test_each_pronoun_goes_to_a_person_whose_name_fits() -> None:
    text = "Ida Marsh met Tom Oake. He gave her his map, and she thanked him."
    assert _names(text) == [
        ("He", "Tom Oake"),
        ("her", "Ida Marsh"),
        ("his", "Tom Oake"),
        ("she", "Ida Marsh"),
        ("him", "Tom Oake"),
    ]


def test_titles_tell_the_gender_of_an_unknown_first_name() -> None:
    assert _names("Mr Vell and Mrs Sarn met. She left.") == [("She", "Sarn")]


def test_whom_the_text_is_about_wins_over_a_passing_name() -> None:
    text = "Tom Oake won. Oake beat Amos Pell. Oake then rested. He slept and he dreamt."
    assert {name for _, name in _names(text)} == {"Tom Oake"}


def test_nobody_before_the_pronoun_means_no_answer() -> None:
    assert _names("She left at noon. It rained on him.") == []
