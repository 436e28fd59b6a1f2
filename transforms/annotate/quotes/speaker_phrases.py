"""Find speaker phrases: the noun phrases before or after a reporting verb."""

from dataclasses import dataclass

from transforms.annotate.entities.roles import is_role
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.quotes.sentence_view import SentenceView
from transforms.schema.records import Entity

MAX_PHRASE = 16
"""Maximum length of a noun phrase, in tokens."""
MAX_APPOSITION = 40
"""Maximum length of a phrase with its apposition, in tokens."""

_QUANTIFIERS = frozenset("one some many most all both two several".split())


@dataclass(frozen=True, slots=True)
class SpeakerPhrase:
    """A noun phrase that may denote a speaker: ``tokens[start:stop]`` with appositions, its head word at ``head``."""

    start: int
    stop: int
    head: int


def phrase_before(view: SentenceView, at: int) -> SpeakerPhrase | None:
    """Return the phrase that ends before index ``at``, including appositions and brackets between them."""
    stop = _before_brackets(view, at)
    if view.low(stop - 1) in (",", "—", "–"):
        return _phrase_with_apposition(view, stop)
    return _noun_phrase_before(view, stop)


def _before_brackets(view: SentenceView, stop: int) -> int:
    """Return the start of the bracketed words that end at ``stop``; ``stop`` if there are none."""
    if view.low(stop - 1) not in (")", "]"):
        return stop
    start = stop - 1
    while start > 0 and view.low(start) not in ("(", "["):
        start -= 1
    return start


def _phrase_with_apposition(view: SentenceView, stop: int) -> SpeakerPhrase | None:
    """Return the phrase with the apposition that ends at ``stop``: ``Name, a vet from Karra, said``."""
    mark = view.low(stop - 1)
    best: SpeakerPhrase | None = None
    for index in range(stop - 2, max(-1, stop - MAX_APPOSITION), -1):
        if view.is_quoted(index) or view.low(index) in (";", ":"):
            break
        if view.low(index) != mark or not _is_apposition(view, index + 1, stop - 1):
            continue
        found = _noun_phrase_before(view, _before_brackets(view, index))
        if found and not can_speak(view, found) and 0 <= view.entity[index + 1] == view.entity[stop - 2]:
            # The schoolmaster, Ciaran Vale, said: the role is unknown, so the name is the head.
            return SpeakerPhrase(found.start, stop - 1, stop - 2)
        if found and (can_speak(view, found) or view.low(index + 1) in ("who", "whose")):
            best = SpeakerPhrase(found.start, stop - 1, found.head)
            if view.entity[found.head] >= 0:
                break
    return best


def _is_apposition(view: SentenceView, start: int, stop: int) -> bool:
    """Whether the tokens after a comma can be an apposition."""
    if start >= stop:
        return False
    lists = lexicon()
    first = view.tokens[start]
    return (
        first.low in lists.determiners
        or first.low in ("who", "whose", "which", "whom", "now", "then", "formerly", "himself", "herself", "also")
        or first.low in lists.prepositions
        or first.text.isdigit()
        or is_role(first)
        or first.low in lists.titles
        or first.low.endswith(("ing", "ed", "er"))
        or first.is_capital
        or any(is_role(token) for token in view.tokens[start : start + 4])
    )


def can_speak(view: SentenceView, phrase: SpeakerPhrase) -> bool:
    """Return whether the head of a phrase can denote a speaker: a name, a role, a group or a pronoun."""
    head = view.tokens[phrase.head]
    return (
        view.entity[phrase.head] >= 0 or is_role(head) or head.low in lexicon().groups or head.low in lexicon().pronouns
    )


def _noun_phrase_before(view: SentenceView, stop: int) -> SpeakerPhrase | None:
    """Return the noun phrase that ends at ``stop``, with its post-modifiers (``a spokesman for X``)."""
    if stop <= 0 or not view.tokens[stop - 1].is_word:
        return None
    lists = lexicon()
    last = view.low(stop - 1)
    if view.entity[stop - 1] < 0 and (
        last in lists.pronouns or last in ("everyone", "nobody", "others", "some", "many")
    ):
        return SpeakerPhrase(stop - 1, stop, stop - 1)
    if last in ("them", "us") and view.low(stop - 2) == "of":
        return _noun_phrase_before(view, stop - 2)
    if last == "who" and view.entity[stop - 1] < 0:
        return _noun_phrase_before(view, stop - 2 if view.low(stop - 2) == "," else stop - 1)
    start = _core_start(view, stop)
    if start >= stop:
        return None
    head = stop - 1
    # A phrase after a preposition modifies a noun further left, which is the head.
    outer = start - 1
    if view.low(outer) in ("of", "for", "at", "from", "with", "in", "to", "on", "by", "near") and outer > 0:
        # a source close to the talks, a person familiar with the plan
        noun = outer - (2 if view.low(outer - 1) in ("close", "familiar", "next", "loyal") else 1)
        can_be_head = (
            is_role(view.tokens[noun]) or view.low(noun) in lists.groups or view.entity[noun] >= 0
        ) and view.tokens[noun].is_word
        if can_be_head and view.low(noun) not in lists.months:
            left = _core_start(view, noun + 1)
            if left <= noun:
                # Secretary of State Anna Pruss: the office ends before the name, so the name is the head.
                own = _name_start(view, stop)
                apart = own - 1 > outer and view.tokens[own - 1].is_capital and not is_role(view.tokens[own - 1])
                return SpeakerPhrase(left, stop, head if apart and view.low(own - 1) not in lists.titles else noun)
    return SpeakerPhrase(start, stop, head) if _is_phrase(view, stop) else None


