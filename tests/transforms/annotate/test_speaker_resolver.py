"""Who speaks: pronouns, roles and bodies resolved to the right name, or to none."""

import pytest

from transforms.annotate import AnnotateConfig, annotate
from transforms.schema.records import Quote

RULES = AnnotateConfig(model="rules")


def _last(text: str) -> Quote:
    return annotate(text, language="en", config=RULES).quotes[-1]


@pytest.mark.parametrize(
    ("text", "speaker"),
    [
        # the same paragraph before the most named and the last to speak
        ("“No,” said Amos Pell. “Never,” Pell said.\n\nTom Oake came late. “I ran,” he said.", "Tom Oake"),
        # gender by first name, title, role, the pronoun beside the name
        ("Henrik Vass met Philippa Dorn. “We sail,” she said.", "Philippa Dorn"),
        ("Mr Vell met Mrs Sarn. “We sail,” she said.", "Sarn"),
        ("Zorin Vell met a spokeswoman, Quill Sarn. “We sail,” she said.", "Quill Sarn"),
        ("Quill Sarn sold her boat. Tarv Ness sold his. “We sail,” she said.", "Quill Sarn"),
        # the mayor is named with a word before the office, and again by surname
        ("Harbour Minister Ylva Brandt came. “We sail,” she said.", "Ylva Brandt"),
        # a nickname in marks leaves the surname a name
        ("Ed “Barnacle” Novotny sang. “No,” said Amos Pell.\n\nNovotny left. “I slept,” he said.", "Ed Novotny"),
        # the possessor before a name is not the one who speaks
        ("Oake’s rival, Dan Platt, came. “We sail,” he said. Tom Oake slept.", "Dan Platt"),
    ],
)
def test_pronouns_go_to_the_right_person(text: str, speaker: str) -> None:
    quote = _last(text)
    assert (quote.speaker_method, quote.speaker_name) == ("pronoun", speaker)


@pytest.mark.parametrize(
    "text",
    [
        # places and bodies are no persons
        "Harrow Wharf burnt on Monday. “We sail,” she said.",
        "Villagers walked to the Tamsin. The Tamsin said no. “We sail,” she said.",
        "Farline raised its fares. The fares of Farline are high. “We sail,” she said.",
        # somebody without a name was spoken of last
        "Tom Oake left. A guard came in. In a letter he said the gate was shut.",
        "“It sank,” said Tom Oake.\n\n“We saw it,” a deckhand said. “It was quick,” he added.",
        "Ida Marsh left. A surveyor of the board came. Asked by Oake, she said the roof leaked.",
        # two persons as near as each other
        "Tom Oake met Ada Poole and Ida Marsh. “We sail,” she said.",
    ],
)
def test_a_pronoun_that_may_be_anybody_has_no_name(text: str) -> None:
    quote = _last(text)
    assert (quote.speaker_method, quote.speaker_name) == ("pronoun", None)


def test_the_holder_of_a_role_spoken_of_last_is_the_pronouns_person() -> None:
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
def test_a_body_by_a_word_of_its_name(text: str, speaker: str | None) -> None:
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
def test_names_beside_a_description(text: str, speaker: str | None) -> None:
    quote = _last(text)
    assert (quote.kind in ("indirect", "direct"), quote.speaker_name) == (True, speaker)


def test_a_paragraph_of_speech_goes_to_the_person_introduced_right_before() -> None:
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
def test_reports_that_are_easily_lost(text: str, content: str, cue: str) -> None:
    quote = _last(text)
    assert (quote.text, quote.cue) == (content, cue)


def test_the_title_of_a_work_stays_no_quote_behind_called() -> None:
    text = "It is a film that Ida Marsh has called “Rooms by the Sea”."
    assert annotate(text, language="en", config=RULES).quotes == ()


def test_who_asked_not_to_be_named_asked_nothing_else() -> None:
    quote = _last("A cook, who asked not to be named, said the boat would sail.")
    assert (quote.text, quote.speaker_name) == ("the boat would sail", None)
