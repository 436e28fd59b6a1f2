"""Attributions inside one sentence: which words are reported, by which verb, on whose account."""

from dataclasses import dataclass

from transforms.annotate.entities.roles import is_role
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.quotes.complements import addressee, content_start, fits, trim
from transforms.annotate.quotes.sentence_view import Frame, Hit
from transforms.annotate.quotes.speaker_phrases import (
    Source,
    plain_phrase,
    source_after,
    source_before,
    with_apposition,
)
from transforms.schema.records import CueClass


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
        if late and (early is None or _wins(late, early)):
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


def _wins(late: tuple[Attribution, int], early: tuple[Attribution, int]) -> bool:
    """A cue behind its content takes all that stands before it, unless the leading one ends before that begins."""
    (after, _), (_, stop) = late, early
    begins = after.content[0][0]
    return begins < stop or (after.cue or (0, 0))[0] < (early[0].cue or (0, 0))[0]


def _according_to(frame: Frame) -> list[Attribution]:
    for index in range(len(frame.tokens) - 2):
        if frame.low(index) != "according" or frame.low(index + 1) != "to":
            continue
        source = source_after(frame, index + 2) or plain_phrase(frame, index + 2)
        if source is None:
            continue
        cue = (index, index + 2)
        before = trim(frame, 0, index)
        if before and frame.words(*before) + len(frame.runs(*before)) > 1:
            source = with_apposition(frame, source, len(frame.tokens))
            return [Attribution([before], cue, "according_to", source, after_content=True)]
        stop = _skip_apposition(frame, source.stop)
        after = trim(frame, stop, len(frame.tokens))
        if after:
            return [Attribution([after], cue, "according_to", source)]
    return []


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
    usable = hit.cue.form != "ing" and hit.cue.frame != "infinitive"
    if hit.start < edge or not usable or frame.low(hit.start - 1) in ("who", "which"):
        return None
    source = source_before(frame, hit.start)
    begin = source.start if source else hit.start
    inverted = source is None or not _is_boundary(frame, begin - 1) or begin - 1 < edge
    if inverted:
        source, begin = _source_inverted(frame, hit), hit.start
    if source is None:
        return None
    before = trim(frame, edge, begin)
    if before is None:
        return None
    marked = frame.is_run(before[1] - 1)
    if not marked and (hit.cue.frame in ("phrase", "quoting") or not _is_clause(frame, *before)):
        return None
    tail = source.stop if inverted else hit.stop
    if not inverted and not _is_empty(frame, tail, hit) and not (marked and _is_speech(frame, before)):
        return None
    return _with_rest(frame, hit, source, before, tail, marked)


def _source_inverted(frame: Frame, hit: Hit) -> Source | None:
    """Who stands behind the verb: `said the mayor`, `shouted a guard`."""
    if not _is_boundary(frame, hit.start - 1):
        return None
    source = source_after(frame, hit.stop)
    if source is None and frame.is_run(hit.start - 1) and frame.low(hit.stop) in lexicon().determiners:
        source = plain_phrase(frame, hit.stop)
    return source if source and _is_empty(frame, source.stop, hit) else None


def _is_boundary(frame: Frame, index: int) -> bool:
    return frame.is_run(index) or (index > 0 and frame.low(index) in (",", "—", "–", "--", "-"))


def _is_speech(frame: Frame, content: tuple[int, int]) -> bool:
    """Whether marked words at a clause's end are speech of some length rather than a term."""
    tokens = frame.tokens[content[0] : content[1]]
    return all(token.quoted_span >= 0 for token in tokens) or tokens[-1].end - tokens[-1].start > 30


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
        return not (low == "there" and frame.low(at + 1) in lexicon().auxiliaries)
    if hit.cue.frame == "addressee" or hit.cue.frame == "asked":
        stop = addressee(frame, at)
        return stop > at and (
            stop >= len(frame.tokens) or not frame.tokens[stop].is_word or frame.low(stop) in lexicon().adjuncts
        )
    return low in ("a", "the") and frame.low(at + 1) in ("day", "week", "month", "year")


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
        rest = trim(frame, stop + 1, limit)
        if rest and frame.words(*rest) > 1 and not _is_aside(frame, rest[0], source):
            content.append(rest)
            edge = rest[1]
    return Attribution(content, (hit.start, hit.stop), hit.cue.cue_class, source, after_content=True), edge


def _is_aside(frame: Frame, at: int, source: Source) -> bool:
    """Whether what follows the cue's comma belongs to the speaker or the reporter, not to the report."""
    low = frame.low(at)
    article = low in ("a", "an") and frame.low(source.head) not in lexicon().pronouns
    return article or low in ("who", "which", "and", "but", "as") or low.endswith("ing")


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
    start = content_start(frame, hit, limit)
    content = trim(frame, start, limit)
    if content is None or not fits(frame, hit, content):
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
        after += frame.low(after) == ","
        following = frame.low(after)
        verbal = (
            following in lists.auxiliaries
            or following.endswith(("ed", "s"))
            or following in lists.cues
            or following in _VERBS
        )
        if verbal and after < before and frame.entity[after] < 0:
            found = source_before(frame, after)
            if found:
                return found
    return None


_VERBS = frozenset(
    [
        "spoke",
        "told",
        "gave",
        "went",
        "took",
        "came",
        "made",
        "left",
        "met",
        "held",
        "sat",
        "stood",
        "wrote",
        "began",
        "ran",
        "led",
        "won",
        "lost",
        "hit",
        "put",
        "set",
        "cut",
        "saw",
        "got",
        "drew",
        "drove",
        "fought",
        "found",
        "kept",
        "let",
        "paid",
        "read",
        "rose",
        "sent",
        "shook",
        "shot",
        "shut",
        "sold",
        "spent",
        "struck",
        "swore",
        "taught",
        "thought",
        "threw",
        "understood",
        "wore",
        "fell",
        "grew",
        "knew",
        "laid",
        "lay",
        "meant",
    ]
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
            apart = frame.low(before - 1) == ","
            same = later.cue.form == hit.cue.form or (hit.cue.form == "ing" and apart)
            if later.cue.form != "ing" and (not same or (later.verb == later.start and later.cue.noun_like)):
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