def _name_start(view: SentenceView, stop: int) -> int:
    """Return the start of the name that ends at ``stop``; ``stop`` if there is none."""
    start = stop
    while start > 0 and view.entity[stop - 1] >= 0 and view.entity[start - 1] == view.entity[stop - 1]:
        start -= 1
    return start


def _is_phrase(view: SentenceView, stop: int) -> bool:
    low = view.low(stop - 1)
    lists = lexicon()
    return view.entity[stop - 1] >= 0 or not (
        low in lists.function_words and low not in lists.groups and low not in ("one", "others", "two", "three", "all")
    )


def _core_start(view: SentenceView, stop: int) -> int:
    """Return the start of the noun phrase that ends at ``stop``, with its determiner, without post-modifiers."""
    lists = lexicon()
    at = stop
    while at > 0 and stop - at < MAX_PHRASE:
        token = view.tokens[at - 1]
        low = token.low
        if view.entity[at - 1] >= 0:
            at -= 1
            continue
        if not token.is_word and low != "'s":
            if token.text in "’'" and at < stop and view.low(at - 2).endswith("s"):
                at -= 1
                continue
            if token.text == "." and at > 1 and view.low(at - 2) in lists.titles:
                at -= 1
                continue
            break
        if low in ("his", "her", "its", "their", "the", "a", "an", "this", "that", "our", "my", "these", "those"):
            if low == "that" and at == stop:
                break
            at -= 1
            if view.low(at - 1) == "of" and view.low(at - 2) in _QUANTIFIERS:
                at -= 2
            elif view.low(at - 1) in ("all", "both"):
                at -= 1
            break
        if low == "'s":
            at -= 1
            continue
        if low in lists.clause_starts or low in lists.prepositions or low in lists.auxiliaries or low in lists.pronouns:
            break
        if low in lists.months or (low in lists.adverbs and low not in ("first",)) or low == "meanwhile":
            break
        if token.text[0].islower() and _looks_verbal(low) and at < stop:
            break
        if (
            low in lists.function_words
            and low not in lists.determiners
            and low not in ("former", "senior", "late", "own", "same")
        ):
            break
        at -= 1
    return at


def _looks_verbal(low: str) -> bool:
    if "-" in low:
        return False
    return (low in lexicon().cues and low not in ("leading", "chief", "state")) or (
        low.endswith("ing") and len(low) > 5
    )


def phrase_after(view: SentenceView, at: int) -> SpeakerPhrase | None:
    """Return the phrase that starts at index ``at`` (``said the mayor of Brindle``)."""
    if at >= len(view.tokens) or not view.tokens[at].is_word:
        return None
    lists = lexicon()
    stop, head = at, -1
    while stop < len(view.tokens) and stop - at < MAX_PHRASE:
        token = view.tokens[stop]
        low = token.low
        if view.entity[stop] >= 0:
            stop = _name_end(view, stop)
            if view.low(stop) == "'s":
                stop += 1
                continue
            head = stop - 1
            if not _continues(view, stop):
                break
        elif _bridges(view, stop, head):
            stop += 1
        elif is_role(token) or low in lists.groups:
            head, stop = stop, stop + 1
        elif not token.is_word or _ends_phrase(low) or (0 <= head == stop - 1 and not token.is_capital):
            break
        else:
            stop += 1
    if head < at:
        return None
    named = view.entity[head] >= 0
    links = ("of", "from") if named else ("of", "for", "at", "from", "with", "in")
    linked = head == stop - 1 and view.low(stop) in links
    if linked and (not named or view.low(stop + 1) in lists.determiners):
        stop = _post_modifier(view, stop)
    return SpeakerPhrase(at, stop, head)


def _name_end(view: SentenceView, start: int) -> int:
    stop = start
    while stop < len(view.tokens) and view.entity[stop] == view.entity[start]:
        stop += 1
    return stop


