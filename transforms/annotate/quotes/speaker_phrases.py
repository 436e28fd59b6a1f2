"""Who stands beside a verb of speech: the noun phrase before it or, inverted, behind it."""

from dataclasses import dataclass

from transforms.annotate.entities.roles import is_role
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.quotes.sentence_view import Frame
from transforms.schema.records import Entity

MAX_PHRASE = 16
MAX_APPOSITION = 40


@dataclass(frozen=True, slots=True)
class Source:
    """A noun phrase that may speak: ``tokens[start:stop]``, apposition and all, its main word at ``head``."""

    start: int
    stop: int
    head: int


def source_before(frame: Frame, at: int) -> Source | None:
    """The phrase that ends right before index ``at``, appositions and brackets between it and ``at`` stepped over."""
    stop = at
    stop = _before_brackets(frame, stop)
    if frame.low(stop - 1) in (",", "—", "–") and frame.low(stop - 1):
        return _over_apposition(frame, stop)
    return _phrase_before(frame, stop)


def _before_brackets(frame: Frame, stop: int) -> int:
    """Where the bracketed words that end at ``stop`` begin; ``stop`` when none do."""
    if frame.low(stop - 1) not in (")", "]"):
        return stop
    start = stop - 1
    while start > 0 and frame.low(start) not in ("(", "["):
        start -= 1
    return start


def _over_apposition(frame: Frame, stop: int) -> Source | None:
    """``Name, a vet from Karra, said``: the phrase before the comma that opens what the last comma closes."""
    mark = frame.low(stop - 1)
    best: Source | None = None
    for index in range(stop - 2, max(-1, stop - MAX_APPOSITION), -1):
        if frame.is_run(index) or frame.low(index) in (";", ":"):
            break
        if frame.low(index) != mark or not is_apposition(frame, index + 1, stop - 1):
            continue
        found = _phrase_before(frame, _before_brackets(frame, index))
        if found and not can_speak(frame, found) and 0 <= frame.entity[index + 1] == frame.entity[stop - 2]:
            # The schoolmaster, Ciaran Vale, said: no known role, so the name speaks.
            return Source(found.start, stop - 1, stop - 2)
        if found and (can_speak(frame, found) or frame.low(index + 1) in ("who", "whose")):
            best = Source(found.start, stop - 1, found.head)
            if frame.entity[found.head] >= 0:
                break
    return best


def is_apposition(frame: Frame, start: int, stop: int) -> bool:
    if start >= stop:
        return False
    lists = lexicon()
    first = frame.tokens[start]
    return (
        first.low in lists.determiners
        or first.low in ("who", "whose", "which", "whom", "now", "then", "formerly", "himself", "herself", "also")
        or first.low in lists.prepositions
        or first.text.isdigit()
        or is_role(first)
        or first.low in lists.titles
        or first.low.endswith(("ing", "ed", "er"))
        or first.is_capital
        or any(is_role(token) for token in frame.tokens[start : start + 4])
    )


def can_speak(frame: Frame, source: Source) -> bool:
    """Whether the main word of a source is one that speaks: a name, a role, a group or a pronoun."""
    head = frame.tokens[source.head]
    return (
        frame.entity[source.head] >= 0
        or is_role(head)
        or head.low in lexicon().groups
        or head.low in lexicon().pronouns
    )


def _phrase_before(frame: Frame, stop: int) -> Source | None:
    """The noun phrase that ends at ``stop``, with its post-modifiers (``a spokesman for X``)."""
    if stop <= 0 or not frame.tokens[stop - 1].is_word:
        return None
    lists = lexicon()
    last = frame.low(stop - 1)
    if frame.entity[stop - 1] < 0 and (
        last in lists.pronouns or last in ("everyone", "nobody", "others", "some", "many")
    ):
        return Source(stop - 1, stop, stop - 1)
    if last in ("them", "us") and frame.low(stop - 2) == "of":
        return _phrase_before(frame, stop - 2)
    if last == "who" and frame.entity[stop - 1] < 0:
        return _phrase_before(frame, stop - 2 if frame.low(stop - 2) == "," else stop - 1)
    start = _core_start(frame, stop)
    if start >= stop:
        return None
    head = stop - 1
    # A preposition before the phrase: it modifies a noun further left, which is the one that speaks.
    outer = start - 1
    if frame.low(outer) in ("of", "for", "at", "from", "with", "in", "to", "on", "by", "near") and outer > 0:
        # a source close to the talks, a person familiar with the plan
        noun = outer - (2 if frame.low(outer - 1) in ("close", "familiar", "next", "loyal") else 1)
        speaks = (
            is_role(frame.tokens[noun]) or frame.low(noun) in lists.groups or frame.entity[noun] >= 0
        ) and frame.tokens[noun].is_word
        if speaks and frame.low(noun) not in lists.months:
            left = _core_start(frame, noun + 1)
            if left <= noun:
                # Secretary of State Marco Rubio: the office ends before the name, so the name speaks.
                own = _name_start(frame, stop)
                apart = own - 1 > outer and frame.tokens[own - 1].is_capital and not is_role(frame.tokens[own - 1])
                return Source(left, stop, head if apart and frame.low(own - 1) not in lists.titles else noun)
    return Source(start, stop, head) if _is_phrase(frame, stop) else None


