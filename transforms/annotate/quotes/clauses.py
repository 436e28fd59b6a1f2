"""Find the attributions of a sentence by rules: reported content, reporting verb, speaker phrase."""

from dataclasses import dataclass

from transforms.annotate.entities.roles import is_role
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.quotes.complements import addressee, can_be_content, content_start, trim
from transforms.annotate.quotes.sentence_view import CueMatch, SentenceView
from transforms.annotate.quotes.speaker_phrases import (
    SpeakerPhrase,
    phrase_after,
    phrase_before,
    plain_phrase,
    with_apposition,
)
from transforms.schema.records import CueClass


@dataclass(slots=True)
class Attribution:
    """An attribution in a sentence. ``content`` and ``cue`` are ranges of token indices, end exclusive."""

    content: list[tuple[int, int]]
    cue: tuple[int, int]
    cue_class: CueClass
    phrase: SpeakerPhrase


def read_clauses(view: SentenceView) -> list[Attribution]:
    """Return the attributions of a sentence that are not inside another one, in order of their content."""
    found = _according_to(view)
    if found:
        return found
    done: list[Attribution] = []
    edge = 0
    pending = list(view.cue_matches)
    subject: SpeakerPhrase | None = None
    while pending:
        postposed = next((one for match in pending if (one := _postposed(view, match, edge))), None)
        leading = next((one for match in pending if (one := _leading(view, match, pending, edge, subject))), None)
        if postposed and (leading is None or _takes_precedence(postposed, leading)):
            attribution, edge = postposed
        elif leading:
            attribution, edge = leading
        else:
            break
        done.append(attribution)
        subject = attribution.phrase
        pending = [match for match in pending if match.start >= edge]
    return sorted(done, key=lambda item: item.content[0])


def _takes_precedence(postposed: tuple[Attribution, int], leading: tuple[Attribution, int]) -> bool:
    """Whether a cue after its content takes precedence over a cue before its content.

    It does, unless the attribution of the leading cue ends before the content of the other one.
    """
    (after, _), (before, stop) = postposed, leading
    return after.content[0][0] < stop or after.cue[0] < before.cue[0]


def _according_to(view: SentenceView) -> list[Attribution]:
    """Return the attribution by `according to`, if there is one."""
    for index in range(len(view.tokens) - 2):
        if view.low(index) != "according" or view.low(index + 1) != "to":
            continue
        phrase = phrase_after(view, index + 2) or plain_phrase(view, index + 2)
        if phrase is None:
            continue
        cue = (index, index + 2)
        before = trim(view, 0, index)
        if before and view.words(*before) + len(view.quoted_spans(*before)) > 1:
            phrase = with_apposition(view, phrase, len(view.tokens))
            return [Attribution([before], cue, "according_to", phrase)]
        stop = _skip_apposition(view, phrase.stop)
        after = trim(view, stop, len(view.tokens))
        if after:
            return [Attribution([after], cue, "according_to", phrase)]
    return []


def _skip_apposition(view: SentenceView, at: int) -> int:
    """Return the index after an apposition such as ``, the curator,``; ``at`` if none follows the comma."""
    if view.low(at) != ",":
        return at
    for index in range(at + 1, min(at + 14, len(view.tokens))):
        if view.is_quoted(index):
            return at
        if view.low(index) == ",":
            inside = view.tokens[at + 1 : index]
            if any(token.low in lexicon().auxiliaries for token in inside) and inside[0].low != "who":
                return at
            return index if any(is_role(token) for token in inside) or inside[0].low in ("who", "a", "an") else at
    return at


def _postposed(view: SentenceView, match: CueMatch, edge: int) -> tuple[Attribution, int] | None:
    """Return the attribution of a cue after its content, and its end: ``content, X said``, ``content, said X``."""
    usable = match.cue.form != "ing" and match.cue.frame != "infinitive"
    if match.start < edge or not usable or view.low(match.start - 1) in ("who", "which"):
        return None
    phrase = phrase_before(view, match.start)
    begin = phrase.start if phrase else match.start
    inverted = phrase is None or not _is_boundary(view, begin - 1) or begin - 1 < edge
    if inverted:
        phrase, begin = _inverted_phrase(view, match), match.start
    if phrase is None:
        return None
    before = trim(view, edge, begin)
    if before is None:
        return None
    quoted = view.is_quoted(before[1] - 1)
    if not quoted and (match.cue.frame in ("phrase", "quoting") or not _is_clause(view, *before)):
        return None
    tail = phrase.stop if inverted else match.stop
    if not inverted and not _is_empty(view, tail, match) and not (quoted and _is_speech(view, before)):
        return None
    return _with_later_content(view, match, phrase, before, tail, quoted)