def _continues(view: SentenceView, stop: int) -> bool:
    """Whether a role, a group, a title or a name follows a name: `Pentagon officials`, `US envoy Ida Marsh`."""
    if stop >= len(view.tokens):
        return False
    token = view.tokens[stop]
    return view.entity[stop] >= 0 or is_role(token) or token.low in lexicon().groups or token.low in lexicon().titles


def _bridges(view: SentenceView, at: int, head: int) -> bool:
    """Whether the mark at ``at`` is inside the phrase: after an abbreviated title or between a role and a name."""
    named = at + 1 < len(view.tokens) and view.entity[at + 1] >= 0
    if view.low(at) == ".":
        return named and view.low(at - 1) in lexicon().titles
    return view.low(at) == "," and named and head == at - 1 and view.entity[head] < 0 and is_role(view.tokens[head])


def _ends_phrase(low: str) -> bool:
    lists = lexicon()
    listed = low in lists.clause_starts or low in lists.prepositions or low in lists.auxiliaries
    return listed or low in lists.pronouns or low in lists.months or low in ("yesterday", "today") or low.endswith("ly")


def plain_phrase(view: SentenceView, at: int) -> SpeakerPhrase | None:
    """Return the words from ``at`` to a mark, a preposition or a clause, for a phrase without a known head."""
    stop = at
    while stop < len(view.tokens) and view.tokens[stop].is_word and stop - at < 8:
        if stop > at and _ends_phrase(view.low(stop)):
            break
        stop += 1
    if stop == at:
        return None
    head = stop - 1
    if view.low(stop) == "," and stop + 1 < len(view.tokens) and view.entity[stop + 1] >= 0:
        stop = _name_end(view, stop + 1)
    return SpeakerPhrase(at, stop, head)


def with_apposition(view: SentenceView, phrase: SpeakerPhrase, limit: int) -> SpeakerPhrase:
    """Return the phrase extended by an apposition after it: ``said Anna Pruss, a vet who works in Karra``."""
    stop = phrase.stop
    if view.low(stop) == "(":
        close = next((i for i in range(stop, min(stop + 8, limit)) if view.low(i) == ")"), None)
        stop = close + 1 if close is not None else stop
        phrase = SpeakerPhrase(phrase.start, stop, phrase.head)
    if view.low(stop) != "," or not _is_apposition(view, stop + 1, min(stop + 6, limit)):
        return phrase
    first = view.tokens[stop + 1]
    lists = lexicon()
    opens = first.low in ("a", "an", "the", "who", "whose", "which", "now", "then", "formerly") or is_role(first)
    if not opens and first.low not in lists.titles and not first.text.isdigit():
        return phrase
    end = stop + 1
    while end < limit and not view.is_quoted(end) and view.low(end) not in (";", ":"):
        end += 1
    while end > stop + 1 and not view.tokens[end - 1].is_word:
        end -= 1
    return SpeakerPhrase(phrase.start, end, phrase.head)


def _post_modifier(view: SentenceView, at: int) -> int:
    """Return the end of a post-modifier: the preposition at ``at`` and its short phrase."""
    stop = at + 1
    lists = lexicon()
    while stop < len(view.tokens) and stop - at < 7:
        token = view.tokens[stop]
        if (
            view.entity[stop] >= 0
            or token.low in ("the", "a", "an", "its", "his", "her", "their", "'s")
            or token.is_capital
        ) or (token.is_word and token.low not in lists.function_words and not token.low.endswith("ing")):
            stop += 1
        else:
            break
    return stop


def phrase_within(view: SentenceView, start: int, stop: int, entities: list[Entity]) -> SpeakerPhrase:
    """Return the phrase ``tokens[start:stop]`` with its head.

    The head is the last word before an apposition or a post-modifier (``a spokesman for Karra``), or the name of a
    person after an office of several words (``Secretary of State Anna Pruss``).
    """
    lists = lexicon()
    end = start
    while end < stop and (end == start or not _breaks(view, end)):
        end += 1
    while end > start + 1 and not view.tokens[end - 1].is_word:
        end -= 1
    head = end - 1
    if view.low(head) == "'s" and head > start:
        head -= 1
    owner = view.entity[stop - 1]
    if view.entity[head] < 0 and owner >= 0 and entities[owner].type == "PERSON" and end < stop:
        name = _name_start(view, stop)
        before = view.tokens[name - 1]
        if before.is_capital and view.low(name - 1) not in lists.prepositions:
            head = stop - 1
    return SpeakerPhrase(start, stop, head)


def _breaks(view: SentenceView, at: int) -> bool:
    """Whether the token at ``at`` starts an apposition, a post-modifier or a clause."""
    if view.entity[at] >= 0 and view.entity[at] == view.entity[at - 1]:
        return False
    low = view.low(at)
    if low == "." and view.low(at - 1) in lexicon().titles:
        return False
    return (
        low in (",", "(", "—", "–", ":", ";") or low in lexicon().prepositions or low in ("who", "that", "which", "and")
    )
