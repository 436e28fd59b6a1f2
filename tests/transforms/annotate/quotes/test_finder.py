"""`find_quotes` by rules: content, cue, speaker."""

import pytest

from transforms.annotate import AnnotateConfig, annotate
from transforms.schema.records import Quote

RULES = AnnotateConfig(model="rules")


def _quotes(text: str, title: str | None = None) -> list[Quote]:
    return list(annotate(text, language="en", config=RULES, title=title).quotes)


def _one(text: str) -> Quote:
    (quote,) = _quotes(text)
    return quote


@pytest.mark.parametrize(
    ("text", "content", "kind", "speaker"),
    [
        ("“We sail,” said Ida Marsh.", "We sail", "direct", "Ida Marsh"),
        ("“We sail,” Ida Marsh said.", "We sail", "direct", "Ida Marsh"),
        ("Ida Marsh said: “We sail at noon.”", "We sail at noon.", "direct", "Ida Marsh"),
        ("Ida Marsh said that “we sail at noon”.", "we sail at noon", "direct", "Ida Marsh"),
        ("“We sail,” said Ida Marsh, “at noon.”", "We sail … at noon.", "direct", "Ida Marsh"),
        ("“We sail,” said Ida Marsh. “At noon.”", "We sail … At noon.", "direct", "Ida Marsh"),
        ("“Do we sail?” Ida Marsh asked.", "Do we sail?", "direct", "Ida Marsh"),
        ("“We sail,” Ida Marsh, a pilot, told the crew.", "We sail", "direct", "Ida Marsh"),
        ("Ida Marsh said the boat was “a wreck” in May.", "the boat was “a wreck” in May", "mixed", "Ida Marsh"),
        ("Ida Marsh said the boat would sail.", "the boat would sail", "indirect", "Ida Marsh"),
        ("The boat would sail, Ida Marsh said on Friday.", "The boat would sail", "indirect", "Ida Marsh"),
        ("The boat, Ida Marsh said, would sail.", "The boat … would sail", "indirect", "Ida Marsh"),
        ("According to Ida Marsh, the boat will sail.", "the boat will sail", "indirect", "Ida Marsh"),
        ("The boat will sail, according to Ida Marsh.", "The boat will sail", "indirect", "Ida Marsh"),
        ("Ida Marsh told reporters that the boat would sail.", "the boat would sail", "indirect", "Ida Marsh"),
        (
            "Ida Marsh called the plan “pure vapour”.",
            "the plan “pure vapour”",
            "mixed",
            "Ida Marsh",
        ),
        ("Ida Marsh: “We sail at noon.”", "We sail at noon.", "direct", "Ida Marsh"),
        ("“We sail at noon.” – Ida Marsh", "We sail at noon.", "direct", "Ida Marsh"),
        ("— We sail at noon, said Ida Marsh.", "We sail at noon", "direct", "Ida Marsh"),
        ("The Kremlin said talks would resume.", "talks would resume", "indirect", "Kremlin"),
        ("Peace talks will fail, warns minister\n\nNo more.", "Peace talks will fail", "indirect", None),
    ],
)
def test_forms_of_attribution(text: str, content: str, kind: str, speaker: str | None) -> None:
    quote = _one(text)
    assert (quote.text, quote.kind, quote.speaker_name) == (content, kind, speaker)


@pytest.mark.parametrize(
    "text",
    [
        "The choir sang “A Harbour in the Rain” and left.",
        "The man known as “Barnacle” slept.",
        "The so-called “fix” came late.",
        "A banner reading “Save our pier today please” hung there.",
        "Ida Marsh opened the shed and fed the dogs.",
        "Her claim failed and the report was long.",
        "The said boat sank.",
    ],
)
def test_text_without_quotes(text: str) -> None:
    assert _quotes(text) == []


def test_several_quotes_in_one_sentence() -> None:
    text = "Ida Marsh said talks had begun, adding “we want peace in full”, but stressed that time was short."
    assert [(q.text, q.cue, q.speaker_name) for q in _quotes(text)] == [
        ("talks had begun", "said", "Ida Marsh"),
        ("we want peace in full", "adding", "Ida Marsh"),
        ("time was short", "stressed", "Ida Marsh"),
    ]


def test_only_the_outermost_attribution_counts() -> None:
    quote = _one("Ida Marsh said Tom Oake had said the boat was lost.")
    assert (quote.text, quote.speaker_name) == ("Tom Oake had said the boat was lost", "Ida Marsh")


def test_quote_over_several_paragraphs() -> None:
    quote = _one("Ida Marsh said: “One.\n\n“Two.\n\n“Three.”")
    assert quote.verbatim_text == ("One.", "Two.", "Three.")
    assert quote.text == "One. Two. Three."


@pytest.mark.parametrize(
    ("text", "method", "speaker"),
    [
        ("Ida Marsh came. “We sail,” Marsh said.", "surname", "Ida Marsh"),
        ("Ida Marsh came. “We sail,” she said.", "pronoun", "Ida Marsh"),
        ("Ida Marsh and Tom Oake came. “We sail,” he said.", "pronoun", "Tom Oake"),
        ("Ida Marsh, the mayor of Brindle, came. “We sail,” the mayor said.", "role", "Ida Marsh"),
        ("“We sail,” a union official said.", "role", None),
        ("“We sail,” said its pilot, Ida Marsh.", "named", "Ida Marsh"),
        ("“We sail,” said a spokesman for Ida Marsh.", "role", None),
        ("“We sail,” we said.", "pronoun", None),
        ("“We sail at noon on Friday.”", "none", None),
    ],
)
def test_speaker_method(text: str, method: str, speaker: str | None) -> None:
    quote = _quotes(text)[0]
    assert (quote.speaker_method, quote.speaker_name) == (method, speaker)


