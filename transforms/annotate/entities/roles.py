"""Find the role of a person: the office or description next to the name."""

from transforms.annotate.entities.name_mention import NameMention
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.annotate.nlp.tokens import Token

MAX_WORDS = 14
"""Maximum number of words of a role."""

_MODIFIERS = frozenset(
    (
        "first former vice health home finance foreign interior press defence defense mr mrs ms miss mx dr "
        "sir dame lord lady prof democratic labour conservative republican democrat prime st"
    ).split()
)
_OPEN_OFFICES = frozenset({"former", "deputy", "senior", "retired", "veteran", "acting", "then", "first", "top"})


def role_of(parsed: ParsedText, name: NameMention) -> str | None:
    """Return the role next to one mention of a person, as written; None if there is none.

    The role is before the name (``Russian foreign minister X``, ``its director, X``) or in an apposition after it
    (``X, the mayor of Brindle,``).

    Args:
        parsed: the text.
        name: the mention.
    """
    tokens = parsed.sentences[name.sentence].tokens
    first = next((index for index, token in enumerate(tokens) if token.start >= name.start), len(tokens))
    last = next((index for index, token in enumerate(tokens) if token.start >= name.end), len(tokens))
    text = parsed.text
    return _apposition(text, tokens, last) or _role_before(text, tokens, first) or _office_of(text, tokens, first, last)


def is_role(token: Token) -> bool:
    """Whether a word, or its last part (``vice-president``), is a role or an office."""
    low = token.low.rpartition("-")[2]
    lists = lexicon()
    return low in lists.roles or (token.low in lists.titles and token.low not in _MODIFIERS) or low.endswith("women")


def _apposition(text: str, tokens: list[Token], last: int) -> str | None:
    if last >= len(tokens) or tokens[last].text != ",":
        return None
    begin = last + 1
    if begin + 1 < len(tokens) and tokens[begin].text.isdigit() and tokens[begin + 1].text == ",":
        begin += 2
    if begin >= len(tokens) or tokens[begin].low in ("who", "which", "and", "but", "or", "he", "she", "as"):
        return None
    stop = begin
    while stop < len(tokens) and stop - begin <= MAX_WORDS and (tokens[stop].is_word or tokens[stop].text in "'’-&"):
        if tokens[stop].low in lexicon().auxiliaries or tokens[stop].low in ("who", "that", "which"):
            break
        stop += 1
    head = next((index for index in range(begin, stop) if is_role(tokens[index])), None)
    prepositions = lexicon().prepositions
    if head is None or any(token.low in prepositions for token in tokens[begin:head]) or head - begin > 6:
        return None
    return _without_determiner(text, tokens, begin, stop)


def _role_before(text: str, tokens: list[Token], first: int) -> str | None:
    lists = lexicon()
    at = first - 1
    if (at >= 1 and tokens[at].text == "," and is_role(tokens[at - 1])) or (at >= 1 and tokens[at].text == "."):
        at -= 1
    if at < 0 or not is_role(tokens[at]):
        return None
    stop = at + 1
    while at > 0:
        token = tokens[at - 1]
        usable = token.is_word and token.low not in lists.prepositions and token.low not in lists.clause_starts
        plain = token.low in lists.function_words and token.low not in ("former", "first")
        # A lower-case word before a capitalised one does not belong to the office: met German Chancellor Anke Voss
        apart = tokens[at].is_capital and not token.is_capital and token.low not in _OPEN_OFFICES
        if not usable or plain or apart or (token.low in lists.cues and not token.is_capital) or stop - at > 6:
            break
        at -= 1
    while at < stop - 1 and not (tokens[at].is_word and tokens[at].low != "'s"):
        at += 1
    if tokens[at].low in ("mr", "mrs", "ms", "miss", "dr", "sir"):
        return None
    return _without_determiner(text, tokens, at, stop)


def _office_of(text: str, tokens: list[Token], first: int, last: int) -> str | None:
    """Return the office before a name between commas: ``the mayor of Surabaya, X,``."""
    closed = last >= len(tokens) or tokens[last].text in ",.;:)"
    if first < 4 or tokens[first - 1].text != "," or not closed:
        return None
    for at in range(first - 3, max(-1, first - 2 - MAX_WORDS), -1):
        token = tokens[at]
        if not token.is_word or token.low in lexicon().auxiliaries or token.low in lexicon().cues:
            return None
        if is_role(token) and tokens[at + 1].low in ("of", "for", "at", "in"):
            while at > 0 and (tokens[at - 1].low in _OPEN_OFFICES or tokens[at - 1].low in _MODIFIERS):
                at -= 1
            return (
                _without_determiner(text, tokens, at, first - 1)
                if at and tokens[at - 1].low in ("the", "a", "an", "its")
                else None
            )
    return None


def _without_determiner(text: str, tokens: list[Token], begin: int, stop: int) -> str | None:
    while begin < stop and tokens[begin].low in ("the", "a", "an", "his", "her", "its", "their", "our", "my"):
        begin += 1
    if begin >= stop:
        return None
    return " ".join(text[tokens[begin].start : tokens[stop - 1].end].split())
