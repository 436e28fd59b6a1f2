"""The model: texts in, names, parts of quotations and their links out, in one pass over their windows."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transforms.annotate.model.viterbi import Tagging, best_path, inside_only, spans_of
from transforms.annotate.model.wordpiece import Vocabulary, Words, encode, inputs, windows
from transforms.annotate.nlp.parsed_text import ParsedText

MODEL_VERSION = "minilm-3"
"""The shipped model's, as its file says; the `model_version` of the tables."""
DECODED = 128
"""Windows whose paths are looked for at once."""
BEGINS_CUE = 3
"""The tag of a cue's first word, of O and B and I of content, cue and source."""
CUE_BIAS = 0.7
"""Added to its score: a missed cue costs more than a spurious one, which finds no content."""
WEAK_CUE = 0.15
"""The probability from which a word that is no cue by the best path is kept as one that an orphan may go to."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """A span of words, end exclusive, and how sure the model is of it (the mean probability of its tags)."""

    start: int
    stop: int
    label: str
    probability: float
    probabilities: dict[str, float] = field(default_factory=dict)
    """Of a name: the probability of each label, however its edges are."""


@dataclass(frozen=True, slots=True)
class CueScores:
    """A verb of speech or the like, ``words[start:stop]``, and what each word of its window is to it."""

    start: int
    stop: int
    weak: bool
    window: tuple[int, int]
    content: list[float]
    """Log probability of being its content, a word of the window."""
    source: list[float]


@dataclass(slots=True)
class Tagged:
    """What the model sees in one text; all places are words of ``words``."""

    words: Words
    version: str = ""
    """The model's."""
    entities: list[TaggedSpan] = field(default_factory=list)
    contents: list[TaggedSpan] = field(default_factory=list)
    sources: list[TaggedSpan] = field(default_factory=list)
    cues: list[CueScores] = field(default_factory=list)


