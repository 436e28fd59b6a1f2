"""Interviews: labels before the turns."""

from transforms.annotate import AnnotateConfig, annotate

RULES = AnnotateConfig(model="rules")


def _turns(text: str) -> list[tuple[str, str | None]]:
    quotes = annotate(text, language="en", config=RULES).quotes
    assert {quote.speaker_method for quote in quotes} <= {"label"}
    return [(quote.text, quote.speaker_name) for quote in quotes]


def test_question_and_answer_go_to_nobody_and_to_the_one_who_was_introduced() -> None:
    text = "Ida Marsh has dived since 1990.\n\nQ: Is it cold?\n\nA: Always.\n\nQ: And dark?\n\nA: Only below."
    assert _turns(text) == [
        ("Is it cold?", None),
        ("Always.", "Ida Marsh"),
        ("And dark?", None),
        ("Only below.", "Ida Marsh"),
    ]


def test_two_persons_introduced_leave_the_answers_without_a_name() -> None:
    text = "Ida Marsh dives with Tom Oake.\n\nQ: Is it cold?\n\nA: Always.\n\nQ: And dark?\n\nA: Only below."
    assert {name for _, name in _turns(text)} == {None}


def test_the_papers_own_label_ends_the_turn_before_it() -> None:
    text = (
        "Brindle Echo: Is it cold?\n\nMarsh: Always.\n\nI like it.\n\nBrindle Echo: And dark?\n\nIda Marsh: Below, yes."
    )
    turns = _turns(text)
    assert [said for said, _ in turns] == ["Is it cold?", "Always. I like it.", "And dark?", "Below, yes."]
    assert [name for _, name in turns][1::2] == ["Ida Marsh", "Ida Marsh"]


def test_initials_stand_for_the_person_introduced() -> None:
    text = "Ida Marsh dives.\n\nBE: Is it cold?\n\nIM: Always.\n\nBE: And dark?\n\nIM: Only below."
    assert [name for _, name in _turns(text)] == [None, "Ida Marsh", None, "Ida Marsh"]


def test_what_follows_the_last_answer_belongs_to_it_only_in_the_first_person() -> None:
    text = "Ida Marsh: Is it cold?\n\nTom Oake: Always.\n\nI like it.\n\nThe pool opens in May."
    assert _turns(text)[-1] == ("Always. I like it.", "Tom Oake")


def test_lines_with_a_colon_are_no_interview() -> None:
    assert _turns("Update: the road is open.\n\nUpdate: the road is shut.\n\nNote: bring boots.") == []
