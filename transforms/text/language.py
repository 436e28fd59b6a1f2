"""Detect the language of a text, for the article's row and for the choice of articles to annotate."""

import re

LEAST_WORDS = 5
"""Minimum number of words; the language of a shorter text cannot be detected."""
ENGLISH_SHARE = 0.12
"""Minimum share of frequent English words in an English text; chosen on sentences of news."""
FEW_WORDS = 30
"""A text with fewer words gets one of the `FREQUENT` languages."""
FREQUENT = frozenset("ar cs da de el en es fi fr he hi hu id it ja ko nl no nb pl pt ro ru sv tr uk vi zh".split())
SAMPLE = 4_000
"""Maximum number of code points that are read."""

# Function words that are frequent in English, and in other languages with the same letters; no word is in both sets.
_ENGLISH = frozenset(
    (
        "the and of said says that with has his they this from would were have been but she he it you not what who "
        "when their had which are as its our your them there could should than then about after before into because "
        "is was did does don't isn't wasn't didn't told asked will can we be by for to or my how why where "
    ).split()
)
_FOREIGN = frozenset(
    (
        "der die das und ist nicht ein eine einen einem einer mit von zu zum zur dem den des sich auf für im auch es "
        "sie er wir ich nach wird werden wurde war haben hat le la les et est un une que qui pour dans du au aux ce "
        "cette il elle ne pas sur plus ont été sont par avec el los las y es en por con una del al se su lo como más "
        "pero fue ha che di per non è sono della nel gli het een van niet zijn wordt naar voor og är och att det som "
        "på av ikke til er ett o os um uma não do da em na ao foi je na się nie w z że jest i dat aan op te bij ook "
        "sa en van "
    ).split()
)
# Before a name, these words are part of it: van der Meulen.
_PARTICLES = frozenset("van von der den de di da del della du dos das la le ter ten bin al el af zu zum".split())
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def detect_language(text: str) -> str | None:
    """Return the ISO 639-1 code of the most probable language of a text.

    English function words decide for ``en``, because foreign names in one or two sentences mislead py3langid, which
    looks at letters only. py3langid decides in all other cases.

    Args:
        text: plain text; its first `SAMPLE` code points are read.

    Returns:
        The code, or None for a text with fewer than `LEAST_WORDS` words in an alphabet. Chinese and Japanese have few
        such words, so their texts count by length.
    """
    sample = text[:SAMPLE]
    words = _WORD.findall(sample.replace("’", "'"))
    if len(words) < LEAST_WORDS and sum(len(word) for word in words) < 8 * LEAST_WORDS:
        return None
    english = sum(word.lower() in _ENGLISH for word in words)
    if english > _foreign(words) and (english >= ENGLISH_SHARE * len(words) or len(words) < FEW_WORDS):
        return "en"
    from py3langid import langid  # loading its model takes a tenth of a second

    ranked: list[str] = [code for code, _ in langid.rank(sample)]
    # In a short text, py3langid takes foreign names for rare languages.
    return next(code for code in ranked if len(words) >= FEW_WORDS or code in FREQUENT)


def _foreign(words: list[str]) -> int:
    """Count function words of other languages, except particles of names (``van der Meulen``).

    A lower-case word with an accent counts too; in English it is a name or a rare word.
    """
    count, before_name = 0, False
    for word in reversed(words):
        is_particle = before_name and word in _PARTICLES
        count += (word.lower() in _FOREIGN or (word.islower() and not word.isascii())) and not is_particle
        before_name = word[0].isupper() or is_particle
    return count
