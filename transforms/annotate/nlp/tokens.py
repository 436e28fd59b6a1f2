"""Words and punctuation of a text, with offsets."""

import re
from dataclasses import dataclass
from functools import lru_cache

_WORD = r"[^\W_]+(?:(?!['’][sS](?![^\W_]))['’\-‐‑&][^\W_]+)*"
# U.S., a title's full stop (Mr.), numbers with separators, the possessive, words with inner hyphens and apostrophes.
_TOKEN = re.compile(rf"(?:[A-Za-z]\.){{2,}}|\d+(?:[.,:/]\d+)+|(?<=[^\W_])['’][sS](?![^\W_])|{_WORD}|[^\w\s]|_")
_WORDS = re.compile(r"\w+")


@dataclass(slots=True)
class Token:
    """A word, a punctuation mark, or (in a frame) a whole run of marked words."""

    start: int
    end: int
    text: str
    low: str
    is_word: bool
    quoted_span: int = -1
    """Index of the run that this token stands for; -1 for a plain token."""

    @property
    def is_capital(self) -> bool:
        """Whether the first letter is a capital."""
        return self.text[:1].isupper()


def tokenize(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """Words and punctuation marks in order.

    Args:
        text: any text.
        start: where to begin, a code point offset.
        end: where to stop; None for the text's end.

    Returns:
        Tokens whose offsets point into ``text``; ``'s`` is a token of its own, white space none.
    """
    tokens = []
    for match in _TOKEN.finditer(text, start, len(text) if end is None else end):
        word = match[0]
        at, stop = match.span()
        tokens.append(Token(at, stop, word, *_low(word)))
    return tokens


@lru_cache(maxsize=100_000)
def _low(word: str) -> tuple[str, bool]:
    """A token in lower case, and whether it is a word."""
    return word.lower().replace("’", "'"), word[0].isalnum() or (len(word) > 1 and word[0] not in "'’")


def normalized(text: str) -> str:
    """The words alone, case folded and joined by a space: equal for the same words in any marks and layout."""
    return " ".join(_WORDS.findall(text.casefold()))
