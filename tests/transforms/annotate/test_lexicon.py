"""The word lists and the forms made of them."""

import subprocess
import sys

import pytest

from transforms.annotate.nlp.lexicon import inflect, lexicon


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("add", "adds added adding added"),
        ("note", "notes noted noting noted"),
        ("deny", "denies denied denying denied"),
        ("say", None),
        ("stress", "stresses stressed stressing stressed"),
        ("agree", "agrees agreed agreeing agreed"),
    ],
)
def test_forms_of_verbs(verb: str, forms: str | None) -> None:
    if forms:
        assert inflect(verb) == forms.split()
    else:
        (_, cue), *_ = lexicon().cues["said"]
        assert (cue.cue_class, cue.form) == ("said", "past")


def test_cues_of_several_words_come_before_shorter_ones() -> None:
    words = [words for words, _ in lexicon().cues["points"]]
    assert words == [("points", "out")]
    assert all(word == word.lower() for word in lexicon().cues)


def test_the_stage_imports_no_beam_and_no_language_model() -> None:
    heavy = "{'apache_beam', 'py3langid'}"
    code = f"import sys, transforms.annotate; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
