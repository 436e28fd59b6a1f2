"""Attributions inside one sentence: which words are reported, by which verb, on whose account."""

from dataclasses import dataclass

from transforms.annotate.frames import Frame, Hit
from transforms.annotate.lexicon import lexicon
from transforms.annotate.roles import is_role
from transforms.annotate.sources import Source, source_after, source_before, with_apposition
from transforms.records import CueClass


@dataclass(slots=True)
class Attribution:
    """One report in a frame. ``content`` and ``cue`` are ranges of token indices, end exclusive."""

    content: list[tuple[int, int]]
    cue: tuple[int, int] | None
    cue_class: CueClass | None
    source: Source | None
    after_content: bool = False
    """The cue follows its content, so marked words right after it go on with the same speech."""


def read_clauses(frame: Frame) -> list[Attribution]:
    """All attributions of a sentence, outermost only, in order of their cues."""
    found = _according_to(frame)
    if found:
        return found
    done: list[Attribution] = []
    low_edge = 0
    pending = list(frame.hits)
    subject: Source | None = None
    while pending:
        late = next((pair for hit in pending if (pair := _postposed(frame, hit, low_edge))), None)
        early = next((pair for hit in pending if (pair := _leading(frame, hit, pending, low_edge, subject))), None)
        if late and (early is None or _wins(frame, late, early)):
            attribution, edge = late
        elif early:
            attribution, edge = early
        else:
            break
        done.append(attribution)
        subject = attribution.source or subject
        low_edge = edge
        pending = [hit for hit in pending if hit.start >= edge]
    return sorted(done, key=lambda item: item.content[0])


def _wins(frame: Frame, late: tuple[Attribution, int], early: tuple[Attribution, int]) -> bool:
    """A cue behind its content takes all that stands before it, unless the leading one ends before that begins."""
    (after, _), (_, stop) = late, early
    begins = after.content[0][0]
    return begins < stop or (after.cue or (0, 0))[0] < (early[0].cue or (0, 0))[0]


def _according_to(frame: Frame) -> list[Attribution]:
    for index in range(len(frame.tokens) - 2):
        if frame.low(index) != "according" or frame.low(index + 1) != "to":
            continue
        source = source_after(frame, index + 2) or _plain_phrase(frame, index + 2)
        if source is None:
            continue
        cue = (index, index + 2)
        before = _trim(frame, 0, index)
        if before and frame.words(*before) + len(frame.runs(*before)) > 1:
            source = with_apposition(frame, source, len(frame.tokens))
            return [Attribution([before], cue, "according_to", source, after_content=True)]
        stop = _skip_apposition(frame, source.stop)
        after = _trim(frame, stop, len(frame.tokens))
        if after:
            return [Attribution([after], cue, "according_to", source)]
    return []


def _plain_phrase(frame: Frame, at: int) -> Source | None:
    """The words up to the next comma or end, when no known name or role is among them."""
    stop = at
    while stop < len(frame.tokens) and frame.tokens[stop].is_word and stop - at < 12:
        stop += 1
    return Source(at, stop, stop - 1, at, stop) if stop > at else None


def _skip_apposition(frame: Frame, at: int) -> int:
    """Past ``, the curator,`` behind a name; ``at`` when what follows the comma is no apposition."""
    if frame.low(at) != ",":
        return at
    for index in range(at + 1, min(at + 14, len(frame.tokens))):
        if frame.is_run(index):
            return at
        if frame.low(index) == ",":
            inside = frame.tokens[at + 1 : index]
            if any(token.low in lexicon().auxiliaries for token in inside) and inside[0].low != "who":
                return at
            return index if any(is_role(token) for token in inside) or inside[0].low in ("who", "a", "an") else at
    return at


def _postposed(frame: Frame, hit: Hit, edge: int) -> tuple[Attribution, int] | None:
    """``content, X said`` or ``content, said X``, and what of the content goes on behind."""
    if hit.start < edge or hit.cue.form == "ing" or (hit.cue.form == "base" and not frame.tokens[hit.verb].low):
        return None
    inverted = False
    source = source_before(frame, hit.start) if hit.cue.frame not in ("infinitive",) else None
    begin = source.whole_start if source else hit.start
    if source is None or not _is_boundary(frame, begin - 1) or begin - 1 < edge:
        source = (
            source_after(frame, hit.stop)
            if _is_boundary(frame, hit.start - 1) and hit.cue.frame != "infinitive"
            else None
        )
        begin, inverted = hit.start, True
        if source is None or not _is_empty(frame, source.stop, hit):
            return None
    before = _trim(frame, edge, begin)
    if before is None:
        return None
    marked = frame.is_run(before[1] - 1)
    if not marked and (hit.cue.frame in ("phrase", "quoting") or not _is_clause(frame, *before)):
        return None
    tail = source.stop if inverted else hit.stop
    if not inverted and not _is_empty(frame, tail, hit) and not (marked and _is_speech(frame, before)):
        return None
    return _with_rest(frame, hit, source, before, tail, marked)


