"""The language of a text."""

from py3langid import classify

_MAX_CHARS = 1_500
_MIN_CHARS = 40


def detect_language(text: str) -> str | None:
    """The ISO 639-1 code of a text's language by py3langid, or None when there is too little text.

    Args:
        text: the extracted text; its first 1,500 characters are read.
    """
    start = text[:_MAX_CHARS]
    if sum(letter.isalpha() for letter in start) < _MIN_CHARS:
        return None
    return str(classify(start)[0])
