"""Score the detection of near-duplicates on edited copies of the demo site's articles.

usage: python -m benchmarks.stories

Each article of ``pipeline/demo/pages``, and a brief of its first two paragraphs, is edited like agency texts: cut,
reordered, with an added headline, agency line or footer, with replaced or removed words, and with several of these
edits. Two texts are a duplicate pair if both come from one article. It prints precision and recall of the pairs that
`pipeline.stories.assign` puts into one story.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import combinations
from pathlib import Path

from pipeline.stories.assign import Stories
from transforms.schema.records import content_hash
from transforms.text.near_duplicates import sketch

PAGES = Path(__file__).resolve().parents[1] / "pipeline" / "demo" / "pages"

_BEHIND = (
    "This story was first published in our morning edition. Our reporters follow the subject and will add to this"
    " page as they learn more. Readers can write to the news desk at any hour; letters may be cut for length."
)
_OTHER_WORDS = {
    "said": "told reporters", "about": "around", "because": "since", "on Friday": "this Friday", "had been": "was",
    "people": "residents", "would": "will", "more than": "over", "last year": "a year ago", "also": "too", "and": "as",
}  # fmt: skip


def articles() -> Iterator[tuple[str, list[str]]]:
    """Yield headline and paragraphs of each distinct article."""
    seen: set[str] = set()
    for file in sorted(PAGES.rglob("*.md")):
        _, front, text = file.read_text(encoding="utf-8").split("---\n", 2)
        title = next(line.removeprefix("title: ") for line in front.splitlines() if line.startswith("title: "))
        if text not in seen:
            seen.add(text)
            yield title, text.strip().split("\n\n")


def edits(title: str, paragraphs: list[str], chance: random.Random) -> list[str]:
    """Return edited versions of one article, after the article itself."""
    half = max(1, len(paragraphs) // 2)
    shuffled = chance.sample(paragraphs, len(paragraphs))
    reworded = [_reworded(paragraph, chance) for paragraph in paragraphs]
    versions = [
        paragraphs,
        paragraphs[:half],
        paragraphs[: half + 1] + paragraphs[half + 2 :],
        paragraphs[1:],
        shuffled,
        [title, *paragraphs],
        [f"OSTRAND (Wire) - {paragraphs[0]}", *paragraphs[1:]],
        [*paragraphs, _BEHIND],
        reworded,
        [title, *reworded[: half + 1], _BEHIND],
        [f"From our agency desk: {shuffled[0]}", *shuffled[1 : half + 1]],
    ]
    return ["\n\n".join(version) for version in versions]


def _reworded(paragraph: str, chance: random.Random) -> str:
    """Replace some phrases and remove one word in twenty."""
    for phrase, other in _OTHER_WORDS.items():
        if chance.random() < 0.5:
            paragraph = paragraph.replace(f" {phrase} ", f" {other} ")
    words = paragraph.split(" ")
    return " ".join(word for word in words if chance.random() >= 1 / 20)


def documents(*, brief: bool = False, seed: int = 1) -> list[tuple[str, str]]:
    """Return the set as (headline of the article, text): the articles first, then their copies in random order.

    Args:
        brief: of each article only the first two paragraphs, some sixty words.
        seed: of the random edits; the same seed gives the same set on each machine.
    """
    chance = random.Random(seed)  # noqa: S311 - the same set each time, no secret
    versions = [(title, edits(title, text[: 2 if brief else None], chance)) for title, text in articles()]
    originals = [(title, texts[0]) for title, texts in versions]
    copies = [(title, text) for title, texts in versions for text in texts[1:]]
    chance.shuffle(copies)
    return originals + copies


def clusters(texts: list[str]) -> list[str]:
    """Return the story of each text, published on different sites in this order."""
    stories = Stories()
    return [
        stories.assign(f"v{n}", f"a{n}", "", None, content_hash(text), sketch(text)).story_id
        for n, text in enumerate(texts)
    ]


def precision_and_recall(titles: list[str], is_pair: Callable[[int, int], bool]) -> tuple[float, float]:
    """Return precision and recall of the detected pairs."""
    counts: Counter[tuple[bool, bool]] = Counter()
    for one, other in combinations(range(len(titles)), 2):
        counts[titles[one] == titles[other], is_pair(one, other)] += 1
    right, missed, wrong = counts[True, True], counts[True, False], counts[False, True]
    return right / max(1, right + wrong), right / max(1, right + missed)


def main() -> None:
    """Score both sets and print the table."""
    print(f"{'set':10} {'texts':>5}  {'way':24} precision  recall")
    for name, brief in (("articles", False), ("briefs", True)):
        titles, texts = map(list, zip(*documents(brief=brief), strict=True))
        ways: dict[str, Callable[[int, int], bool]] = {"stories": partial(_is_same, clusters(texts))}
        for way, is_pair in ways.items():
            precision, recall = precision_and_recall(titles, is_pair)
            print(f"{name:10} {len(texts):5}  {way:24} {precision:9.4f} {recall:7.4f}")


def _is_same(found: list[str], one: int, other: int) -> bool:
    return found[one] == found[other]


if __name__ == "__main__":
    main()