def _inverted_phrase(view: SentenceView, match: CueMatch) -> SpeakerPhrase | None:
    """Return the speaker phrase after the verb: `said the mayor`, `shouted a guard`."""
    if not _is_boundary(view, match.start - 1):
        return None
    phrase = phrase_after(view, match.stop)
    if phrase is None and view.is_quoted(match.start - 1) and view.low(match.stop) in lexicon().determiners:
        phrase = plain_phrase(view, match.stop)
    return phrase if phrase and _is_empty(view, phrase.stop, match) else None


def _is_boundary(view: SentenceView, index: int) -> bool:
    return view.is_quoted(index) or (index > 0 and view.low(index) in (",", "—", "–", "--", "-"))


def _is_speech(view: SentenceView, content: tuple[int, int]) -> bool:
    """Whether a quoted span at the end of the content is speech rather than a quoted term."""
    tokens = view.tokens[content[0] : content[1]]
    return all(token.quoted_span >= 0 for token in tokens) or tokens[-1].end - tokens[-1].start > 30


def _is_clause(view: SentenceView, start: int, stop: int) -> bool:
    """Whether words before a cue can be reported content: more than one word and not an adverbial."""
    return view.words(start, stop) >= 2 and not (
        view.words(start, stop) < 6 and view.low(start) in lexicon().prepositions
    )


def _is_empty(view: SentenceView, at: int, match: CueMatch) -> bool:
    """Whether no reported content follows the cue, but the sentence end, a comma, an adverbial or an addressee."""
    low = view.low(at)
    if at >= len(view.tokens) or (not view.tokens[at].is_word and not view.is_quoted(at)):
        return low != ":"
    if view.is_quoted(at):
        return True
    if low in lexicon().adjuncts or low.endswith("ly") or low.endswith("ing"):
        return not (low == "there" and view.low(at + 1) in lexicon().auxiliaries)
    if match.cue.frame == "addressee" or match.cue.frame == "asked":
        stop = addressee(view, at)
        return stop > at and (
            stop >= len(view.tokens) or not view.tokens[stop].is_word or view.low(stop) in lexicon().adjuncts
        )
    return low in ("a", "the") and view.low(at + 1) in ("day", "week", "month", "year")


def _with_later_content(
    view: SentenceView, match: CueMatch, phrase: SpeakerPhrase, before: tuple[int, int], tail: int, quoted: bool
) -> tuple[Attribution, int]:
    """Return an attribution whose content starts before its cue and continues after it, and its end."""
    content = [before]
    stop = _skip_apposition(view, tail)
    later = [other for other in view.cue_matches if other.start > match.start]
    limit = next((other.start for other in later if _starts_attribution(view, other)), len(view.tokens))
    edge = tail
    if phrase.start >= match.stop:
        phrase = with_apposition(view, phrase, limit)
        edge = max(edge, phrase.stop)
    later_quoted = [index for index in range(tail, limit) if view.is_quoted(index)]
    if later_quoted and (quoted or view.low(later_quoted[0] - 1) in (",", ":")):
        content += [(index, index + 1) for index in later_quoted]
        edge = later_quoted[-1] + 1
    elif not quoted and view.low(stop) == "," and stop == tail:
        rest = trim(view, stop + 1, limit)
        if rest and view.words(*rest) > 1 and not _is_aside(view, rest[0], phrase):
            content.append(rest)
            edge = rest[1]
    return Attribution(content, (match.start, match.stop), match.cue.cue_class, phrase), edge


