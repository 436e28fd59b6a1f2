"""Sentence boundaries."""

import pytest

from transforms.annotate.nlp.quotation_marks import find_quoted_spans, split_paragraphs
from transforms.annotate.nlp.sentences import split_sentences


def _split(text: str) -> list[str]:
    paragraphs = split_paragraphs(text)
    quoted_spans = find_quoted_spans(text, paragraphs)
    return [text[a:b] for start, end in paragraphs for a, b in split_sentences(text, start, end, quoted_spans)]


@pytest.mark.parametrize(
    "sentences",
    [
        ["The ferry left.", "Nobody waved."],
        ["The U.S. envoy flew to Oslo.", "He left at noon."],
        ["They moved to the U.S.", "The house stayed empty."],
        ["J. R. Vance met Mr. Pell and Dr. Oake.", "It rained."],
        ["Amos Pell Sr. mends nets.", "His dog sleeps."],
        ["“It is late. We go,” she said.", "“Now.”"],
        ["She asked “Why?” and left.", "Nobody knew."],
        ["“Nobody moved.”", "The band played on."],
        ["It fell 3.5 per cent to 1,204.6 points.", "Then it rose."],
        ["Is it over?", "Yes!", "It is..."],
        ["They sell nets at Pell Inc. in May.", "In June they rest."],
    ],
)
def test_sentences(sentences: list[str]) -> None:
    assert _split(" ".join(sentences)) == sentences


def test_sentences_without_a_space_between_them() -> None:
    assert _split('He will "pay it back in full".Pell denied it.She left.') == [
        'He will "pay it back in full".',
        "Pell denied it.",
        "She left.",
    ]


def test_line_break_ends_a_sentence() -> None:
    assert _split("Photo: Theo Pell\nThe council meets.") == ["Photo: Theo Pell", "The council meets."]
