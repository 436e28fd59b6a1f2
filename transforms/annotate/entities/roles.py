"""What a person is: the office or description that stands beside the name."""

from transforms.annotate.entities.name_mention import NameMention
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText
from transforms.annotate.nlp.tokens import Token

MAX_WORDS = 14


def role_of(parsed: ParsedText, name: NameMention) -> str | None:
    """The role that stands beside one mention of a person, as written, or None.

    Before the name (``Russian foreign minister X``, ``its director, X``) or after it in an apposition
    (``X, the mayor of Brindle,``).
    """
    tokens = parsed.sentences[name.sentence].tokens
    first = next((index for index, token in enumerate(tokens) if token.start >= name.start), len(tokens))
    last = next((index for index, token in enumerate(tokens) if token.start >= name.end), len(tokens))
    text = parsed.text
    return _after(text, tokens, last) or _before(text, tokens, first) or _office_of(text, tokens, first, last)


def is_role(token: Token) -> bool:
    """Whether the word, or the last part of it (``vice-president``), is a role or an office."""
    low = token.low.rpartition("-")[2]
    lists = lexicon()
    return low in lists.roles or (token.low in lists.titles and token.low not in _MODIFIERS) or low.endswith("women")


_MODIFIERS = frozenset(
    [
        "first",
        "former",
        "vice",
        "health",
        "home",
        "finance",
        "foreign",
        "interior",
        "press",
        "defence",
        "defense",
        "mr",
        "mrs",
        "ms",
        "miss",
        "mx",
        "dr",
        "sir",
        "dame",
        "lord",
        "lady",
        "prof",
        "democratic",
        "labour",
        "conservative",
        "republican",
        "democrat",
        "prime",
        "st",
    ]
)


_OPEN_OFFICES = frozenset({"former", "deputy", "senior", "retired", "veteran", "acting", "then", "first", "top"})


def _after(text: str, tokens: list[Token], last: int) -> str | None:
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
    return _plain(text, tokens, begin, stop)


def _before(text: str, tokens: list[Token], first: int) -> str | None:
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
        # met German Chancellor Anke Voss: behind a capital no plain word belongs to the office
        apart = tokens[at].is_capital and not token.is_capital and token.low not in _OPEN_OFFICES
        if not usable or plain or apart or (token.low in lists.cues and not token.is_capital) or stop - at > 6:
            break
        at -= 1
    while at < stop - 1 and not (tokens[at].is_word and tokens[at].low != "'s"):
        at += 1
    if tokens[at].low in ("mr", "mrs", "ms", "miss", "dr", "sir"):
        return None
    return _plain(text, tokens, at, stop)


def _office_of(text: str, tokens: list[Token], first: int, last: int) -> str | None:
    """The office whose holder a name in commas is: ``the mayor of Surabaya, X,``."""
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
                _plain(text, tokens, at, first - 1) if at and tokens[at - 1].low in ("the", "a", "an", "its") else None
            )
    return None


def _plain(text: str, tokens: list[Token], begin: int, stop: int) -> str | None:
    while begin < stop and tokens[begin].low in ("the", "a", "an", "his", "her", "its", "their", "our", "my"):
        begin += 1
    if begin >= stop:
        return None
    return " ".join(text[tokens[begin].start : tokens[stop - 1].end].split())
