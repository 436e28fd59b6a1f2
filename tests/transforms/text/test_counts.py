"""Numbers with their nouns."""

import pytest

from transforms.text.counts import counted


@pytest.mark.parametrize(("number", "text"), [(0, "0 pages"), (1, "1 page"), (2, "2 pages"), (1_000, "1,000 pages")])
def test_noun_follows_the_number(number: int, text: str) -> None:
    assert counted(number, "page") == text


def test_plural_of_its_own() -> None:
    assert (counted(1, "story", "stories"), counted(2, "story", "stories")) == ("1 story", "2 stories")
