"""What stands behind a verb of speech: whom it is said to, where the report begins, and whether it is one."""

from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.quotes.sentence_view import Frame, Hit
from transforms.annotate.quotes.speaker_phrases import source_after


def content_start(frame: Frame, hit: Hit, limit: int) -> int:
    """Past the addressee, an adverbial, `that`, a comma or colon."""
    at = hit.stop
    if hit.cue.frame in ("addressee", "asked"):
        at = addressee(frame, at)
    elif frame.low(at) == "to" and hit.cue.frame == "clause":
        at = max(at, addressee(frame, at + 1)) if not frame.is_run(at + 1) else at
    if frame.low(at) in lexicon().adjuncts and frame.low(at) not in ("while", "there"):
        opens = next(
            (i for i in range(at, min(at + 14, limit)) if frame.low(i) in ("that", ":") or frame.is_run(i)), None
        )
        subject = None if opens is not None else _clause_after(frame, at, limit)
        at = opens if opens is not None else subject if subject is not None else at
    elif frame.low(at) == ",":
        # said, in a letter to the board, that ...
        close = next((i for i in range(at + 1, min(at + 16, limit)) if frame.low(i) == ","), None)
        if close is not None and (frame.low(close + 1) == "that" or frame.is_run(close + 1)):
            at = close
    while at < limit and frame.low(at) in (",", ":", "that", "—", "–", "--"):
        at += 1
    return at


def _clause_after(frame: Frame, at: int, limit: int) -> int | None:
    """Where a bare clause begins behind an adverbial: `said on Friday he would leave`."""
    lists = lexicon()
    for index in range(at + 1, min(at + 9, limit)):
        if frame.low(index) in ("he", "she", "they", "it", "we", "there") and frame.low(index + 1) in lists.auxiliaries:
            return index
        if (
            frame.low(index - 1) in lists.months
            and frame.tokens[index].is_word
            and frame.low(index) not in lists.prepositions
        ):
            return index
    return None


def addressee(frame: Frame, at: int) -> int:
    """Past the person who is told: a pronoun, a name, or a noun up to its end."""
    lists = lexicon()
    stop = at
    if frame.low(stop) in ("me", "him", "her", "them", "us", "you", "it") and frame.entity[stop] < 0:
        return stop + 1
    found = source_after(frame, at)
    if found:
        return found.stop
    while stop < len(frame.tokens) and stop - at < 6 and frame.tokens[stop].is_word:
        low = frame.low(stop)
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


def fits(frame: Frame, hit: Hit, content: tuple[int, int]) -> bool:
    """Whether what follows the verb is a report at all."""
    start, stop = content
    marked = bool(frame.runs(start, stop))
    lists = lexicon()
    that = frame.low(start - 1) == "that"
    colon = frame.low(start - 1) == ":"
    first = frame.low(start)
    clause = that or any(
        frame.low(i) in lists.auxiliaries or frame.low(i).endswith("ed") or frame.low(i) in lists.cues
        for i in range(start, stop)
    )
    match hit.cue.frame:
        case "clause":
            if marked or that or colon:
                return True
            if first in lists.adjuncts and not clause:
                return False
            plain = frame.low(hit.verb) in ("said", "says", "say", "saying")
            return (
                frame.words(start, stop) >= 2
                and (clause or plain)
                and first not in ("of", "for", "about", "with", "by")
            )
        case "addressee":
            return marked or that or colon or (clause and frame.words(start, stop) >= 2 and start > hit.stop)
        case "asked":
            return marked or colon or first in ("if", "whether", "why", "how", "what", "who", "when", "where", "to")
        case "infinitive":
            return first == "to" or hit.cue.cue_class == "asked" or (marked and frame.is_run(start))
        case "promise":
            return first == "to" or that or (marked and frame.is_run(start))
        case "phrase":
            return marked and _near_run(frame, hit, start, stop)
        case "quoting":
            return marked and frame.is_run(start)


def _near_run(frame: Frame, hit: Hit, start: int, stop: int) -> bool:
    """Marked words that are not the name of a work, a sign or a nickname."""
    for index in range(start, stop):
        if frame.is_run(index):
            if index == hit.stop and frame.low(hit.start) in lexicon().auxiliaries:
                # a change that she has called 'a cure without a disease': names begin with a capital
                inner = (token for token in frame.sentence.tokens if token.start > frame.tokens[index].start)
                return next((not token.is_capital for token in inner if token.is_word), False)
            return frame.low(index - 1) not in lexicon().blockers
    return False


def trim(frame: Frame, start: int, stop: int) -> tuple[int, int] | None:
    """A range without punctuation at its ends; None when no word is left."""
    while start < stop and not frame.tokens[start].is_word and not frame.is_run(start):
        start += 1
    while stop > start and not frame.tokens[stop - 1].is_word and not frame.is_run(stop - 1):
        stop -= 1
    return (start, stop) if start < stop else None
