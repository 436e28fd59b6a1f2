"""Analyse complements of reporting verbs: addressee, start of the reported clause, validity."""

from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.quotes.sentence_view import CueMatch, SentenceView
from transforms.annotate.quotes.speaker_phrases import phrase_after


def content_start(view: SentenceView, verb: CueMatch, limit: int) -> int:
    """Return the start of the reported content: after an addressee, an adverbial, `that`, a comma or a colon."""
    at = verb.stop
    if verb.cue.frame in ("addressee", "asked"):
        at = addressee(view, at)
    elif view.low(at) == "to" and verb.cue.frame == "clause":
        at = max(at, addressee(view, at + 1)) if not view.is_quoted(at + 1) else at
    if view.low(at) in lexicon().adjuncts and view.low(at) not in ("while", "there"):
        opens = next(
            (i for i in range(at, min(at + 14, limit)) if view.low(i) in ("that", ":") or view.is_quoted(i)), None
        )
        subject = None if opens is not None else _clause_after(view, at, limit)
        at = opens if opens is not None else subject if subject is not None else at
    elif view.low(at) == ",":
        # said, in a letter to the board, that ...
        close = next((i for i in range(at + 1, min(at + 16, limit)) if view.low(i) == ","), None)
        if close is not None and (view.low(close + 1) == "that" or view.is_quoted(close + 1)):
            at = close
    while at < limit and view.low(at) in (",", ":", "that", "—", "–", "--"):
        at += 1
    return at


def _clause_after(view: SentenceView, at: int, limit: int) -> int | None:
    """Return the start of a clause without `that` after an adverbial: `said on Friday he would leave`."""
    lists = lexicon()
    for index in range(at + 1, min(at + 9, limit)):
        if view.low(index) in ("he", "she", "they", "it", "we", "there") and view.low(index + 1) in lists.auxiliaries:
            return index
        if (
            view.low(index - 1) in lists.months
            and view.tokens[index].is_word
            and view.low(index) not in lists.prepositions
        ):
            return index
    return None


def addressee(view: SentenceView, at: int) -> int:
    """Return the index after the addressee at ``at``: a pronoun, a name or a noun phrase."""
    lists = lexicon()
    stop = at
    if view.low(stop) in ("me", "him", "her", "them", "us", "you", "it") and view.entity[stop] < 0:
        return stop + 1
    found = phrase_after(view, at)
    if found:
        return found.stop
    while stop < len(view.tokens) and stop - at < 6 and view.tokens[stop].is_word:
        low = view.low(stop)
        if (
            low in ("that", "to", "if", "whether", "how", "why", "what")
            or low in lists.pronouns
            or low in lists.adjuncts
        ):
            break
        if low in lists.determiners and stop > at:
            break
        stop += 1
    return stop


def can_be_content(view: SentenceView, verb: CueMatch, content: tuple[int, int]) -> bool:
    """Return whether a range of tokens after a reporting verb can be its content, by the frame of the verb."""
    start, stop = content
    quoted = bool(view.quoted_spans(start, stop))
    lists = lexicon()
    that = view.low(start - 1) == "that"
    colon = view.low(start - 1) == ":"
    first = view.low(start)
    clause = that or any(
        view.low(i) in lists.auxiliaries or view.low(i).endswith("ed") or view.low(i) in lists.cues
        for i in range(start, stop)
    )
    match verb.cue.frame:
        case "clause":
            if quoted or that or colon:
                return True
            if first in lists.adjuncts and not clause:
                return False
            plain = view.low(verb.verb) in ("said", "says", "say", "saying")
            return (
                view.words(start, stop) >= 2 and (clause or plain) and first not in ("of", "for", "about", "with", "by")
            )
        case "addressee":
            return quoted or that or colon or (clause and view.words(start, stop) >= 2 and start > verb.stop)
        case "asked":
            return quoted or colon or first in ("if", "whether", "why", "how", "what", "who", "when", "where", "to")
        case "infinitive":
            return first == "to" or verb.cue.cue_class == "asked" or (quoted and view.is_quoted(start))
        case "promise":
            return first == "to" or that or (quoted and view.is_quoted(start))
        case "phrase":
            return quoted and _has_quotation(view, verb, start, stop)
        case "quoting":
            return quoted and view.is_quoted(start)


def _has_quotation(view: SentenceView, verb: CueMatch, start: int, stop: int) -> bool:
    """Whether the content has a quoted span that is not the title of a work, a sign or a nickname."""
    for index in range(start, stop):
        if view.is_quoted(index):
            if index == verb.stop and view.low(verb.start) in lexicon().auxiliaries:
                # Not a title, because it begins in lower case: she called the change 'a cure without a disease'
                words = (token for token in view.sentence.tokens if token.start > view.tokens[index].start)
                return next((not token.is_capital for token in words if token.is_word), False)
            return view.low(index - 1) not in lexicon().blockers
    return False


def trim(view: SentenceView, start: int, stop: int) -> tuple[int, int] | None:
    """Return a range of tokens without punctuation at its ends; None if nothing remains."""
    while start < stop and not view.tokens[start].is_word and not view.is_quoted(start):
        start += 1
    while stop > start and not view.tokens[stop - 1].is_word and not view.is_quoted(stop - 1):
        stop -= 1
    return (start, stop) if start < stop else None