def test_speaker_is_carried_over_to_next_paragraph() -> None:
    first, second = _quotes("“We sail,” said Ida Marsh.\n\n“There is no other way.”")
    assert (second.speaker_method, second.speaker_name) == ("carried_over", "Ida Marsh")
    assert second.speaker_spans == first.speaker_spans


def test_speaker_is_not_carried_over_past_another_person() -> None:
    *_, last = _quotes("“We sail,” said Ida Marsh. Tom Oake shook his head.\n\n“There is no other way.”")
    assert last.speaker_name != "Ida Marsh"


@pytest.mark.parametrize(
    ("text", "speaker", "name"),
    [
        ("A source close to the talks said the deal was dead.", "A source close to the talks", None),
        ("“Stop!” shouted a guard.", "a guard", None),
        ("“We sail,” the head of the union, Ida Marsh, said.", "the head of the union, Ida Marsh", "Ida Marsh"),
        ("“We sail,” said Rep. Ida Marsh (R-Ohio).", "Rep. Ida Marsh (R-Ohio)", "Ida Marsh"),
        ("“We sail,” Secretary of State Ida Marsh said.", "Secretary of State Ida Marsh", "Ida Marsh"),
        ("“We sail,” a cook, who asked not to be named, said.", "a cook, who asked not to be named", None),
        ("“We will sail” – minister\n\nThe minister, Ida Marsh, spoke.", "minister", "Ida Marsh"),
        ("“The boat sank.” Ida Marsh said.", "Ida Marsh", "Ida Marsh"),
    ],
)
def test_speaker_phrase(text: str, speaker: str, name: str | None) -> None:
    quote = _quotes(text)[0]
    assert (quote.speaker, quote.speaker_name) == (speaker, name)


def test_interview_labels() -> None:
    quotes = _quotes("Ida Marsh: Do we sail?\n\nTom Oake: At noon.\n\nThe tide is right.\n\nIda Marsh: Good.")
    assert [(q.text, q.speaker_name) for q in quotes] == [
        ("Do we sail?", "Ida Marsh"),
        ("At noon. The tide is right.", "Tom Oake"),
        ("Good.", "Ida Marsh"),
    ]
    assert {q.speaker_method for q in quotes} == {"label"}


def test_speaker_phrase_includes_title_and_apposition() -> None:
    quote = _one("“We sail,” said Captain Ida Marsh, a pilot from Brindle.")
    assert quote.speaker == "Captain Ida Marsh, a pilot from Brindle"
    assert quote.speaker_role == "pilot from Brindle"
    assert quote.speaker_type == "PERSON"


@pytest.mark.parametrize(
    ("text", "cue", "cue_class"),
    [
        ("Ida Marsh has said the boat sank.", "has said", "said"),
        ("Ida Marsh wrote that the boat sank.", "wrote", "wrote"),
        ("Ida Marsh asked whether the boat sank.", "asked", "asked"),
        ("Ida Marsh believes that the boat sank.", "believes", "belief"),
        ("Ida Marsh wants to sink the boat.", "wants", "intention"),
        ("The boat sank, according to Ida Marsh.", "according to", "according_to"),
        ("“It sank,” sighed Ida Marsh.", "sighed", "said"),
    ],
)
def test_cue_classes(text: str, cue: str, cue_class: str) -> None:
    quote = _one(text)
    assert (quote.cue, quote.cue_class) == (cue, cue_class)


def test_mentioned_entities() -> None:
    found = annotate("Ida Marsh said Tom Oake sank the boat.", language="en", config=RULES)
    names = {entity.entity_id: entity.name for entity in found.entities}
    assert [names[i] for i in found.quotes[0].mentioned_entity_ids] == ["Tom Oake"]
    assert names[found.quotes[0].speaker_entity_id or ""] == "Ida Marsh"


def test_equal_words_have_equal_utterance_ids() -> None:
    one = _one("“We sail – at noon!” said Ida Marsh.")
    other = _one('Tom Oake wrote: "WE sail at noon."')
    assert one.utterance_id == other.utterance_id
    assert one.quote_id != other.quote_id


def test_order_paragraph_and_headline() -> None:
    text = "Boat ‘will never sail again’, says Marsh\n\nIda Marsh came.\n\n“No,” she said."
    quotes = _quotes(text)
    assert [(q.ordinal, q.paragraph, q.in_headline) for q in quotes] == [(0, 0, True), (1, 2, False)]
    assert [q.in_headline for q in _quotes("“No, we never sail,” Ida Marsh said.", title="Another headline")] == [False]


def test_confidence_depends_on_speaker_method() -> None:
    named = _one("“We sail,” Ida Marsh said.").confidence or 0
    unknown = _one("“We sail at noon on Friday.”").confidence or 0
    assert 0 < unknown < 0.5 < named < 1


def test_verbatim_words_of_a_partial_quoted_span() -> None:
    for quote in annotate("0“said t", language="en").quotes:
        assert (quote.kind == "indirect") == (quote.verbatim_text == ())


def test_content_of_punctuation_alone_has_no_span() -> None:
    (quote,) = annotate("0“according to.‖", language="en").quotes
    assert quote.spans == ((0, 1),)
