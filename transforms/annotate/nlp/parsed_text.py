"""A text taken apart once: paragraphs, marked runs, sentences, words."""

from collections import Counter
from dataclasses import dataclass, field

from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.quotation_marks import QuotedSpan, find_quoted_spans, split_paragraphs
from transforms.annotate.nlp.sentences import split_sentences
from transforms.annotate.nlp.tokens import Token, tokenize
from transforms.schema.records import Span


@dataclass(slots=True)
class Sentence:
    """A sentence with its words; ``headline`` when its capitals say nothing (title case, or all in capitals)."""

    start: int
    end: int
    paragraph: int
    tokens: list[Token]
    headline: bool = False


@dataclass(slots=True)
class ParsedText:
    """What every later step looks at. Offsets are code points into ``text``."""

    text: str
    paragraphs: list[Span] = field(default_factory=list)
    quoted_spans: list[QuotedSpan] = field(default_factory=list)
    sentences: list[Sentence] = field(default_factory=list)
    lower: Counter[str] = field(default_factory=Counter)
    """How often each word stands in lower case."""
    capital: Counter[str] = field(default_factory=Counter)
    """How often each word stands with a capital that no sentence start explains; keys are lower case."""


def parse_text(text: str) -> ParsedText:
    """Take a text apart. Time is linear in its length."""
    parsed = ParsedText(text, split_paragraphs(text))
    parsed.quoted_spans = find_quoted_spans(text, parsed.paragraphs)
    by_paragraph: dict[int, list[QuotedSpan]] = {}
    for quoted in parsed.quoted_spans:
        by_paragraph.setdefault(quoted.paragraph, []).append(quoted)
    for number, (start, end) in enumerate(parsed.paragraphs):
        quoted_spans = by_paragraph.get(number, [])
        for quoted in quoted_spans:
            if not quoted.closed and not quoted.continues:
                _settle(text, quoted)
        for at, stop in split_sentences(text, start, end, quoted_spans):
            tokens = tokenize(text, at, stop)
            parsed.sentences.append(Sentence(at, stop, number, tokens, _is_headline(text, stop, tokens)))
    for sentence in parsed.sentences:
        _count(parsed, sentence)
    return parsed


def _settle(text: str, quoted: QuotedSpan) -> None:
    """End a run that nothing closes at the first comma behind which a name and a verb of speech stand."""
    tokens = tokenize(text, quoted.start, quoted.end)
    cues = lexicon().cues
    for index, token in enumerate(tokens):
        if token.text not in (",", "?", "!") or index + 2 >= len(tokens):
            continue
        near = tokens[index + 1 : index + 6]
        verb = next((place for place, word in enumerate(near) if word.low in cues and not word.is_capital), None)
        names = near[:verb] or near[1:2]
        if verb is not None and names and all(word.is_capital or word.low in ("he", "she", "the") for word in names):
            quoted.end = token.end
            quoted.outer_end = token.end
            return


def _is_headline(text: str, stop: int, tokens: list[Token]) -> bool:
    known = lexicon().function_words
    words = [token for token in tokens if token.is_word and token.low not in known and token.text[0].isalpha()]
    if len(words) < 4 or text[stop - 1] in ".…":
        return False
    capitals = sum(token.is_capital for token in words)
    common = sum(token.is_capital and token.low in lexicon().common_words for token in words)
    return capitals >= 0.8 * len(words) and (common >= 1 or capitals >= 6)


def _count(parsed: ParsedText, sentence: Sentence) -> None:
    fresh = True
    for index, token in enumerate(sentence.tokens):
        if not token.is_word:
            # Behind marks that close right after a word the sentence goes on: Ed “Barnacle” Novotny.
            before = sentence.tokens[index - 1] if index else token
            closes = token.text in '"”»' and before.is_word and before.end == token.start
            fresh = fresh or (token.text in _FRESH and not closes)
            continue
        if not token.is_capital:
            parsed.lower[token.low] += 1
        elif not fresh and not sentence.headline:
            parsed.capital[token.low] += 1
        fresh = False


_FRESH = frozenset('"“”‘„«»:–—-•*()`「『')


def starts_fresh(tokens: list[Token], index: int) -> bool:
    """Whether a capital at this token may come from its place: first in the sentence, after a mark or a colon."""
    return index == 0 or tokens[index - 1].text in _FRESH
