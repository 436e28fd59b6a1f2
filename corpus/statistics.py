"""Print the statistics of the corpus: counts, variety and overlap between articles.

usage: python -m corpus.statistics [FOLDER]
"""

import re
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

from corpus.read import held_out_ids, read_article

_WORD = re.compile(r"\w+(?:['’]\w+)?")
_GRAM = 8


def grams(text: str, size: int = _GRAM) -> set[tuple[str, ...]]:
    """Return the word n-grams of a text, lower-cased."""
    words = [word.lower() for word in _WORD.findall(text)]
    return set(zip(*(words[start:] for start in range(size)), strict=False))


def overlaps(articles: list[dict[str, Any]]) -> list[tuple[int, str, str]]:
    """Return the pairs of articles that share n-grams of eight words: (number, id, id), most first."""
    found = {article["id"]: grams(article["text"]) for article in articles}
    shared = ((len(found[a] & found[b]), a, b) for a, b in combinations(found, 2))
    return sorted((entry for entry in shared if entry[0]), reverse=True)


def main() -> None:
    """Read the articles of a folder and print their statistics."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "en"
    articles = [read_article(path) for path in sorted(folder.glob("*.txt"))]
    held_out = held_out_ids(folder.parent)
    quotes = [quote for article in articles for quote in article["quotes"]]
    names = Counter(e["name"] for a in articles for e in a["entities"] if e["type"] == "PERSON")
    lengths = sorted(len(_WORD.findall(a["text"])) for a in articles)
    print(f"articles {len(articles)}, of these test {sum(a['id'] in held_out for a in articles)}")
    print(f"words {sum(lengths):,}; an article {lengths[0]} to {lengths[-1]}, median {lengths[len(lengths) // 2]}")
    print("quotations", dict(Counter(q["kind"] for q in quotes).most_common()))
    print(f"without a cue {sum(not q['cue'] for q in quotes)}, without a source {sum(not q['source'] for q in quotes)}")
    print("entities", dict(Counter(e["type"] for a in articles for e in a["entities"]).most_common()))
    print("mentions", dict(Counter(e["type"] for a in articles for e in a["entities"] for _ in e["mentions"])))
    print(f"references {sum(len(a['references']) for a in articles)}, marks that are no speech", end=" ")
    print(sum(len(a["not_speech"]) for a in articles))
    cues = Counter(" ".join(text for _, _, text in q["cue"]).lower() for q in quotes if q["cue"])
    print(f"cues {len(cues)}:", ", ".join(f"{cue} {n / sum(cues.values()):.1%}" for cue, n in cues.most_common(15)))
    print("persons in more than one article:", sum(n > 1 for n in names.values()), "of", len(names))
    print("pairs that share eight words in a row:", len(overlaps(articles)))
    for head in ("kind", "country"):
        print(f"{head}:", dict(Counter(a[head] for a in articles).most_common()))
    print("difficult kinds:", dict(Counter(f for a in articles for f in a["features"]).most_common()))


if __name__ == "__main__":
    main()