class Tagger:
    """The network on one thread of the processor it is called on. Make one a process: `tagger` does.

    Args:
        path: the model file, made by training/export.py.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Windows are of many lengths: a plan of memory for each costs more than it saves.
        options.enable_mem_pattern = False
        # What it makes runs one number at a time on a CPU, a tenth of all time.
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
        )
        about = self._session.get_modelmeta().custom_metadata_map
        self.version: str = about["version"]
        self.vocabulary = Vocabulary(about["vocabulary"].splitlines())
        self._heads = _Heads(json.loads(about["heads"]))

    def tag(self, parsed_texts: Sequence[ParsedText]) -> list[Tagged]:
        """Tag texts; what the scores say is read for many windows at once.

        Each window runs by itself: nothing is padded, and all of it fits the caches of one core. Integers stand for
        what the layers pass on, on a scale of what is given at once, so the same text gives the same tags whatever is
        tagged with it.

        Args:
            parsed_texts: the texts, taken apart.

        Returns:
            One result a text, in their order.
        """
        found = [Tagged(encode(parsed, self.vocabulary), self.version) for parsed in parsed_texts]
        scored = [
            self._scored(number, span, text.words) for number, text in enumerate(found) for span in windows(text.words)
        ]
        scored.sort(key=lambda window: len(window.tags))
        for at in range(0, len(scored), DECODED):
            self._heads.decode(found, scored[at : at + DECODED])
        for text in found:
            for parts in (text.entities, text.contents, text.sources, text.cues):
                parts.sort(key=lambda part: part.start)
        return found

    def _scored(self, number: int, span: tuple[int, int], words: Words) -> "_Scored":
        *arrays, firsts = inputs(words, span, self.vocabulary)
        names = ("ids", "cases_ids", "states_ids")
        fed = {name: array[None] for name, array in zip(names, arrays, strict=True)}
        tags, links = self._session.run(["tags", "links"], fed)
        return _Scored(number, span, tags[0, firsts], links[0, firsts])


@dataclass(frozen=True, slots=True)
class _Scored:
    """What the network says of one window: of text ``number``, words ``span``; tags and links [words, scores]."""

    number: int
    span: tuple[int, int]
    tags: Floats
    links: Floats


class _Heads:
    """From scores to spans and links."""

    def __init__(self, about: dict[str, Any]) -> None:
        self._labels: list[str] = about["labels"]
        self._tags = 1 + 2 * len(self._labels)
        self._entity_moves = inside_only(self._tags)
        self._quote_moves = np.array(about["transitions"], np.float32)
        self._link: int = about["link"]
        self._edges = np.array(about["edges"])
        self._middle: int = about["buckets"] // 2
        self._distance = np.array(about["distance"], np.float32)
        self._same = np.array(about["same_paragraph"], np.float32)

    def decode(self, found: list[Tagged], windows: list[_Scored]) -> None:
        """Adds what the scores of windows say to the texts that these are of."""
        counts = np.array([len(window.tags) for window in windows])
        scores = np.zeros((len(windows), counts.max(), windows[0].tags.shape[1]), np.float32)
        for row, window in enumerate(windows):
            scores[row, : counts[row]] = window.tags
        entity = best_path(scores[..., : self._tags], self._entity_moves, counts)
        quote_scores = scores[..., self._tags : self._tags + 7].copy()
        quote_scores[..., BEGINS_CUE] += CUE_BIAS
        quote = best_path(quote_scores, self._quote_moves, counts)
        for row, window in enumerate(windows):
            text, span = found[window.number], window.span
            names = _parts(entity, row, span, self._labels)
            text.entities += [self._with_probabilities(part, entity, row, span) for part in names]
            parts = _parts(quote, row, span, ["content", "cue", "source"])
            text.contents += [part for part in parts if part.label == "content"]
            text.sources += [part for part in parts if part.label == "source"]
            cues = [(part, False) for part in parts if part.label == "cue"]
            cues += [(part, True) for part in _weak(quote, row, span)]
            text.cues += self._linked(text.words, span, cues, window.links, window.tags[:, self._tags + 7 :])

    def _with_probabilities(self, part: TaggedSpan, tagging: Tagging, row: int, span: tuple[int, int]) -> TaggedSpan:
        total = np.add.reduce(tagging.marginals[row, part.start - span[0] : part.stop - span[0]])
        mean = total / (part.stop - part.start)
        probabilities = dict(zip(self._labels, (mean[1::2] + mean[2::2]).tolist(), strict=True))
        return TaggedSpan(part.start, part.stop, part.label, part.probability, probabilities)

    def _linked(
        self, words: Words, span: tuple[int, int], cues: list[tuple[TaggedSpan, bool]], table: Floats, bias: Floats
    ) -> list[CueScores]:
        if not cues:
            return []
        begin, end = span
        size = 2 * self._link
        first = np.array([part.start - begin for part, _ in cues])
        last = np.array([part.stop - 1 - begin for part, _ in cues])
        heads = np.maximum(table[first, size : 2 * size] + table[last, 2 * size :], 0).reshape(-1, 2, self._link)
        own = np.maximum(table[:, :size], 0).reshape(-1, 2, self._link)
        dots = np.einsum("crk,wrk->cwr", heads, own) / math.sqrt(self._link)
        at = np.arange(end - begin)[None]
        away = np.where(at > last[:, None], at - last[:, None], np.minimum(at - first[:, None], 0))
        far = np.searchsorted(self._edges, np.abs(away), side="right")
        bucket = self._middle + np.sign(away) * far
        paragraph = words.paragraph[begin:end]
        same = paragraph[None] == paragraph[first][:, None]
        logits = dots + bias[None] + self._distance.T[bucket] + same[..., None] * self._same
        total = np.logaddexp(0.0, np.logaddexp(logits[..., 0], logits[..., 1]))
        content, source = ((logits[..., which] - total).tolist() for which in (0, 1))
        return [
            CueScores(part.start, part.stop, weak, span, *like)
            for (part, weak), *like in zip(cues, content, source, strict=True)
        ]


def _parts(tagging: Tagging, row: int, span: tuple[int, int], labels: list[str]) -> list[TaggedSpan]:
    begin, end = span
    probability = tagging.probability[row].tolist()
    return [
        TaggedSpan(begin + start, begin + stop, labels[label], sum(probability[start:stop]) / (stop - start))
        for start, stop, label in spans_of(tagging.tags[row, : end - begin])
    ]


def _weak(tagging: Tagging, row: int, span: tuple[int, int]) -> list[TaggedSpan]:
    begin, end = span
    tags, like = tagging.tags[row, : end - begin], tagging.marginals[row, : end - begin, 3]
    places = np.flatnonzero((like > WEAK_CUE) & (tags != 3) & (tags != 4))
    return [TaggedSpan(begin + int(at), begin + int(at) + 1, "cue", float(like[at])) for at in places]


@cache
def tagger() -> Tagger:
    """The shipped model; the first call of a process loads it (a tenth of a second)."""
    with as_file(files("transforms.annotate.model") / "onrecord.onnx") as path:
        return Tagger(path)
