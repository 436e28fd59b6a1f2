"""Sample articles: texts split at quotes and names."""

import duckdb
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.sample import ARTICLES_PER_SITE, Segment, TextPart, paragraphs_of, samples_of
from tests.support.invented import HOSTILE

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.sampled_from("0123456789")), max_size=8)


def test_quotes_and_names() -> None:
    text = "“No,” said Rosa.\n\nShe left."
    assert paragraphs_of(text, [(1, 4, "0")], [(11, 15, "PERSON")]) == (
        (
            Segment((TextPart("“"),)),
            Segment((TextPart("No,"),), 0, is_first=True),
            Segment((TextPart("” said "), TextPart("Rosa", "PERSON"), TextPart("."))),
        ),
        (Segment((TextPart("She left."),)),),
    )


def test_quote_over_two_paragraphs() -> None:
    first, second = paragraphs_of("One.\n\nTwo.", [(0, 10, "0")], [])
    assert (first[0].is_first, second[0].is_first) == (True, False)
    assert first[0].quote == second[0].quote == 0


def test_overlapping_quotes() -> None:
    ((whole, rest),) = paragraphs_of("abcdefgh", [(0, 5, "0"), (3, 8, "1"), (0, 2, "2")], [])
    assert (whole.parts[0].text, whole.quote, rest.quote) == ("abcde", 0, None)


@given(st.text(alphabet="ab \n“”é🙂", max_size=50), SPANS, SPANS)
def test_text_is_complete(text: str, quotes: list[tuple[int, int, str]], names: list[tuple[int, int, str]]) -> None:
    paragraphs = paragraphs_of(text, quotes, names)
    shown = ["".join(part.text for segment in paragraph for part in segment.parts) for paragraph in paragraphs]
    assert shown == [paragraph for paragraph in text.split("\n\n") if paragraph]


def test_samples_of_all_sites(database: duckdb.DuckDBPyConnection) -> None:
    samples = samples_of(database)
    sites = [sample.domain for sample in samples]
    assert len(set(sites)) == 13
    assert max(map(sites.count, sites)) <= ARTICLES_PER_SITE
    for sample in samples:
        (quote,) = sample.quotes
        assert sample.speakers == [(quote.speaker, 1)]
        (quoted,) = [s for paragraph in sample.paragraphs for s in paragraph if s.quote is not None]
        if sample.domain != "hostile.example":
            names = [
                part.text
                for paragraph in sample.paragraphs
                for segment in paragraph
                for part in segment.parts
                if part.name_type
            ]
            assert names == ["Dunmore", quote.speaker]
        else:
            assert "".join(part.text for part in quoted.parts) == HOSTILE
