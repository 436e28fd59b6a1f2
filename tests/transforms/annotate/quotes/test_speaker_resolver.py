"""Speaker phrases resolved to entities: pronouns, roles and organisations."""

import pytest

from transforms.annotate import AnnotateConfig, annotate
from transforms.schema.records import Quote

RULES = AnnotateConfig(model="rules")


def _last(text: str) -> Quote:
    return annotate(text, language="en", config=RULES).quotes[-1]


@pytest.mark.parametrize(
    ("text", "speaker"),
    [
        # a person in the same paragraph takes precedence over the most frequent one and the last speaker
        ("“No,” said Amos Pell. “Never,” Pell said.\n\nTom Oake came late. “I ran,” he said.", "Tom Oake"),
        # gender by first name, title, role, or a pronoun near the name
        ("Henrik Vass met Philippa Dorn. “We sail,” she said.", "Philippa Dorn"),
        ("Mr Vell met Mrs Sarn. “We sail,” she said.", "Sarn"),
        ("Zorin Vell met a spokeswoman, Quill Sarn. “We sail,” she said.", "Quill Sarn"),
        ("Quill Sarn sold her boat. Tarv Ness sold his. “We sail,” she said.", "Quill Sarn"),
        # an office of two words before the name
        ("Harbour Minister Ylva Brandt came. “We sail,” she said.", "Ylva Brandt"),
        # a nickname in quotation marks inside the name
        ("Ed “Barnacle” Novotny sang. “No,” said Amos Pell.\n\nNovotny left. “I slept,” he said.", "Ed Novotny"),
        # a possessive before a name is not the antecedent
        ("Oake’s rival, Dan Platt, came. “We sail,” he said. Tom Oake slept.", "Dan Platt"),
    ],
)
def test_pronoun_is_resolved(text: str, speaker: str) -> None:
    quote = _last(text)
    assert (quote.speaker_method, quote.speaker_name) == ("pronoun", speaker)


@pytest.mark.parametrize(
    "text",
    [
        # places and organisations are not persons
        "Harrow Wharf burnt on Monday. “We sail,” she said.",
        "Villagers walked to the Tamsin. The Tamsin said no. “We sail,” she said.",
        "Farline raised its fares. The fares of Farline are high. “We sail,” she said.",
        # the antecedent is a role without a name
        "Tom Oake left. A guard came in. In a letter he said the gate was shut.",
        "“It sank,” said Tom Oake.\n\n“We saw it,” a deckhand said. “It was quick,” he added.",
        "Ida Marsh left. A surveyor of the board came. Asked by Oake, she said the roof leaked.",
        # two persons at equal distance
        "Tom Oake met Ada Poole and Ida Marsh. “We sail,” she said.",
    ],
)
def test_ambiguous_pronoun_has_no_name(text: str) -> None:
    quote = _last(text)
    assert (quote.speaker_method, quote.speaker_name) == ("pronoun", None)


def test_pronoun_after_a_role_is_resolved_to_the_person_in_the_role() -> None:
    text = "Ida Marsh, the mayor of Brindle, came. Ada Poole left.\n\nThe mayor sat down. “We sail,” she said."
    assert _last(text).speaker_name == "Ida Marsh"


@pytest.mark.parametrize(
    ("text", "speaker"),
    [
        ("The Ministry of Deep Water met. “We sail,” the ministry said.", "Ministry of Deep Water"),
        ("The Brindle Weather Institute met. The institute said the ship had sailed.", "Brindle Weather Institute"),
        ("The Brindle Council met the Karra Council. “We sail,” the council said.", None),
        ("“We sail,” the council said. The Brindle Council met.", None),
    ],
)
def test_organisation_by_a_word_of_its_name(text: str, speaker: str | None) -> None:
    assert _last(text).speaker_name == speaker


@pytest.mark.parametrize(
    ("text", "speaker"),
    [
        ("The reeve, Ida Marsh, said the boat would sail.", "Ida Marsh"),
        ("“We sail,” said its chairwoman, Mrs Pell.", "Pell"),
        ("A clerk at one of them said the boat would sail.", None),
        ("The clerk, Ida Marsh, thanked the crew and admitted that the boat had sunk.", "Ida Marsh"),
    ],
)
def test_name_after_a_role(text: str, speaker: str | None) -> None:
    quote = _last(text)
    assert (quote.kind in ("indirect", "direct"), quote.speaker_name) == (True, speaker)


def test_paragraph_of_speech_goes_to_the_person_introduced_before_it() -> None:
    text = "The roof leaked.\n\nIda Marsh, the mayor, spoke to the crew at the pier.\n\n“We sail at noon. Be there.”"
    assert _last(text).speaker_name == "Ida Marsh"


@pytest.mark.parametrize(
    ("text", "content", "cue"),
    [
        ("The boat would sail, he promised.", "The boat would sail", "promised"),
        ("Ida Marsh promised that the boat would sail.", "the boat would sail", "promised"),
        (
            "It is a plan that Ida Marsh has called “a cure for which nobody asked”.",
            "a cure for which nobody asked",
            "has called",
        ),
        ("“Rowed,” said Ida Marsh.", "Rowed", "said"),
    ],
)
def test_unusual_attributions(text: str, content: str, cue: str) -> None:
    quote = _last(text)
    assert (quote.text, quote.cue) == (content, cue)


def test_title_of_a_work_after_called_is_not_a_quote() -> None:
    text = "It is a film that Ida Marsh has called “Rooms by the Sea”."
    assert annotate(text, language="en", config=RULES).quotes == ()


def test_asked_not_to_be_named_is_not_a_cue() -> None:
    quote = _last("A cook, who asked not to be named, said the boat would sail.")
    assert (quote.text, quote.speaker_name) == ("the boat would sail", None)
