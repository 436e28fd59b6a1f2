"""Tag texts with the neural network: entities, quotation spans, and attribution scores for every cue."""

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

from transforms.annotate.model.viterbi import Tagging, bio_transitions, decode_tags, spans_of
from transforms.annotate.model.wordpiece import Vocabulary, Words, encode, inputs, windows
from transforms.annotate.nlp.parsed_text import ParsedText

MODEL_VERSION = "minilm-3"
"""Version of the shipped model, equal to the version in its file; written to the column `model_version`."""
DECODE_BATCH = 128
"""Number of windows decoded together."""
B_CUE = 3
"""Index of the tag B-cue among O and the B and I tags of content, cue and source."""
CUE_BIAS = 0.7
"""Added to the score of B-cue: a missed cue costs more than a spurious one, which gets no content."""
WEAK_CUE = 0.15
"""Minimum probability of B-cue for keeping a word outside the decoded cues as a weak cue."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """A tagged span, as indices into the words of the text, end exclusive."""

    start: int
    stop: int
    label: str
    probability: float
    """Mean marginal probability of its tags, 0 to 1."""
    probabilities: dict[str, float] = field(default_factory=dict)
    """For an entity, the mean probability of each label (sum of its B and I tags)."""


@dataclass(frozen=True, slots=True)
class CueScores:
    """A cue, ``words[start:stop]``, with attribution scores for the words of its window."""

    start: int
    stop: int
    weak: bool
    """Whether the best tags do not mark it as a cue, but it may take content that fits no other cue."""
    window: tuple[int, int]
    """First word of the window, and the word after its last one."""
    content: list[float]
    """For each word of the window, the log probability of being content of the cue."""
    source: list[float]
    """For each word of the window, the log probability of being the source of the cue."""


@dataclass(slots=True)
class Tagged:
    """The output of the model for one text. Spans are indices into ``words``, in text order."""

    words: Words
    version: str = ""
    """The version of the model."""
    entities: list[TaggedSpan] = field(default_factory=list)
    contents: list[TaggedSpan] = field(default_factory=list)
    sources: list[TaggedSpan] = field(default_factory=list)
    cues: list[CueScores] = field(default_factory=list)


class Tagger:
    """The network, run on the calling thread. Use one instance per process; `tagger` returns it.

    Args:
        path: the model file, written by training/export.py.
    """

    def __init__(self, path: Path) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # Windows differ in length, and a memory plan for each length costs more than it saves.
        options.enable_mem_pattern = False
        # The fused operator is not vectorised on a CPU and takes a tenth of the total time.
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"]
        )
        about = self._session.get_modelmeta().custom_metadata_map
        self.version: str = about["version"]
        self.vocabulary = Vocabulary(about["vocabulary"].splitlines())
        self._decoder = _Decoder(json.loads(about["heads"]))

    def tag(self, parsed_texts: Sequence[ParsedText]) -> list[Tagged]:
        """Tag texts.

        The network runs on one window at a time: without padding, and within the caches of one core. Its activations
        are quantised on a scale per call, so one window per call also keeps the tags of a text independent of the
        texts tagged with it. Windows are decoded in batches.

        Args:
            parsed_texts: the parsed texts.

        Returns:
            One result per text, in order.
        """
        results = [Tagged(encode(parsed, self.vocabulary), self.version) for parsed in parsed_texts]
        scored = [
            self._score(number, window, text.words)
            for number, text in enumerate(results)
            for window in windows(text.words)
        ]
        scored.sort(key=lambda window: len(window.tags))
        for at in range(0, len(scored), DECODE_BATCH):
            self._decoder.decode(results, scored[at : at + DECODE_BATCH])
        for text in results:
            for spans in (text.entities, text.contents, text.sources, text.cues):
                spans.sort(key=lambda span: span.start)
        return results

    def _score(self, number: int, window: tuple[int, int], words: Words) -> "_WindowScores":
        *arrays, firsts = inputs(words, window, self.vocabulary)
        names = ("ids", "cases_ids", "states_ids")
        fed = {name: array[None] for name, array in zip(names, arrays, strict=True)}
        tags, attribution = self._session.run(["tags", "links"], fed)
        return _WindowScores(number, window, tags[0, firsts], attribution[0, firsts])


@dataclass(frozen=True, slots=True)
class _WindowScores:
    """The output of the network for one window."""

    number: int
    """Index of the text."""
    window: tuple[int, int]
    """First word of the window, and the word after its last one."""
    tags: Floats
    """[words, scores]: logits of the entity tags, logits of the quotation tags, then two attribution biases."""
    attribution: Floats
    """[words, features]: vectors for each word as content, source, and first and last word of a cue."""


class _Decoder:
    """Decode logits into spans and attribution scores.

    Args:
        about: parameters from the metadata of the model file.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        self._labels: list[str] = about["labels"]
        self._tags = 1 + 2 * len(self._labels)
        self._entity_transitions = bio_transitions(self._tags)
        self._quote_transitions = np.array(about["transitions"], np.float32)
        self._size: int = about["link"]
        self._bucket_edges = np.array(about["edges"])
        self._middle: int = about["buckets"] // 2
        self._distance = np.array(about["distance"], np.float32)
        self._same = np.array(about["same_paragraph"], np.float32)

    def decode(self, results: list[Tagged], windows: list[_WindowScores]) -> None:
        """Decode windows and append the spans to their texts.

        Args:
            results: the results of all texts.
            windows: the output of the network for windows of these texts.
        """
        counts = np.array([len(scored.tags) for scored in windows])
        scores = np.zeros((len(windows), counts.max(), windows[0].tags.shape[1]), np.float32)
        for row, scored in enumerate(windows):
            scores[row, : counts[row]] = scored.tags
        entity = decode_tags(scores[..., : self._tags], self._entity_transitions, counts)
        quote_scores = scores[..., self._tags : self._tags + 7].copy()
        quote_scores[..., B_CUE] += CUE_BIAS
        quote = decode_tags(quote_scores, self._quote_transitions, counts)
        for row, scored in enumerate(windows):
            text, window = results[scored.number], scored.window
            names = _spans(entity, row, window, self._labels)
            text.entities += [self._with_probabilities(span, entity, row, window) for span in names]
            spans = _spans(quote, row, window, ["content", "cue", "source"])
            text.contents += [span for span in spans if span.label == "content"]
            text.sources += [span for span in spans if span.label == "source"]
            cues = [(span, False) for span in spans if span.label == "cue"]
            cues += [(span, True) for span in _weak_cues(quote, row, window)]
            text.cues += self._cue_scores(
                text.words, window, cues, scored.attribution, scored.tags[:, self._tags + 7 :]
            )

    def _with_probabilities(self, span: TaggedSpan, tagging: Tagging, row: int, window: tuple[int, int]) -> TaggedSpan:
        total = np.add.reduce(tagging.marginals[row, span.start - window[0] : span.stop - window[0]])
        mean = total / (span.stop - span.start)
        probabilities = dict(zip(self._labels, (mean[1::2] + mean[2::2]).tolist(), strict=True))
        return TaggedSpan(span.start, span.stop, span.label, span.probability, probabilities)

    def _cue_scores(
        self, words: Words, window: tuple[int, int], cues: list[tuple[TaggedSpan, bool]], table: Floats, bias: Floats
    ) -> list[CueScores]:
        """Return attribution scores for cues: log softmax over content, source and neither, for each word."""
        if not cues:
            return []
        begin, end = window
        size = 2 * self._size
        first = np.array([span.start - begin for span, _ in cues])
        last = np.array([span.stop - 1 - begin for span, _ in cues])
        heads = np.maximum(table[first, size : 2 * size] + table[last, 2 * size :], 0).reshape(-1, 2, self._size)
        vectors = np.maximum(table[:, :size], 0).reshape(-1, 2, self._size)
        dots = np.einsum("crk,wrk->cwr", heads, vectors) / math.sqrt(self._size)
        at = np.arange(end - begin)[None]
        away = np.where(at > last[:, None], at - last[:, None], np.minimum(at - first[:, None], 0))
        far = np.searchsorted(self._bucket_edges, np.abs(away), side="right")
        bucket = self._middle + np.sign(away) * far
        paragraph = words.paragraph[begin:end]
        same = paragraph[None] == paragraph[first][:, None]
        logits = dots + bias[None] + self._distance.T[bucket] + same[..., None] * self._same
        total = np.logaddexp(0.0, np.logaddexp(logits[..., 0], logits[..., 1]))
        content, source = ((logits[..., role] - total).tolist() for role in (0, 1))
        return [
            CueScores(span.start, span.stop, weak, window, *scores)
            for (span, weak), *scores in zip(cues, content, source, strict=True)
        ]


def _spans(tagging: Tagging, row: int, window: tuple[int, int], labels: list[str]) -> list[TaggedSpan]:
    begin, end = window
    probability = tagging.probability[row].tolist()
    return [
        TaggedSpan(begin + start, begin + stop, labels[label], sum(probability[start:stop]) / (stop - start))
        for start, stop, label in spans_of(tagging.tags[row, : end - begin])
    ]


def _weak_cues(tagging: Tagging, row: int, window: tuple[int, int]) -> list[TaggedSpan]:
    begin, end = window
    tags, probability = tagging.tags[row, : end - begin], tagging.marginals[row, : end - begin, B_CUE]
    weak = np.flatnonzero((probability > WEAK_CUE) & (tags != B_CUE) & (tags != B_CUE + 1))
    return [TaggedSpan(begin + int(at), begin + int(at) + 1, "cue", float(probability[at])) for at in weak]


@cache
def tagger() -> Tagger:
    """Return the shipped model; the first call of a process loads it (a tenth of a second)."""
    with as_file(files("transforms.annotate.model") / "onrecord.onnx") as path:
        return Tagger(path)
