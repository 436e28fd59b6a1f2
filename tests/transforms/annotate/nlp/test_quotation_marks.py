"""Quoted spans in all styles of quotation marks."""

import pytest

from transforms.annotate.nlp.quotation_marks import MAX_MARKS, QuotedSpan, find_quoted_spans, split_paragraphs


def _quoted_spans(text: str) -> list[QuotedSpan]:
    return find_quoted_spans(text, split_paragraphs(text))


def _inside(text: str) -> list[str]:
    return [text[quoted.start : quoted.end].strip() for quoted in _quoted_spans(text)]


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ('She said "rain" twice.', ["rain"]),
        ("She said “rain” twice.", ["rain"]),
        ("She said ``rain'' twice.", ["rain"]),
        ("She said ''rain'' twice.", ["rain"]),
        ("She said «rain» and « snow ».", ["rain", "snow"]),
        ("She said »rain« twice.", ["rain"]),
        ("She said ‹rain› twice.", ["rain"]),
        ("She said „rain“ and „snow”.", ["rain", "snow"]),
        ("She said ”rain” twice.", ["rain"]),
        ("She said 「rain」 twice.", ["rain"]),
        ("She said ‘rain’ and 'snow'.", ["rain", "snow"]),
        ('Mixed "rain” and “snow" here.', ["rain", "snow"]),
    ],
)
def test_styles_of_marks(text: str, inside: list[str]) -> None:
    assert _inside(text) == inside


@pytest.mark.parametrize(
    "text",
    [
        "The drivers' strike and the owners' answer.",
        "Rock 'n' roll in the '90s, 'tis said.",
        "It's Ida's boat, isn't it?",
        "A board of 6'2\" and one of 5'11\" were sawn.",
        'A 12" pipe and a 14" pipe.',
        "The line to 's-Hertogenbosch is shut.",
    ],
)
def test_apostrophes_feet_and_inches(text: str) -> None:
    assert _inside(text) == []


def test_inches_in_a_quoted_span() -> None:
    assert _inside('"He is 6\'2" tall," she said.') == ["He is 6'2\" tall,"]


def test_year_before_a_closing_mark() -> None:
    assert _inside('"We came in \'98" was all.') == ["We came in '98"]


def test_only_outermost_marks_count() -> None:
    assert _inside("“He told me ‘never’ and “always” too,” she said.") == ["He told me ‘never’ and “always” too,"]
    assert _inside("‘They sang “Home” twice,’ she said.") == ["They sang “Home” twice,"]


def test_speech_of_several_paragraphs() -> None:
    text = "“One.\n\n“Two.\n\n“Three,” she said. “Four.”"
    assert _inside(text) == ["One.", "Two.", "Three,", "Four."]
    assert [quoted.continues for quoted in _quoted_spans(text)] == [True, True, False, False]


def test_stray_mark_affects_only_its_paragraph() -> None:
    text = 'The "gate stood open all night.\n\nThe guard "slept" there.\n\n"Yes," he said.'
    assert _inside(text)[1:] == ["slept", "Yes,"]
    assert not _quoted_spans(text)[0].continues


def test_stray_mark_before_a_pair() -> None:
    assert _inside('The gate" stood open. "Yes," he said.') == ["Yes,"]


def test_empty_marks() -> None:
    assert _inside('A box marked “” and one marked "".') == []


def test_paragraph_with_too_many_marks_is_skipped() -> None:
    assert _inside("“a” " * MAX_MARKS + "\n“b”") == ["b"]


def test_paragraphs() -> None:
    text = "one\n\n  \n—\ntwo\r\n"
    assert [text[a:b].strip() for a, b in split_paragraphs(text)] == ["one", "two"]


def test_marks_around_a_comma() -> None:
    assert _inside("She said “,” and left.") == []
