import pytest

from tests.support.pages import PARAGRAPHS
from transforms.text.near_duplicates import SKETCH, likeness, sketch

TEXT = " ".join(PARAGRAPHS)
LONG = " ".join(f"word{n}" for n in range(1_000))


def test_sketch_is_the_same_on_each_machine() -> None:
    assert sketch("The old swing bridge")[0] == 4516273733009782142


@pytest.mark.parametrize("text", ["", "…", "word", "two words", "\ud800 lone surrogate here", "交易在周五下午结束"])
def test_any_text_has_a_sketch(text: str) -> None:
    assert likeness(sketch(text), sketch(text))[0] == (1.0 if len(sketch(text)) else 0.0)


def test_letter_case_and_punctuation_are_ignored() -> None:
    assert sketch(TEXT) == sketch(TEXT.upper().replace(".", " –"))


def test_likeness_is_exact_for_short_and_near_for_long_texts() -> None:
    words = LONG.split()
    assert likeness(sketch(" ".join(words[:20])), sketch(" ".join(words[10:30]))) == (8 / 18, 1.0)
    share, ratio = likeness(sketch(LONG), sketch(" ".join(words[:500])))
    assert share == 1.0 and ratio == pytest.approx(0.5, abs=0.15)
    share, ratio = likeness(sketch(LONG), sketch(" ".join(words[:500]) + TEXT * 2))
    assert 0.7 < share < 1.0
    assert len(sketch(LONG)) == SKETCH and list(sketch(LONG)) == sorted(sketch(LONG))
