"""Properties of `annotate` on any text: offsets match, no exceptions, linear time."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transforms.annotate import AnnotateConfig, annotate, resolve_pronouns
from transforms.annotate.nlp.lexicon import lexicon
from transforms.text.quotations import join_fragments

FRAGMENTS = [
    *(
        "“",
        "”",
        '"',
        "‘",
        "’",
        "'",
        "«",
        "»",
        "„",
        "``",
        "''",
        "—",
        ":",
        ", ",
        ". ",
        "? ",
        "\n",
        "\n\n",
        "\r\n",
        " ",
        "(",
        ")",
    ),
    *("Ida Marsh ", "Tom Oake", "Oake", "Mr ", "the mayor ", "She ", "he ", "said ", "says ", "according to ", "that "),
    *(
        "the boat sank",
        "adding ",
        "who ",
        "and ",
        "U.S. ",
        "'s ",
        "a",
        '12"',
        "\u00ad",
        "\u0301",
        "\x00",
        "🙂",
        "İ",
        "ﬁ",
    ),
]
texts = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(FRAGMENTS), max_size=60).map("".join))


@settings(max_examples=300, deadline=None)
@given(texts)
def test_offsets_match(text: str) -> None:
    found = annotate(text, language="en")
    for entity in found.entities:
        assert entity.mentions[0].start == entity.first_start
        assert entity.mention_count == len(entity.mentions)
        for mention in entity.mentions:
            assert text[mention.start : mention.end] == mention.text != ""
    ids = {entity.entity_id for entity in found.entities}
    for quote in found.quotes:
        assert quote.text == join_fragments(text, quote.spans)
        assert all(0 <= start < end <= len(text) for start, end in quote.spans)
        assert not quote.cue_spans or text[quote.cue_spans[0][0] : quote.cue_spans[0][1]] == quote.cue
        assert not quote.speaker_spans or text[quote.speaker_spans[0][0] : quote.speaker_spans[0][1]] == quote.speaker
        assert quote.speaker_entity_id is None or quote.speaker_entity_id in ids
        assert (quote.kind == "indirect") == (not quote.verbatim_text)
    for pronoun in resolve_pronouns(text):
        assert text[pronoun["start"] : pronoun["end"]].isalpha()


@settings(max_examples=100, deadline=None)
@given(texts)
def test_annotation_is_deterministic(text: str) -> None:
    assert annotate(text, language="en", version_id="v") == annotate(text, language="en", version_id="v")


MARKS = ['"', "“", "”", "'", "‘", "''", "«»", '" ', '"\n', "“a” ", " 'a", '"a "b', "“a "]
OTHERS = [
    "A",
    "Ab ",
    "a.",
    "said ",
    "Ab, ",
    "he said, ",
    "'a' b's\n",
    '"a" b\n',
    "“a\n",
    "(",
    "A. ",
    "Oslo ",
    "Ida Oake. ",
    "“a” Oslo ",
]


@pytest.mark.parametrize(("fragment", "size"), [*((m, 1_000_000) for m in MARKS), *((o, 100_000) for o in OTHERS)])
def test_repeated_input_takes_a_few_seconds(fragment: str, size: int) -> None:
    lexicon()
    start = time.process_time()
    # The time of the model is constant per word; only the code around it could be slower than linear.
    annotate(fragment * (size // len(fragment)), language="en", config=AnnotateConfig(model="rules"))
    assert time.process_time() - start < 5.0


def test_time_is_linear() -> None:
    paragraph = (
        "“We sail,” said Ida Marsh, a pilot. Tom Oake said the boat was “a wreck”, adding he would stay. She left.\n\n"
    )

    def seconds(times: int) -> float:
        start = time.process_time()
        annotate(paragraph * times, language="en")
        return time.process_time() - start

    seconds(10)
    # Eight times the text takes eight times as long, with a margin for the garbage collector; quadratic would be 64.
    assert seconds(1600) < 20 * max(seconds(200), 0.02)
