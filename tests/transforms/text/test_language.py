"""The language of a text, however short and whoever is named in it."""

import pytest

from transforms.text.language import detect_language


@pytest.mark.parametrize("text", ["", "Ida Marsh won.", "!!! 12 34", "Mæhle, Sørensen"])
def test_a_few_words_are_of_no_language(text: str) -> None:
    assert detect_language(text) is None


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("“We sail at noon,” said Jürgen Vogt of Ostrand.", "en"),
        ("Émile Brûlé, Zoë Lefèvre and Ola Tveit were on the quay.", "en"),
        ("Das Museum of the Sea zeigt in New York die Bilder von Anna Weber.", "de"),
        ("« Nous partons », a dit Jean Dupont hier soir.", "fr"),
        ("Η πόλη περίμενε όλη τη νύχτα το πλοίο που δεν ήρθε ποτέ", "el"),
        ("市长周一表示，港口将在春天之前一直关闭，渔民们要求赔偿，市议会将在下周讨论这个问题，预计不会有结果。", "zh"),
    ],
)
def test_one_sentence_is_enough(text: str, language: str) -> None:
    assert detect_language(text) == language


def test_only_the_beginning_is_read() -> None:
    assert detect_language("The boat did not sail, and nobody said why. " * 200 + "Das Boot ist weg. " * 9_000) == "en"
