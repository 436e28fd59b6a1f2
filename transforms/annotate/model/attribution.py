"""Decode attributions: attach content spans to cues, and cues to sources."""

import math
from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from transforms.annotate.model.tagger import CueScores, Tagged, TaggedSpan

CONTENT_WORD_PENALTY, SOURCE_WORD_PENALTY = 0.05, 0.1
"""Penalty per word between a span and its cue (log probability)."""
MAX_PENALISED_WORDS = 40
CONTENT_PARAGRAPH_PENALTY, SOURCE_PARAGRAPH_PENALTY = 2.0, 3.0
"""Penalty for a span in another paragraph than its cue (log probability)."""
MIN_CONTENT_SCORE, MIN_SOURCE_SCORE = -4.0, -3.5
"""Minimum score for attaching a span to a cue (log probability)."""
UNTAGGED_SOURCE = 0.5
"""Minimum probability of the words that become the source of a cue without a tagged source."""

WordRange = tuple[int, int]
"""First word and the word after the last one, as indices into the words of the text."""


@dataclass(slots=True)
class AttributionSpans:
    """Content, cue and source of one attribution, as ranges of words."""

    content: list[WordRange]
    cue: list[WordRange] = field(default_factory=list)
    source: list[WordRange] = field(default_factory=list)
    content_probability: float = 0.0
    """Probability of the content, 0 to 1: the smaller of its mean tag and mean attribution probabilities."""
    source_probability: float = 0.0
    """Probability of the source, computed in the same way."""


def decode_attributions(tagged: Tagged) -> list[AttributionSpans]:
    """Decode the attributions of a text.

    Each content span goes to the cue with the highest score, and all spans of one cue form one attribution. Weak
    cues receive only spans that fit no other cue. A span of two or more words that fits no cue is an attribution alone.

    Args:
        tagged: the output of the tagger.

    Returns:
        Attributions in the order of their content.
    """
    strong = [cue for cue in tagged.cues if not cue.weak]
    weak = [cue for cue in tagged.cues if cue.weak]
    by_cue: dict[int, list[TaggedSpan]] = defaultdict(list)
    cues: dict[int, CueScores] = {}
    unattached: list[TaggedSpan] = []
    for span in tagged.contents:
        cue = _best_cue(tagged, span, strong, MIN_CONTENT_SCORE) or _best_cue(tagged, span, weak, MIN_CONTENT_SCORE / 2)
        if cue is None:
            unattached.append(span)
        else:
            by_cue[cue.start].append(span)
            cues[cue.start] = cue
    found = [_attribution(tagged, cues[key], spans) for key, spans in by_cue.items()]
    found += [AttributionSpans([(span.start, span.stop)]) for span in unattached if span.stop - span.start > 1]
    return sorted(found, key=lambda attribution: attribution.content[0])


def _best_cue(tagged: Tagged, span: TaggedSpan, cues: list[CueScores], min_score: float) -> CueScores | None:
    best, best_score = None, min_score
    for cue in (cue for cue in cues if cue.window[0] <= span.start < cue.window[1]):
        score = _score(tagged, cue, cue.content, span, CONTENT_WORD_PENALTY, CONTENT_PARAGRAPH_PENALTY)
        if score > best_score:
            best, best_score = cue, score
    return best


def _attribution(tagged: Tagged, cue: CueScores, spans: list[TaggedSpan]) -> AttributionSpans:
    best, best_score = None, MIN_SOURCE_SCORE
    begin, end = cue.window
    for span in (span for span in tagged.sources if begin <= span.start < end):
        score = _score(tagged, cue, cue.source, span, SOURCE_WORD_PENALTY, SOURCE_PARAGRAPH_PENALTY)
        if score > best_score:
            best, best_score = span, score
    source = [(best.start, best.stop)] if best is not None else _untagged_source(cue)
    tag_probability = [best.probability] if best is not None else []
    return AttributionSpans(
        [(span.start, span.stop) for span in spans],
        [(cue.start, cue.stop)],
        source,
        min(min(span.probability, _probability(cue, cue.content, (span.start, span.stop))) for span in spans),
        min([*tag_probability, *(_probability(cue, cue.source, span) for span in source)], default=0.0),
    )


def _probability(cue: CueScores, table: list[float], span: WordRange) -> float:
    """Return the geometric mean of the probabilities in ``table`` (content or source) over a range of words."""
    return math.exp(_mean(cue, table, *span))


def _mean(cue: CueScores, table: list[float], start: int, stop: int) -> float:
    begin = cue.window[0]
    return sum(table[start - begin : stop - begin]) / (stop - start)


def _untagged_source(cue: CueScores) -> list[WordRange]:
    """Return the most probable sequence of source words by the attribution scores alone; empty if there is none."""
    probabilities = np.exp(cue.source)
    likely = np.flatnonzero(probabilities > UNTAGGED_SOURCE)
    if not len(likely):
        return []
    sequences = np.split(likely, np.flatnonzero(np.diff(likely) > 1) + 1)
    best = max(sequences, key=lambda sequence: float(probabilities[sequence].sum()))
    begin = cue.window[0]
    return [(begin + int(best[0]), begin + int(best[-1]) + 1)]


def _score(
    tagged: Tagged, cue: CueScores, table: list[float], span: TaggedSpan, word_penalty: float, paragraph_penalty: float
) -> float:
    """Return the score of a span for a cue: mean log probability minus the penalties for distance."""
    paragraph = tagged.words.paragraph
    between = max(0, cue.start - span.stop, span.start - cue.stop)
    score = _mean(cue, table, span.start, span.stop) - word_penalty * min(between, MAX_PENALISED_WORDS)
    return score - paragraph_penalty * bool(paragraph[span.start] != paragraph[cue.start])
