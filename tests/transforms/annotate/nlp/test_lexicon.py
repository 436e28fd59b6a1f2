"""Word lists and inflected forms of verbs."""

import pytest

from transforms.annotate.nlp.lexicon import inflect, lexicon


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("add", "adds added adding added"),
        ("note", "notes noted noting noted"),
        ("deny", "denies denied denying denied"),
        ("stress", "stresses stressed stressing stressed"),
        ("agree", "agrees agreed agreeing agreed"),
    ],
)
def test_regular_forms(verb: str, forms: str) -> None:
    assert inflect(verb) == forms.split()


def test_irregular_form() -> None:
    (_, cue), *_ = lexicon().cues["said"]
    assert (cue.cue_class, cue.form) == ("said", "past")


def test_longest_cue_comes_first() -> None:
    words = [words for words, _ in lexicon().cues["points"]]
    assert words == [("points", "out")]
    assert all(word == word.lower() for word in lexicon().cues)
