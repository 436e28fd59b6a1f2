"""Split text into words and punctuation marks, with offsets."""

import re
from dataclasses import dataclass
from functools import lru_cache

_WORD = r"[^\W_]+(?:(?!['’][sS](?![^\W_]))['’\-‐‑&][^\W_]+)*"
# In order: abbreviations (U.S.), numbers with separators, the possessive, words with inner hyphens and apostrophes.
_TOKEN = re.compile(rf"(?:[A-Za-z]\.){{2,}}|\d+(?:[.,:/]\d+)+|(?<=[^\W_])['’][sS](?![^\W_])|{_WORD}|[^\w\s]|_")
_WORDS = re.compile(r"\w+")


@dataclass(slots=True)
class Token:
    """A word, a punctuation mark, or a whole quoted span in a sentence view."""

    start: int
    end: int
    text: str
    low: str
    is_word: bool
    quoted_span: int = -1
    """Index of the quoted span that the token represents; -1 for a plain token."""

    @property
    def is_capital(self) -> bool:
        """Whether the first character is an upper-case letter."""
        return self.text[:1].isupper()


def tokenize(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """Return the words and punctuation marks of a text, in order.

    Args:
        text: any text.
        start: the offset of the first character to tokenize, in code points.
        end: the offset after the last character; None for the end of the text.

    Returns:
        Tokens with offsets into ``text``. The possessive ``'s`` is a separate token; white space is dropped.
    """
    tokens = []
    for match in _TOKEN.finditer(text, start, len(text) if end is None else end):
        word = match[0]
        at, stop = match.span()
        tokens.append(Token(at, stop, word, *_low(word)))
    return tokens


@lru_cache(maxsize=100_000)
def _low(word: str) -> tuple[str, bool]:
    """Return a token in lower case, with straight apostrophes, and whether it is a word."""
    return word.lower().replace("’", "'"), word[0].isalnum() or (len(word) > 1 and word[0] not in "'’")


def normalized(text: str) -> str:
    """Normalise a text to its words, case folded and joined by spaces, so that punctuation and layout do not matter."""
    return " ".join(_WORDS.findall(text.casefold()))