def _is_boundary(frame: Frame, index: int) -> bool:
    if frame.is_run(index):
        return True
    if frame.low(index) not in (",", "—", "–", "--", "-"):
        return False
    return index > 0


def _is_speech(frame: Frame, content: tuple[int, int]) -> bool:
    """Whether marked words at a clause's end are speech of some length rather than a term."""
    tokens = frame.tokens[content[0] : content[1]]
    return all(token.run >= 0 for token in tokens) or tokens[-1].end - tokens[-1].start > 30


def _is_clause(frame: Frame, start: int, stop: int) -> bool:
    """Whether plain words before a cue can be what is reported: more than an adverbial of one word."""
    return frame.words(start, stop) >= 2 and not (
        frame.words(start, stop) < 6 and frame.low(start) in lexicon().prepositions
    )


def _is_empty(frame: Frame, at: int, hit: Hit) -> bool:
    """Whether nothing reported follows the cue: the end, a comma, an adverbial, an addressee."""
    low = frame.low(at)
    if at >= len(frame.tokens) or (not frame.tokens[at].is_word and not frame.is_run(at)):
        return low != ":"
    if frame.is_run(at):
        return True
    if low in lexicon().adjuncts or low.endswith("ly") or low.endswith("ing"):
        return not (low == "that") and not (low == "there" and frame.low(at + 1) in lexicon().auxiliaries)
    if hit.cue.frame == "addressee" or hit.cue.frame == "asked":
        stop = _addressee(frame, at)
        return stop > at and (
            stop >= len(frame.tokens) or not frame.tokens[stop].is_word or frame.low(stop) in lexicon().adjuncts
        )
    if low in ("a", "the") and any(
        word in frame.low(at + 1) + frame.low(at + 2) for word in ("statement", "week", "day")
    ):
        return True
    return False


def _with_rest(
    frame: Frame, hit: Hit, source: Source, before: tuple[int, int], tail: int, marked: bool
) -> tuple[Attribution, int]:
    content = [before]
    stop = _skip_apposition(frame, tail)
    later = [h for h in frame.hits if h.start > hit.start]
    limit = next((h.start for h in later if _begins_own(frame, h)), len(frame.tokens))
    edge = tail
    if source.start >= hit.stop:
        source = with_apposition(frame, source, limit)
        edge = max(edge, source.stop)
    runs = [index for index in range(tail, limit) if frame.is_run(index)]
    if runs and (marked or frame.low(runs[0] - 1) in (",", ":")):
        content += [(index, index + 1) for index in runs]
        edge = runs[-1] + 1
    elif not marked and frame.low(stop) == "," and stop == tail:
        rest = _trim(frame, stop + 1, limit)
        if (
            rest
            and frame.low(rest[0]) not in ("who", "which", "and", "but", "as", "a", "an")
            and frame.words(*rest) > 1
            and not frame.low(rest[0]).endswith("ing")
        ):
            content.append(rest)
            edge = rest[1]
    return Attribution(content, (hit.start, hit.stop), hit.cue.cue_class, source, after_content=True), edge


def _begins_own(frame: Frame, hit: Hit) -> bool:
    """Whether a later verb starts a report of its own: a participle after a comma, or `and` / `but` and a verb."""
    before = frame.low(hit.start - 1)
    if hit.cue.form == "ing":
        return before in (",", "and", "while") or frame.is_run(hit.start - 1)
    return before in ("and", "but", "then", "and then")


def _leading(
    frame: Frame, hit: Hit, pending: list[Hit], edge: int, subject: Source | None
) -> tuple[Attribution, int] | None:
    """``X said (that) content``, ``, adding that content``, ``but stressed that content``."""
    if hit.start < edge:
        return None
    source = _subject_of(frame, hit, subject)
    if source is None:
        return None
    limit = _limit(frame, hit, pending)
    start = _content_start(frame, hit, limit)
    content = _trim(frame, start, limit)
    if content is None or not _fits(frame, hit, content, source):
        return None
    cue = (hit.start, hit.stop)
    return Attribution([content], cue, hit.cue.cue_class, source), content[1]


