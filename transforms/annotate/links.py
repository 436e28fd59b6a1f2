"""Spans and links of the model put together: each content span to its cue, each cue to its source."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from transforms.annotate.tagger import Cue, Floats, Part, Tagged

GAP_CONTENT, GAP_SOURCE, MAX_GAP = 0.05, 0.1, 40
"""What a word between a span and its cue costs (log probability), and how many are counted."""
APART_CONTENT, APART_SOURCE = 2.0, 3.0
"""What another paragraph costs."""
LEAST_CONTENT, LEAST_SOURCE = -4.0, -3.5
"""Below these a span belongs to no cue."""
FILLED = 0.5
"""The probability from which words that no tag marks are a source all the same."""

Range = tuple[int, int]


@dataclass(slots=True)
class Linked:
    """One attribution in words: content, cue and source spans, and how sure the model is of what it said."""

    content: list[Range]
    cue: list[Range] = field(default_factory=list)
    source: list[Range] = field(default_factory=list)
    content_probability: float = 0.0
    source_probability: float = 0.0
    cue_probability: float = 0.0


def assemble(tagged: Tagged) -> list[Linked]:
    """The attributions of a text, in the order of their content.

    All content spans that go to one cue are one quotation. A span that no cue takes goes to a weak cue of its
    paragraph; if there is none it stands alone.
    """
    strong = [cue for cue in tagged.cues if not cue.weak]
    weak = [cue for cue in tagged.cues if cue.weak]
    taken: dict[int, list[Part]] = defaultdict(list)
    cues: dict[int, Cue] = {}
    alone: list[Part] = []
    for part in tagged.contents:
        cue = _best(tagged, part, strong, LEAST_CONTENT) or _best(tagged, part, weak, LEAST_CONTENT / 2)
        if cue is None:
            alone.append(part)
        else:
            taken[cue.start].append(part)
            cues[cue.start] = cue
    found = [_quotation(tagged, cues[key], parts) for key, parts in taken.items()]
    found += [
        Linked([(part.start, part.stop)], content_probability=part.probability)
        for part in alone
        if part.stop - part.start > 1
    ]
    return sorted(found, key=lambda linked: linked.content[0])


def _best(tagged: Tagged, part: Part, cues: list[Cue], least: float) -> Cue | None:
    best, most = None, least
    for cue in cues:
        if not (cue.window[0] <= part.start and part.stop <= cue.window[1]):
            continue
        score = _mean(cue.content, cue, part.start, part.stop)
        score -= GAP_CONTENT * min(_gap(cue, part.start, part.stop), MAX_GAP)
        score -= APART_CONTENT * bool(tagged.words.paragraph[part.start] != tagged.words.paragraph[cue.start])
        if score > most:
            best, most = cue, score
    return best


def _quotation(tagged: Tagged, cue: Cue, parts: list[Part]) -> Linked:
    content = [(part.start, part.stop) for part in parts]
    found = Linked(content, [(cue.start, cue.stop)], cue_probability=cue.probability)
    found.content_probability = sum(part.probability for part in parts) / len(parts)
    best, most, sure = None, LEAST_SOURCE, 0.0
    for part in tagged.sources:
        if not (cue.window[0] <= part.start and part.stop <= cue.window[1]):
            continue
        mean = _mean(cue.source, cue, part.start, part.stop)
        score = mean - GAP_SOURCE * min(_gap(cue, part.start, part.stop), MAX_GAP)
        score -= APART_SOURCE * bool(tagged.words.paragraph[part.start] != tagged.words.paragraph[cue.start])
        if score > most:
            best, most, sure = part, score, float(np.exp(mean))
    if best is not None:
        found.source, found.source_probability = [(best.start, best.stop)], sure
    else:
        found.source, found.source_probability = _filled(cue)
    return found


def _filled(cue: Cue) -> tuple[list[Range], float]:
    """The run of words that the links alone take for the source, the likeliest one; nothing when there is none."""
    like = np.exp(cue.source)
    places = np.flatnonzero(like > FILLED)
    if not len(places):
        return [], float(1 - like.max()) if len(like) else 0.0
    runs = np.split(places, np.flatnonzero(np.diff(places) > 1) + 1)
    run = max(runs, key=lambda r: float(like[r].sum()))
    begin = cue.window[0]
    return [(begin + int(run[0]), begin + int(run[-1]) + 1)], float(like[run].mean())


def _mean(table: Floats, cue: Cue, start: int, stop: int) -> float:
    begin = cue.window[0]
    return float(table[start - begin : stop - begin].mean())


def _gap(cue: Cue, start: int, stop: int) -> int:
    return max(0, cue.start - stop, start - cue.stop)