def _name_start(frame: Frame, stop: int) -> int:
    """Where the name that ends at ``stop`` begins; ``stop`` when none does."""
    start = stop
    while start > 0 and frame.entity[stop - 1] >= 0 and frame.entity[start - 1] == frame.entity[stop - 1]:
        start -= 1
    return start


def _is_phrase(frame: Frame, stop: int) -> bool:
    low = frame.low(stop - 1)
    lists = lexicon()
    return frame.entity[stop - 1] >= 0 or not (
        low in lists.function_words and low not in lists.groups and low not in ("one", "others", "two", "three", "all")
    )


def _core_start(frame: Frame, stop: int) -> int:
    """Left from ``stop`` over the words of one noun phrase, up to its determiner."""
    lists = lexicon()
    at = stop
    while at > 0 and stop - at < MAX_PHRASE:
        token = frame.tokens[at - 1]
        low = token.low
        if frame.entity[at - 1] >= 0:
            at -= 1
            continue
        if not token.is_word and low != "'s":
            if token.text in "’'" and at < stop and frame.low(at - 2).endswith("s"):
                at -= 1
                continue
            if token.text == "." and at > 1 and frame.low(at - 2) in lists.titles:
                at -= 1
                continue
            break
        if low in ("his", "her", "its", "their", "the", "a", "an", "this", "that", "our", "my", "these", "those"):
            if low == "that" and at == stop:
                break
            at -= 1
            if frame.low(at - 1) == "of" and frame.low(at - 2) in (
                "one",
                "some",
                "many",
                "most",
                "all",
                "both",
                "two",
                "several",
            ):
                at -= 2
            elif frame.low(at - 1) in ("all", "both"):
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


def source_after(frame: Frame, at: int) -> Source | None:
    """The phrase that begins at index ``at`` (``said the mayor of Brindle``)."""
    if at >= len(frame.tokens) or not frame.tokens[at].is_word:
        return None
    lists = lexicon()
    stop, head = at, -1
    while stop < len(frame.tokens) and stop - at < MAX_PHRASE:
        token = frame.tokens[stop]
        low = token.low
        if frame.entity[stop] >= 0:
            stop = _name_end(frame, stop)
            if frame.low(stop) == "'s":
                stop += 1
                continue
            head = stop - 1
            if not _goes_on(frame, stop):
                break
        elif _bridges(frame, stop, head):
            stop += 1
        elif is_role(token) or low in lists.groups:
            head, stop = stop, stop + 1
        elif not token.is_word or _ends_phrase(low) or (0 <= head == stop - 1 and not token.is_capital):
            break
        else:
            stop += 1
    if head < at:
        return None
    named = frame.entity[head] >= 0
    links = ("of", "from") if named else ("of", "for", "at", "from", "with", "in")
    linked = head == stop - 1 and frame.low(stop) in links
    if linked and (not named or frame.low(stop + 1) in lists.determiners):
        stop = _post_modifier(frame, stop)
    return Source(at, stop, head)


def _name_end(frame: Frame, start: int) -> int:
    stop = start
    while stop < len(frame.tokens) and frame.entity[stop] == frame.entity[start]:
        stop += 1
    return stop


def _goes_on(frame: Frame, stop: int) -> bool:
    """Whether a role, a group or another name follows a name directly: `Pentagon officials`, `US envoy Ida Marsh`."""
    if stop >= len(frame.tokens):
        return False
    token = frame.tokens[stop]
    return frame.entity[stop] >= 0 or is_role(token) or token.low in lexicon().groups or token.low in lexicon().titles


