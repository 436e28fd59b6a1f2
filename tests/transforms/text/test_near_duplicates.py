import pytest

from tests.support.pages import PARAGRAPHS
from transforms.text.near_duplicates import SKETCH, likeness, simhash, sketch

TEXT = " ".join(PARAGRAPHS)
LONG = " ".join(f"word{n}" for n in range(1_000))


def test_signatures_are_the_same_on_each_machine() -> None:
    assert simhash("The old swing bridge was closed on Monday.") == 5846579473559266600
    assert sketch("The old swing bridge")[0] == 4516273733009782142


def test_signatures_are_signed_64_bit_numbers() -> None:
    found = [simhash(f"{TEXT} {n}") for n in range(50)]
    assert all(-(1 << 63) <= each < 1 << 63 for each in found)
    assert {each < 0 for each in map(simhash, map(str, range(20)))} == {True, False}


@pytest.mark.parametrize("text", ["", "…", "word", "two words", "\ud800 lone surrogate here", "交易在周五下午结束"])
def test_any_text_has_a_signature(text: str) -> None:
    assert isinstance(simhash(text), int)
    assert likeness(sketch(text), sketch(text))[0] == (1.0 if len(sketch(text)) else 0.0)


def test_letter_case_and_punctuation_do_not_count() -> None:
    assert simhash(TEXT) == simhash(TEXT.upper().replace(".", " –"))


def test_a_small_change_moves_few_bits() -> None:
    def distance(one: str, other: str) -> int:
        return ((simhash(one) ^ simhash(other)) & (1 << 64) - 1).bit_count()

    assert distance(LONG, f"{LONG} and one more") < 5 < 20 < distance(LONG, TEXT)


def test_likeness_is_exact_for_short_and_near_for_long_texts() -> None:
    words = LONG.split()
    assert likeness(sketch(" ".join(words[:20])), sketch(" ".join(words[10:30]))) == (8 / 18, 1.0)
    share, ratio = likeness(sketch(LONG), sketch(" ".join(words[:500])))
    assert share == 1.0 and ratio == pytest.approx(0.5, abs=0.15)
    share, ratio = likeness(sketch(LONG), sketch(" ".join(words[:500]) + TEXT * 2))
    assert 0.7 < share < 1.0
    assert len(sketch(LONG)) == SKETCH and list(sketch(LONG)) == sorted(sketch(LONG))
