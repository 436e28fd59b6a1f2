"""Texts are cut at the borders of quotes and names, and nothing of them is lost."""

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.sample import ARTICLES_A_SITE, Piece, Stretch, paragraphs_of, samples_of
from tests.support.invented import HOSTILE

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.sampled_from("0123456789")), max_size=8)


def test_quotes_and_names_are_where_they_stand() -> None:
    text = "“No,” said Rosa.\n\nShe left."
    assert paragraphs_of(text, [(1, 4, "0")], [(11, 15, "PERSON")]) == (
        (
            Stretch((Piece("“"),)),
            Stretch((Piece("No,"),), 0, is_first=True),
            Stretch((Piece("” said "), Piece("Rosa", "PERSON"), Piece("."))),
        ),
        (Stretch((Piece("She left."),)),),
    )


def test_a_quote_over_two_paragraphs_begins_once() -> None:
    first, second = paragraphs_of("One.\n\nTwo.", [(0, 10, "0")], [])
    assert (first[0].is_first, second[0].is_first) == (True, False)
    assert first[0].quote == second[0].quote == 0


def test_of_quotes_that_overlap_the_first_is_shown_whole() -> None:
    ((whole, rest),) = paragraphs_of("abcdefgh", [(0, 5, "0"), (3, 8, "1"), (0, 2, "2")], [])
    assert (whole.pieces[0].text, whole.quote, rest.quote) == ("abcde", 0, None)


@given(st.text(alphabet="ab \n“”é🙂", max_size=50), SPANS, SPANS)
def test_no_letter_is_lost_or_doubled(
    text: str, quotes: list[tuple[int, int, str]], names: list[tuple[int, int, str]]
) -> None:
    paragraphs = paragraphs_of(text, quotes, names)
    shown = ["".join(piece.text for stretch in paragraph for piece in stretch.pieces) for paragraph in paragraphs]
    assert shown == [paragraph for paragraph in text.split("\n\n") if paragraph]


def test_samples_come_of_all_sites_with_their_voices(database: duckdb.DuckDBPyConnection) -> None:
    samples = samples_of(database)
    sites = [sample.domain for sample in samples]
    assert len(set(sites)) == 13
    assert max(map(sites.count, sites)) <= ARTICLES_A_SITE
    for sample in samples:
        (said,) = sample.quotes
        assert sample.voices == [(said.speaker, 1)]
        (quoted,) = [s for paragraph in sample.paragraphs for s in paragraph if s.quote is not None]
        if sample.domain != "hostile.example":
            names = [
                piece.text
                for paragraph in sample.paragraphs
                for s in paragraph
                for piece in s.pieces
                if piece.name_type
            ]
            assert names == ["Dunmore", said.speaker]
        else:
            assert "".join(piece.text for piece in quoted.pieces) == HOSTILE
