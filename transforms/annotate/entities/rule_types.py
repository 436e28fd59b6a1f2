"""Determine the entity type of a sequence of capitalised words by rules."""

from transforms.annotate.nlp.lexicon import Lexicon, lexicon
from transforms.annotate.nlp.parsed_text import ParsedText, Sentence, at_start
from transforms.annotate.nlp.tokens import Token
from transforms.schema.records import EntityType

_PLACE_PREPOSITIONS = frozenset({"in", "near", "across", "throughout", "outside", "toward", "towards"})
# Last words that mark an organisation even after a first name: Johns Hopkins Hospital, Victoria University.
_SURE_HEADS = frozenset(
    {"university", "college", "foundation", "hospital", "institute", "inc", "ltd", "llc", "plc", "campaign", "council"}
    | {"company", "party", "association", "group", "school", "museum", "club", "society", "trust", "administration"}
)


def listed_type(words: list[str], first: Token, lists: Lexicon) -> EntityType | None:
    """Return the type of a nationality, place or organisation in the word lists.

    Args:
        words: the words of the name, in lower case.
        first: the token of the first word.
        lists: the word lists.
    """
    joined = " ".join(words)
    if joined in lists.nationalities:
        return "NORP"
    if joined in lists.places:
        return None if joined == "us" and first.text != "US" else "LOC"
    return "ORG" if joined in lists.orgs else None


def is_person_form(tokens: list[Token], at: int, last: int, lists: Lexicon) -> bool:
    """Whether the tokens from ``at`` to ``last`` are a person, even with a last word like Bank or House."""
    return tokens[at].low in ("mr", "mrs", "ms", "dr", "sir") or (
        last - at == 1
        and tokens[at].low in lists.male | lists.female
        and tokens[last].low in ("house", "street", "rail", "bank")
    )


def type_of_sequence(
    parsed: ParsedText, sentence: Sentence, begin: int, stop: int, titled: bool
) -> tuple[EntityType, int] | None:
    """Return the type of a name and its certainty (see `NameMention`); None if the words are not a name.

    Args:
        parsed: the text.
        sentence: the sentence of the name.
        begin: index of the first token.
        stop: index after the last token.
        titled: whether a title precedes the name.
    """
    tokens, lists = sentence.tokens, lexicon()
    words = [token for token in tokens[begin:stop] if token.is_word]
    before = tokens[begin - 1].low if begin else ""
    first, last = words[0].low, words[-1].low
    if len(words) == 1:
        return _type_of_word(parsed, sentence, begin, stop, titled)
    given = lists.male | lists.female
    if any(t.low in ("of", "for", "&") for t in tokens[begin:stop]) and any(t.low in lists.org_openers for t in words):
        return "ORG", 2
    person_form = is_person_form(tokens, begin, last_word(tokens, begin, stop), lists)
    if last in lists.org_heads and not person_form and not (first in given and last not in _SURE_HEADS):
        return "ORG", 2
    if last in lists.place_heads and first not in given and not titled:
        return "LOC", 2
    if titled or first in given or last in lists.suffixes:
        return "PERSON", 2
    proper = [t for t in words if t.is_capital and t.low not in lists.particles]
    plain = sum(t.low in lists.common_words or t.low in lists.months or parsed.lower[t.low] > 1 for t in proper)
    if any(t.low in given for t in words[1:-1]) and plain:
        return "PERSON", 2
    if plain or last in lists.roles or last in lists.titles:
        return None
    if any(t.text.isupper() and len(t.text) > 2 for t in words) and not sentence.headline:
        return "ORG", 1
    if before == "the":
        return ("ORG", 1) if last.endswith("s") else None
    if before in _PLACE_PREPOSITIONS and not tokens[stop - 1].low.endswith("son"):
        return "LOC", 1
    return "PERSON", 1 if len(words) < 4 else 0


def _type_of_word(
    parsed: ParsedText, sentence: Sentence, begin: int, stop: int, titled: bool
) -> tuple[EntityType, int] | None:
    tokens, lists = sentence.tokens, lexicon()
    token = tokens[begin]
    low = token.low
    before = tokens[begin - 1].low if begin else ""
    after = tokens[stop].low if stop < len(tokens) else ""
    if entity_type := listed_type([low], token, lists):
        if titled and entity_type == "LOC" and before in lists.male_words | lists.female_words:
            return "PERSON", 2
        return entity_type, 2
    if titled and low not in lists.roles and low not in lists.titles and low not in lists.common_words:
        return "PERSON", 2
    if low in lists.not_names or low in lists.months or low in lists.titles:
        return None
    letters = token.text.replace(".", "").replace("-", "")
    if letters.isupper() and letters.isalpha() and 2 <= len(letters) <= 6 and not sentence.headline:
        return "ORG", 2 if len(letters) > 2 else 1
    if low in lists.male or low in lists.female:
        return "PERSON", 2
    if low in lists.common_words or low in lists.roles or low in lists.org_heads or low in lists.place_heads:
        return None
    if parsed.lower[low] and (at_start(tokens, begin) or parsed.lower[low] > parsed.capital[low]):
        return None
    if before in _PLACE_PREPOSITIONS:
        return "LOC", 1
    if before == "at" or (before == "the" and low.endswith(("s", "men"))):
        return "ORG", 1
    if before == "the" or (after not in ("'s", ",", ".") and after.isalpha() and before in ("a", "an")):
        return None
    reports = after in lists.cues and any(cue.form in ("past", "third") for _, cue in lists.cues[after])
    return "PERSON", 1 if reports else 0


def last_word(tokens: list[Token], at: int, stop: int) -> int:
    """Return the index of the last word before ``stop``; ``at`` if no word follows it."""
    last = stop - 1
    while last > at and not tokens[last].is_word:
        last -= 1
    return last
