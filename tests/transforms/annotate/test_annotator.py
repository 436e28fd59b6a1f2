"""A whole text, its language, and the line format of the command."""

import pytest

import transforms.annotate.annotator
from tests.support.records import load_cases
from transforms.annotate import MODEL_VERSION, Annotator, Text, annotate, annotate_line
from transforms.schema.records import Annotation

FRENCH = "Le maire a déclaré hier que « le port restera fermé » jusqu’au printemps prochain, selon Jean Dupont."


def test_a_text_in_another_language_gets_nothing() -> None:
    assert annotate(FRENCH) == Annotation()
    assert annotate("“We sail,” said Ida Marsh.", language="fr") == Annotation()


def test_english_is_detected_and_assumed_for_a_few_words() -> None:
    assert annotate("“The boat will sail at noon,” said Ida Marsh on Friday morning.").quotes
    assert annotate("Ida Marsh won.").entities


@pytest.mark.parametrize("code", ["en", "EN", "en-GB", "en_US"])
def test_forms_of_the_language_code(code: str) -> None:
    assert annotate("“We sail,” said Ida Marsh.", language=code).quotes


def test_a_known_language_is_not_detected_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms.annotate.annotator, "detect_language", lambda text: pytest.fail("detected"))
    annotate(FRENCH, language="en")


def test_a_line_of_the_command() -> None:
    text = "“We sail,” said Captain Ida Marsh."
    line = annotate_line({"id": "a", "text": text})
    (entity,) = line["entities"]
    (quote,) = line["quotes"]
    assert (line["id"], line["language"]) == ("a", "en")
    assert (entity["name"], entity["type"], entity["mentions"]) == ("Ida Marsh", "PERSON", [[24, 33]])
    assert quote["spans"] == quote["content"] == [[1, 8]]
    assert (quote["cue"], quote["source"]) == ([[11, 15]], [[16, 33]])
    assert (quote["kind"], quote["speaker_name"], quote["speaker_role"]) == ("direct", "Ida Marsh", "Captain")


def test_a_line_names_the_known_place() -> None:
    (entity,) = annotate_line({"id": 1, "text": "They were on their way to France when the bridge fell."})["entities"]
    assert (entity["name"], entity["kb_id"]) == ("France", "iso3166:FR")


def test_a_line_in_another_language_says_which() -> None:
    line = annotate_line({"id": 1, "text": FRENCH})
    assert (line["language"], line["entities"], line["quotes"]) == ("fr", [], [])


def test_a_line_without_text_gives_nothing() -> None:
    assert annotate_line({"id": 1, "text": None})["quotes"] == []


def test_the_model_version_is_in_every_record() -> None:
    found = annotate("“We sail,” said Ida Marsh.", language="en")
    assert {entity.model_version for entity in found.entities} == {MODEL_VERSION}
    assert {quote.model_version for quote in found.quotes} == {MODEL_VERSION}


@pytest.mark.parametrize(
    "text",
    [
        "“Walked,” said Jürgen Vogt of Ostrand.",
        "Zoë Lefèvre told the board that Émile Brûlé had left.",
        "Henrik Sørensen and Ola Tveit were on the quay.",
        "Juan García said his boat was lost.",
    ],
)
def test_foreign_names_do_not_make_a_short_text_foreign(text: str) -> None:
    assert annotate_line({"id": 1, "text": text})["language"] == "en"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("„Wir fahren nicht“, sagte Ida Marsch dem Stadtrat von Brindle.", "de"),
        ("Das Museum of the Sea zeigt in New York die Bilder von Anna Weber.", "de"),
        ("« Nous partons », a dit Jean Dupont hier soir.", "fr"),
        ("«No vamos a parar», afirmó Ana Ruiz ante la prensa.", "es"),
    ],
)
def test_one_foreign_sentence_stays_foreign(text: str, language: str) -> None:
    line = annotate_line({"id": 1, "text": text})
    assert (line["language"], line["entities"], line["quotes"]) == (language, [], [])


@pytest.mark.parametrize(
    "text",
    [
        "Annelies van den Broek sold the ferry. Van den Broek kept the bell.",
        "Mayor Ilse Okafor Warns Pier May Stay Shut\n\nOkafor spoke on Monday.",
    ],
)
def test_short_english_with_foreign_names_is_english(text: str) -> None:
    line = annotate_line({"id": 1, "text": text})
    assert line["language"] == "en"
    assert len(line["entities"][0]["mentions"]) == 2


def test_a_text_is_read_the_same_whatever_is_annotated_with_it() -> None:
    cases = [case["input"]["text"] for name in ("quotes", "entities") for case in load_cases(name)]
    together = Annotator().annotate([Text(text, "en") for text in cases])
    assert together == [annotate(text, language="en") for text in cases]