def _is_aside(view: SentenceView, at: int, phrase: SpeakerPhrase) -> bool:
    """Whether the words after the cue's comma describe the speaker or the situation instead of being content."""
    low = view.low(at)
    article = low in ("a", "an") and view.low(phrase.head) not in lexicon().pronouns
    return article or low in ("who", "which", "and", "but", "as") or low.endswith("ing")


def _starts_attribution(view: SentenceView, match: CueMatch) -> bool:
    """Whether a later verb starts another attribution: a participle after a comma, or a verb after `and` or `but`."""
    before = view.low(match.start - 1)
    if match.cue.form == "ing":
        return before in (",", "and", "while") or view.is_quoted(match.start - 1)
    return before in ("and", "but", "then", "and then")


def _leading(
    view: SentenceView, match: CueMatch, pending: list[CueMatch], edge: int, subject: SpeakerPhrase | None
) -> tuple[Attribution, int] | None:
    """Return the attribution of a cue before its content, and its end: ``X said (that) ...``, ``, adding that ...``."""
    if match.start < edge:
        return None
    phrase = _subject_of(view, match, subject)
    if phrase is None:
        return None
    limit = _limit(view, match, pending)
    start = content_start(view, match, limit)
    content = trim(view, start, limit)
    if content is None or not can_be_content(view, match, content):
        return None
    cue = (match.start, match.stop)
    return Attribution([content], cue, match.cue.cue_class, phrase), content[1]


def _subject_of(view: SentenceView, match: CueMatch, subject: SpeakerPhrase | None) -> SpeakerPhrase | None:
    """Return the speaker phrase of a leading cue; ``subject`` is the speaker of the attribution before it."""
    participle = match.cue.form == "ing" and view.low(match.start) == view.low(match.verb)
    coordinated = view.low(match.start - 1) in ("and", "but", "then")
    if participle or coordinated:
        return subject or _sentence_subject(view, match.start)
    return phrase_before(view, match.start)


def _sentence_subject(view: SentenceView, before: int) -> SpeakerPhrase | None:
    """Return the first name, pronoun or role with a verb after it, which is the subject of a later participle."""
    lists = lexicon()
    for index in range(before):
        low = view.low(index)
        after = index + 1
        if view.entity[index] >= 0 and view.entity[after : after + 1] == [view.entity[index]]:
            continue
        able = (
            view.entity[index] >= 0
            or low in ("he", "she", "they")
            or is_role(view.tokens[index])
            or low in lists.groups
        )
        if not able or view.low(after) == "'s" or (index and view.low(index - 1) in lists.prepositions):
            continue
        after += view.low(after) == ","
        following = view.low(after)
        verbal = (
            following in lists.auxiliaries
            or following.endswith(("ed", "s"))
            or following in lists.cues
            or following in _VERBS
        )
        if verbal and after < before and view.entity[after] < 0:
            found = phrase_before(view, after)
            if found:
                return found
    return None


_VERBS = frozenset(
    "spoke told gave went took came made left met held sat stood wrote began ran led won lost hit put set cut saw "
    "got drew drove fought found kept let paid read rose sent shook shot shut sold spent struck swore taught "
    "thought threw understood wore fell grew knew laid lay meant".split()
)
"""Frequent irregular past forms of verbs that are not reporting verbs."""


def _limit(view: SentenceView, match: CueMatch, pending: list[CueMatch]) -> int:
    """Return the end of the content after a leading cue: the same speaker's next verb, or the sentence end."""
    for later in pending:
        if later.start <= match.stop:
            continue
        before = later.start - 1
        if _starts_attribution(view, later):
            if later.cue.form == "ing" and view.low(before) != "," and not view.is_quoted(before):
                continue
            apart = view.low(before - 1) == ","
            same = later.cue.form == match.cue.form or (match.cue.form == "ing" and apart)
            if later.cue.form != "ing" and (not same or (later.verb == later.start and later.cue.noun_like)):
                continue
            return later.start if view.is_quoted(before) else before - (view.low(before - 1) == ",")
        phrase = phrase_before(view, later.start)
        if (
            phrase
            and view.low(phrase.start - 1) in ("and", "but", "while", "whereas")
            and view.low(phrase.start - 2) == ","
        ):
            return phrase.start - 2
    return len(view.tokens)