def _bridges(frame: Frame, at: int, head: int) -> bool:
    """Whether a mark stands inside the phrase: after a short title, or between a role and its holder's name."""
    named = at + 1 < len(frame.tokens) and frame.entity[at + 1] >= 0
    if frame.low(at) == ".":
        return named and frame.low(at - 1) in lexicon().titles
    return frame.low(at) == "," and named and head == at - 1 and frame.entity[head] < 0 and is_role(frame.tokens[head])


def _ends_phrase(low: str) -> bool:
    lists = lexicon()
    listed = low in lists.clause_starts or low in lists.prepositions or low in lists.auxiliaries
    return listed or low in lists.pronouns or low in lists.months or low in ("yesterday", "today") or low.endswith("ly")


def plain_phrase(frame: Frame, at: int) -> Source | None:
    """The few plain words from ``at`` up to a mark, a preposition or a clause, for want of a known name or role."""
    stop = at
    while stop < len(frame.tokens) and frame.tokens[stop].is_word and stop - at < 8:
        if stop > at and _ends_phrase(frame.low(stop)):
            break
        stop += 1
    if stop == at:
        return None
    head = stop - 1
    if frame.low(stop) == "," and stop + 1 < len(frame.tokens) and frame.entity[stop + 1] >= 0:
        stop = _name_end(frame, stop + 1)
    return Source(at, stop, head)


def with_apposition(frame: Frame, source: Source, limit: int) -> Source:
    """The same source with what is set behind its name: ``said Anna Pruss, a vet who works in Karra``."""
    stop = source.stop
    if frame.low(stop) == "(":
        close = next((i for i in range(stop, min(stop + 8, limit)) if frame.low(i) == ")"), None)
        stop = close + 1 if close is not None else stop
        source = Source(source.start, stop, source.head)
    if frame.low(stop) != "," or not is_apposition(frame, stop + 1, min(stop + 6, limit)):
        return source
    first = frame.tokens[stop + 1]
    lists = lexicon()
    opens = first.low in ("a", "an", "the", "who", "whose", "which", "now", "then", "formerly") or is_role(first)
    if not opens and first.low not in lists.titles and not first.text.isdigit():
        return source
    end = stop + 1
    while end < limit and not frame.is_run(end) and frame.low(end) not in (";", ":"):
        end += 1
    while end > stop + 1 and not frame.tokens[end - 1].is_word:
        end -= 1
    return Source(source.start, end, source.head)


def _post_modifier(frame: Frame, at: int) -> int:
    """Past a preposition and its short phrase."""
    stop = at + 1
    lists = lexicon()
    while stop < len(frame.tokens) and stop - at < 7:
        token = frame.tokens[stop]
        if (
            frame.entity[stop] >= 0
            or token.low in ("the", "a", "an", "its", "his", "her", "their", "'s")
            or token.is_capital
        ) or (token.is_word and token.low not in lists.function_words and not token.low.endswith("ing")):
            stop += 1
        else:
            break
    return stop


def source_within(frame: Frame, start: int, stop: int, entities: list[Entity]) -> Source:
    """The source that is just ``tokens[start:stop]``: which of its words is the one that speaks.

    The last word before an apposition or a post-modifier (``a spokesman for Karra``), or the person's name behind an
    office of several words (``Secretary of State Anna Pruss``).
    """
    lists = lexicon()
    end = start
    while end < stop and (end == start or not _breaks(frame, end)):
        end += 1
    while end > start + 1 and not frame.tokens[end - 1].is_word:
        end -= 1
    head = end - 1
    if frame.low(head) == "'s" and head > start:
        head -= 1
    owner = frame.entity[stop - 1]
    if frame.entity[head] < 0 and owner >= 0 and entities[owner].type == "PERSON" and end < stop:
        name = _name_start(frame, stop)
        before = frame.tokens[name - 1]
        if before.is_capital and frame.low(name - 1) not in lists.prepositions:
            head = stop - 1
    return Source(start, stop, head)


def _breaks(frame: Frame, at: int) -> bool:
    """Whether what speaks has ended before this token."""
    if frame.entity[at] >= 0 and frame.entity[at] == frame.entity[at - 1]:
        return False
    low = frame.low(at)
    if low == "." and frame.low(at - 1) in lexicon().titles:
        return False
    return (
        low in (",", "(", "—", "–", ":", ";") or low in lexicon().prepositions or low in ("who", "that", "which", "and")
    )
