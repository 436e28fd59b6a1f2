"""`annotate` on whole texts: language, JSON lines, batches."""

import subprocess
import sys

import pytest

import transforms.annotate.annotator
from tests.support.records import load_cases
from transforms.annotate import MODEL_VERSION, Annotator, Text, annotate, annotate_line
from transforms.schema.records import Annotation

FRENCH = "Le maire a déclaré hier que « le port restera fermé » jusqu’au printemps prochain, selon Jean Dupont."


def test_other_languages_have_no_annotations() -> None:
    assert annotate(FRENCH) == Annotation()
    assert annotate("“We sail,” said Ida Marsh.", language="fr") == Annotation()


def test_english_is_detected_or_assumed_for_short_texts() -> None:
    assert annotate("“The boat will sail at noon,” said Ida Marsh on Friday morning.").quotes
    assert annotate("Ida Marsh won.").entities


@pytest.mark.parametrize("code", ["en", "EN", "en-GB", "en_US"])
def test_language_codes(code: str) -> None:
    assert annotate("“We sail,” said Ida Marsh.", language=code).quotes


def test_given_language_is_not_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transforms.annotate.annotator, "detect_language", lambda text: pytest.fail("detected"))
    annotate(FRENCH, language="en")


def test_annotate_line() -> None:
    text = "“We sail,” said Captain Ida Marsh."
    line = annotate_line({"id": "a", "text": text})
    (entity,) = line["entities"]
    (quote,) = line["quotes"]
    assert (line["id"], line["language"]) == ("a", "en")
    assert (entity["name"], entity["type"], entity["mentions"]) == ("Ida Marsh", "PERSON", [[24, 33]])
    assert quote["spans"] == quote["content"] == [[1, 8]]
    assert (quote["cue"], quote["source"]) == ([[11, 15]], [[16, 33]])
    assert (quote["kind"], quote["speaker_name"], quote["speaker_role"]) == ("direct", "Ida Marsh", "Captain")


def test_line_has_kb_id_of_a_country() -> None:
    (entity,) = annotate_line({"id": 1, "text": "They were on their way to France when the bridge fell."})["entities"]
    assert (entity["name"], entity["kb_id"]) == ("France", "iso3166:FR")


def test_line_has_the_detected_language() -> None:
    line = annotate_line({"id": 1, "text": FRENCH})
    assert (line["language"], line["entities"], line["quotes"]) == ("fr", [], [])


def test_line_without_text() -> None:
    assert annotate_line({"id": 1, "text": None})["quotes"] == []


def test_all_records_have_the_model_version() -> None:
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
def test_short_english_text_with_foreign_names(text: str) -> None:
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
def test_short_text_in_another_language(text: str, language: str) -> None:
    line = annotate_line({"id": 1, "text": text})
    assert (line["language"], line["entities"], line["quotes"]) == (language, [], [])


@pytest.mark.parametrize(
    "text",
    [
        "Annelies van den Broek sold the ferry. Van den Broek kept the bell.",
        "Mayor Ilse Okafor Warns Pier May Stay Shut\n\nOkafor spoke on Monday.",
    ],
)
def test_short_english_text_with_foreign_words(text: str) -> None:
    line = annotate_line({"id": 1, "text": text})
    assert line["language"] == "en"
    assert len(line["entities"][0]["mentions"]) == 2


def test_batches_do_not_change_annotations() -> None:
    cases = [case["input"]["text"] for name in ("quotes", "entities") for case in load_cases(name)]
    together = Annotator().annotate([Text(text, "en") for text in cases])
    assert together == [annotate(text, language="en") for text in cases]


def test_import_loads_neither_beam_nor_the_language_model() -> None:
    heavy = "{'apache_beam', 'py3langid'}"
    code = f"import sys, transforms.annotate; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
