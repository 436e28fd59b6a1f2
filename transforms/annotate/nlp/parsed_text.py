"""Parse a text once into paragraphs, quoted spans, sentences and tokens."""

from collections import Counter
from dataclasses import dataclass, field

from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.quotation_marks import QuotedSpan, find_quoted_spans, split_paragraphs
from transforms.annotate.nlp.sentences import split_sentences
from transforms.annotate.nlp.tokens import Token, tokenize
from transforms.schema.records import Span


@dataclass(slots=True)
class Sentence:
    """A sentence with its tokens. Offsets are code points into the text, end exclusive."""

    start: int
    end: int
    paragraph: int
    tokens: list[Token]
    headline: bool = False
    """Whether it is in title case or in capitals, so that a capital does not indicate a name."""


@dataclass(slots=True)
class ParsedText:
    """A parsed text, the input of all later steps. Offsets are code points into ``text``."""

    text: str
    paragraphs: list[Span] = field(default_factory=list)
    quoted_spans: list[QuotedSpan] = field(default_factory=list)
    sentences: list[Sentence] = field(default_factory=list)
    lower: Counter[str] = field(default_factory=Counter)
    """Counts of words in lower case."""
    capital: Counter[str] = field(default_factory=Counter)
    """Counts of words with a capital that is not due to the start of a sentence; the keys are in lower case."""


def parse_text(text: str) -> ParsedText:
    """Parse a text. Time is linear in its length."""
    parsed = ParsedText(text, split_paragraphs(text))
    parsed.quoted_spans = find_quoted_spans(text, parsed.paragraphs)
    by_paragraph: dict[int, list[QuotedSpan]] = {}
    for quoted in parsed.quoted_spans:
        by_paragraph.setdefault(quoted.paragraph, []).append(quoted)
    for number, (start, end) in enumerate(parsed.paragraphs):
        quoted_spans = by_paragraph.get(number, [])
        for quoted in quoted_spans:
            if not quoted.closed and not quoted.continues:
                _end_before_attribution(text, quoted)
        for at, stop in split_sentences(text, start, end, quoted_spans):
            tokens = tokenize(text, at, stop)
            parsed.sentences.append(Sentence(at, stop, number, tokens, _is_headline(text, stop, tokens)))
    for sentence in parsed.sentences:
        _count_words(parsed, sentence)
    return parsed


def _end_before_attribution(text: str, quoted: QuotedSpan) -> None:
    """End a quoted span without a closing mark at the first comma that a name and a reporting verb follow."""
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
    function_words = lexicon().function_words
    words = [t for t in tokens if t.is_word and t.low not in function_words and t.text[0].isalpha()]
    if len(words) < 4 or text[stop - 1] in ".…":
        return False
    capitals = sum(token.is_capital for token in words)
    common = sum(token.is_capital and token.low in lexicon().common_words for token in words)
    return capitals >= 0.8 * len(words) and (common >= 1 or capitals >= 6)


def _count_words(parsed: ParsedText, sentence: Sentence) -> None:
    initial = True
    for index, token in enumerate(sentence.tokens):
        if not token.is_word:
            # A closing mark right after a word does not begin a sentence: Ed “Barnacle” Novotny.
            before = sentence.tokens[index - 1] if index else token
            closes = token.text in '"”»' and before.is_word and before.end == token.start
            initial = initial or (token.text in _OPENING_MARKS and not closes)
            continue
        if not token.is_capital:
            parsed.lower[token.low] += 1
        elif not initial and not sentence.headline:
            parsed.capital[token.low] += 1
        initial = False


_OPENING_MARKS = frozenset('"“”‘„«»:–—-•*()`「『')


def at_start(tokens: list[Token], index: int) -> bool:
    """Whether the position explains a capital at this token: first in the sentence, or after an opening mark."""
    return index == 0 or tokens[index - 1].text in _OPENING_MARKS
