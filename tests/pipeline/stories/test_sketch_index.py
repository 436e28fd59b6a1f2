"""The sketch index finds originals by shared hashes."""

import random
from array import array
from collections import Counter

import pytest

from pipeline.stories import sketch_index
from pipeline.stories.sketch_index import COMMON, INDEXED, SketchIndex


def sketches(number: int, different: int) -> list["array[int]"]:
    """Random sketches of up to 64 hashes, from a number of different hashes."""
    chance = random.Random(number)  # noqa: S311
    hashes = [chance.getrandbits(64) for _ in range(different)]
    return [array("Q", sorted(chance.sample(hashes, chance.randrange(1, 65)))) for _ in range(number)]


@pytest.mark.parametrize("different", [80, 2_000], ids=["common hashes", "rare hashes"])
def test_index_agrees_with_pairwise_comparison(different: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Small limits, so that some hashes are in the dictionary, in merged arrays and in arrays that are not merged.
    monkeypatch.setattr(sketch_index, "_RECENT", 500)
    monkeypatch.setattr(sketch_index, "_MERGED", 2_000)
    known, *queries = sketches(400, different), *sketches(30, different)
    found = SketchIndex()
    assert [found.add(f"s{n}", f"a{n}", sketch) for n, sketch in enumerate(known)] == list(range(400))
    sizes = Counter(value for sketch in known for value in sketch[:INDEXED])
    for own in [*queries, *known[:30]]:
        rare = {value for value in own if sizes[value] <= COMMON}
        expected = {n: len(rare & set(sketch[:INDEXED])) for n, sketch in enumerate(known)}
        assert found.sharing(own) == Counter({n: count for n, count in expected.items() if count})
    assert [found.sketch(n) for n in range(400)] == known


def test_story_is_added_once() -> None:
    found = SketchIndex()
    one, other = sketches(2, 100)
    assert (found.add("s", "a", one), found.add("s", "b", other)) == (0, 0)
    assert (found.article_ids, found.sketch(0)) == (["a"], one)
