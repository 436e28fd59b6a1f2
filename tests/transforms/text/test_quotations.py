"""The fragments of a quotation, the way it is shown, and reported speech."""

from typing import get_args

import duckdb
import pytest

from pipeline.lake.query.catalog import make_macros
from transforms.annotate import annotate
from transforms.schema.records import CueClass, QuoteKind
from transforms.text.quotations import as_shown, is_speech, join_fragments


@pytest.mark.parametrize(
    ("text", "fragments", "joined"),
    [
        ("“We lost it,” she said. “We go.”", ("We lost it", "We go."), "We lost it … We go."),
        ("“We pay.” “We leave.”", ("We pay.", "We leave."), "We pay. We leave."),
        ("“We pay.\n\n“We leave.”", ("We pay.", "We leave."), "We pay. We leave."),
        ("“We pay.”“We leave.”", ("We pay.", "We leave."), "We pay. We leave."),
        ("‘We pay’, ‘we leave’", ("We pay", "we leave"), "We pay, we leave"),
        ('"We pay" - "we leave"', ("We pay", "we leave"), "We pay - we leave"),
        ("«We pay»—«we leave»", ("We pay", "we leave"), "We pay—we leave"),
        ("They pay 3 they leave", ("They pay", "they leave"), "They pay … they leave"),
        ("The shop, he said, would close", ("The shop", "would close"), "The shop … would close"),
        ("We pay.", ("We ", "pay."), "We pay."),
        ("We pay.", ("We pay.",), "We pay."),
        ("We pay.", (), ""),
    ],
)
def test_fragments_are_joined_by_what_stood_between(text: str, fragments: tuple[str, ...], joined: str) -> None:
    spans = [(text.index(fragment), text.index(fragment) + len(fragment)) for fragment in fragments]
    assert join_fragments(text, spans) == joined


def test_text_of_a_quote_shows_the_omission_and_keeps_its_utterance() -> None:
    (broken,) = annotate("“We lost the chip shop,” said Ann Lee, the mayor. “We did not lose anybody.”").quotes
    (whole,) = annotate("“We lost the chip shop. We did not lose anybody,” said Ann Lee, the mayor.").quotes
    assert broken.text == "We lost the chip shop … We did not lose anybody."
    assert whole.text == "We lost the chip shop. We did not lose anybody"
    assert broken.utterance_id == whole.utterance_id


@pytest.mark.parametrize(
    ("kind", "shown"), [("direct", "“We ‘pay’.”"), ("mixed", "We ‘pay’."), ("indirect", "We ‘pay’.")]
)
def test_only_direct_speech_is_in_quotation_marks(kind: QuoteKind, shown: str) -> None:
    assert as_shown("We ‘pay’.", kind) == shown


@pytest.mark.parametrize(
    ("kind", "cue_class", "speech"),
    [
        ("direct", None, True),
        ("direct", "belief", True),
        ("mixed", None, True),
        ("mixed", "wrote", True),
        ("mixed", "intention", False),
        ("indirect", "said", True),
        ("indirect", "asked", True),
        ("indirect", "according_to", True),
        ("indirect", "belief", False),
        ("indirect", "other", False),
    ],
)
def test_reported_speech_and_attitudes(kind: QuoteKind, cue_class: CueClass | None, speech: bool) -> None:
    assert is_speech(kind, cue_class) is speech


def test_sql_macros_agree() -> None:
    with duckdb.connect() as database:
        make_macros(database)
        for kind in get_args(QuoteKind):
            for cue_class in (None, *get_args(CueClass)):
                sql = "SELECT quotation('We pay', $kind), is_speech($kind, $cue)"
                found = database.execute(sql, {"kind": kind, "cue": cue_class}).fetchall()
                assert found == [(as_shown("We pay", kind), is_speech(kind, cue_class))]
