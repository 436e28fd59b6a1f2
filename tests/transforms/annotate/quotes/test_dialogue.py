"""Dialogue labels of interviews and transcripts."""

from transforms.annotate import AnnotateConfig, annotate

RULES = AnnotateConfig(model="rules")


def _turns(text: str) -> list[tuple[str, str | None]]:
    quotes = annotate(text, language="en", config=RULES).quotes
    assert {quote.speaker_method for quote in quotes} <= {"label"}
    return [(quote.text, quote.speaker_name) for quote in quotes]


def test_answers_go_to_the_person_introduced_and_questions_have_no_name() -> None:
    text = "Ida Marsh has dived since 1990.\n\nQ: Is it cold?\n\nA: Always.\n\nQ: And dark?\n\nA: Only below."
    assert _turns(text) == [
        ("Is it cold?", None),
        ("Always.", "Ida Marsh"),
        ("And dark?", None),
        ("Only below.", "Ida Marsh"),
    ]


def test_answers_have_no_name_after_two_persons() -> None:
    text = "Ida Marsh dives with Tom Oake.\n\nQ: Is it cold?\n\nA: Always.\n\nQ: And dark?\n\nA: Only below."
    assert {name for _, name in _turns(text)} == {None}


def test_label_of_the_newspaper_ends_a_turn() -> None:
    text = (
        "Brindle Echo: Is it cold?\n\nMarsh: Always.\n\nI like it.\n\nBrindle Echo: And dark?\n\nIda Marsh: Below, yes."
    )
    turns = _turns(text)
    assert [text for text, _ in turns] == ["Is it cold?", "Always. I like it.", "And dark?", "Below, yes."]
    assert [name for _, name in turns][1::2] == ["Ida Marsh", "Ida Marsh"]


def test_initials_are_resolved_to_the_person_introduced() -> None:
    text = "Ida Marsh dives.\n\nBE: Is it cold?\n\nIM: Always.\n\nBE: And dark?\n\nIM: Only below."
    assert [name for _, name in _turns(text)] == [None, "Ida Marsh", None, "Ida Marsh"]


def test_last_turn_includes_first_person_paragraphs_alone() -> None:
    text = "Ida Marsh: Is it cold?\n\nTom Oake: Always.\n\nI like it.\n\nThe pool opens in May."
    assert _turns(text)[-1] == ("Always. I like it.", "Tom Oake")


def test_lines_with_a_colon_are_not_an_interview() -> None:
    assert _turns("Update: the road is open.\n\nUpdate: the road is shut.\n\nNote: bring boots.") == []
