"""Spans and links of the model put together: each content span to its cue, each cue to its source."""

import math
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from transforms.annotate.model.tagger import CueScores, Tagged, TaggedSpan

GAP_CONTENT, GAP_SOURCE, MAX_GAP = 0.05, 0.1, 40
"""What a word between a span and its cue costs (log probability), and how many are counted."""
APART_CONTENT, APART_SOURCE = 2.0, 3.0
"""What another paragraph costs."""
LEAST_CONTENT, LEAST_SOURCE = -4.0, -3.5
"""Below these a span belongs to no cue."""
FILLED = 0.5
"""The probability from which words that no tag marks are a source all the same."""

WordRange = tuple[int, int]


@dataclass(slots=True)
class AttributionSpans:
    """One attribution in words: content, cue and source spans."""

    content: list[WordRange]
    cue: list[WordRange] = field(default_factory=list)
    source: list[WordRange] = field(default_factory=list)
    content_probability: float = 0.0
    """How sure the model is of the content, 0 to 1: of its tags and of its link to the cue, whichever is less."""
    source_probability: float = 0.0
    """The same of the source."""


def decode_attributions(tagged: Tagged) -> list[AttributionSpans]:
    """The attributions of a text, in the order of their content.

    All content spans that go to one cue are one quotation. A span that no cue takes goes to a weak cue of its
    paragraph; if there is none it stands alone.
    """
    strong = [cue for cue in tagged.cues if not cue.weak]
    weak = [cue for cue in tagged.cues if cue.weak]
    taken: dict[int, list[TaggedSpan]] = defaultdict(list)
    cues: dict[int, CueScores] = {}
    alone: list[TaggedSpan] = []
    for part in tagged.contents:
        cue = _best(tagged, part, strong, LEAST_CONTENT) or _best(tagged, part, weak, LEAST_CONTENT / 2)
        if cue is None:
            alone.append(part)
        else:
            taken[cue.start].append(part)
            cues[cue.start] = cue
    found = [_quotation(tagged, cues[key], parts) for key, parts in taken.items()]
    found += [AttributionSpans([(part.start, part.stop)]) for part in alone if part.stop - part.start > 1]
    return sorted(found, key=lambda linked: linked.content[0])


def _best(tagged: Tagged, part: TaggedSpan, cues: list[CueScores], least: float) -> CueScores | None:
    best, most = None, least
    for cue in (cue for cue in cues if cue.window[0] <= part.start < cue.window[1]):
        score = _score(tagged, cue, cue.content, part, GAP_CONTENT, APART_CONTENT)
        if score > most:
            best, most = cue, score
    return best


def _quotation(tagged: Tagged, cue: CueScores, parts: list[TaggedSpan]) -> AttributionSpans:
    best, most = None, LEAST_SOURCE
    begin, end = cue.window
    for part in (part for part in tagged.sources if begin <= part.start < end):
        score = _score(tagged, cue, cue.source, part, GAP_SOURCE, APART_SOURCE)
        if score > most:
            best, most = part, score
    source = [(best.start, best.stop)] if best is not None else _filled(cue)
    tagged_as = [best.probability] if best is not None else []
    return AttributionSpans(
        [(part.start, part.stop) for part in parts],
        [(cue.start, cue.stop)],
        source,
        min(min(part.probability, _share(cue, cue.content, (part.start, part.stop))) for part in parts),
        min([*tagged_as, *(_share(cue, cue.source, part) for part in source)], default=0.0),
    )


def _share(cue: CueScores, table: list[float], part: WordRange) -> float:
    """The mean probability (geometric) that the words of a part are to the cue what the table says."""
    return math.exp(_mean(cue, table, *part))


def _mean(cue: CueScores, table: list[float], start: int, stop: int) -> float:
    begin = cue.window[0]
    return sum(table[start - begin : stop - begin]) / (stop - start)


def _filled(cue: CueScores) -> list[WordRange]:
    """The run of words that the links alone take for the source, the likeliest one; nothing when there is none."""
    like = np.exp(cue.source)
    places = np.flatnonzero(like > FILLED)
    if not len(places):
        return []
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    run = max(runs, key=lambda r: float(like[r].sum()))
    begin = cue.window[0]
    return [(begin + int(run[0]), begin + int(run[-1]) + 1)]


def _score(tagged: Tagged, cue: CueScores, table: list[float], part: TaggedSpan, gap: float, apart: float) -> float:
    """How well a span of the cue's window fits it: mean log probability, less what distance costs."""
    paragraph = tagged.words.paragraph
    between = max(0, cue.start - part.stop, part.start - cue.stop)
    score = _mean(cue, table, part.start, part.stop) - gap * min(between, MAX_GAP)
    return score - apart * bool(paragraph[part.start] != paragraph[cue.start])