def _subject_of(frame: Frame, hit: Hit, subject: Source | None) -> Source | None:
    participle = hit.cue.form == "ing" and frame.low(hit.start) == frame.low(hit.verb)
    coordinated = frame.low(hit.start - 1) in ("and", "but", "then")
    if participle or coordinated:
        return subject or _sentence_subject(frame, hit.start)
    return source_before(frame, hit.start)


def _sentence_subject(frame: Frame, before: int) -> Source | None:
    """The first name, pronoun or role of the sentence that a verb follows; what a participle later on hangs on."""
    lists = lexicon()
    for index in range(before):
        low = frame.low(index)
        after = index + 1
        if frame.entity[index] >= 0 and frame.entity[after : after + 1] == [frame.entity[index]]:
            continue
        able = (
            frame.entity[index] >= 0
            or low in ("he", "she", "they")
            or is_role(frame.tokens[index])
            or low in lists.groups
        )
        if not able or frame.low(after) == "'s" or (index and frame.low(index - 1) in lists.prepositions):
            continue
        following = frame.low(after)
        verbal = (
            following in lists.auxiliaries
            or following.endswith(("ed", "s"))
            or following in lists.cues
            or following in _VERBS
        )
        if verbal and frame.entity[after] < 0:
            found = source_before(frame, after)
            if found:
                return found
    return None


_VERBS = frozenset(
    ["spoke", "told", "gave", "went", "took", "came", "made", "left", "met", "held", "sat", "stood", "wrote", "began", "ran", "led", "won", "lost", "hit", "put", "set", "cut", "saw", "got", "drew", "drove", "fought", "found", "kept", "let", "paid", "read", "rose", "sent", "shook", "shot", "shut", "sold", "spent", "struck", "swore", "taught", "thought", "threw", "understood", "wore", "fell", "grew", "knew", "laid", "lay", "meant"]
)


def _limit(frame: Frame, hit: Hit, pending: list[Hit]) -> int:
    """Where the content behind a leading cue ends: the sentence's end, or the next verb of the same speaker."""
    for later in pending:
        if later.start <= hit.stop:
            continue
        before = later.start - 1
        if _begins_own(frame, later):
            if later.cue.form == "ing" and frame.low(before) != "," and not frame.is_run(before):
                continue
            if later.cue.form != "ing" and (
                later.cue.form != hit.cue.form or (later.verb == later.start and later.cue.noun_like)
            ):
                continue
            return later.start if frame.is_run(before) else before - (frame.low(before - 1) == ",")
        source = source_before(frame, later.start)
        if (
            source
            and frame.low(source.start - 1) in ("and", "but", "while", "whereas")
            and frame.low(source.start - 2) == ","
        ):
            return source.start - 2
    return len(frame.tokens)


def _content_start(frame: Frame, hit: Hit, limit: int) -> int:
    """Past the addressee, an adverbial, `that`, a comma or colon."""
    at = hit.stop
    if hit.cue.frame in ("addressee", "asked"):
        at = _addressee(frame, at)
    elif frame.low(at) == "to" and hit.cue.frame == "clause":
        at = max(at, _addressee(frame, at + 1)) if not frame.is_run(at + 1) else at
    if frame.low(at) in lexicon().adjuncts and frame.low(at) not in ("while", "there"):
        opens = next(
            (i for i in range(at, min(at + 14, limit)) if frame.low(i) in ("that", ":") or frame.is_run(i)), None
        )
        subject = None if opens is not None else _clause_after(frame, at, limit)
        at = opens if opens is not None else subject if subject is not None else at
    elif frame.low(at) == "," and (
        close := next((i for i in range(at + 1, min(at + 16, limit)) if frame.low(i) == ","), None)
    ):
        if frame.low(close + 1) == "that" or frame.is_run(close + 1):
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


def _addressee(frame: Frame, at: int) -> int:
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


def _fits(frame: Frame, hit: Hit, content: tuple[int, int], source: Source) -> bool:
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
        case "phrase":
            return marked and _near_run(frame, start, stop)
        case "quoting":
            return marked and frame.is_run(start)


def _near_run(frame: Frame, start: int, stop: int) -> bool:
    """Marked words that are not the name of a work, a sign or a nickname."""
    for index in range(start, stop):
        if frame.is_run(index):
            return frame.low(index - 1) not in lexicon().blockers
    return False


def _trim(frame: Frame, start: int, stop: int) -> tuple[int, int] | None:
    """A range without punctuation at its ends; None when no word is left."""
    while start < stop and not frame.tokens[start].is_word and not frame.is_run(start):
        start += 1
    while stop > start and not frame.tokens[stop - 1].is_word and not frame.is_run(stop - 1):
        stop -= 1
    return (start, stop) if start < stop else None
