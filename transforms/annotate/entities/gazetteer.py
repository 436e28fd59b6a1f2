"""Which known thing an entity is: its identifier, and what the user's own lists say of its name and type.

Quotes name their speakers by entity, so a gazetteer is applied between the two: a corrected entity is a corrected
speaker.
"""

import re
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import NamedTuple

from transforms.annotate.entities.clustering import salience
from transforms.annotate.entities.gazetteer_files import (
    TOKEN,
    GazetteerEntries,
    GazetteerEntry,
    key,
    read_gazetteers,
    token,
)
from transforms.annotate.entities.places import places
from transforms.schema.records import Entity, EntityType, Mention, Span, stable_id

GAZETTEER_VERSION = "gazetteer"
"""``model_version`` of an entity that a user's list alone found."""

# `Smith-Jones`, `O'Brien` and `x@jones` hold no mention of Jones or Brien; `Jones-led` and `Jones's` do.
_JOINED_BEFORE = re.compile(r"(?<=[^\W_][-‐‑'’&/_])|(?<=[@#/_\\])")
_JOINED_AFTER = re.compile(r"[-‐‑](?![a-z])[^\W\d_]|\.(?:[a-z]|\d)|[@&/_\\][^\W_]|['’][^\W_]{3}")


class Found(NamedTuple):
    """An alias of the user's, where it stands in a text."""

    start: int
    end: int
    entry: GazetteerEntry


@dataclass(slots=True)
class _Group:
    """Mentions that mean one thing."""

    type: EntityType
    kb_id: str | None = None
    name: str | None = None
    entities: list[Entity] = field(default_factory=list)
    spans: set[Span] = field(default_factory=set)


class Gazetteer:
    """Countries and big cities, and the aliases of the user's files."""

    def __init__(self, entries: GazetteerEntries) -> None:
        self._entries = entries

    @classmethod
    def load(cls, paths: Sequence[str]) -> "Gazetteer":
        """Read the user's files; see `transforms.annotate.entities.gazetteer_files.read_listed` for their form.

        Raises:
            GazetteerError: a file cannot be read or breaks a rule; the message names file, row and what is allowed.
        """
        return cls(read_gazetteers(paths))

    def apply(self, text: str, entities: Sequence[Entity], *, version_id: str = "") -> list[Entity]:
        """Give entities their identifiers, and make true what the user's lists say.

        Every place where an alias of the user's stands, capitals and all, means what the list says (type, name,
        identifier, or no entity), also where no mention was found; the longest alias counts, and one inside a longer
        mention does not. The other mentions of an entity follow what the list says of its name. An entity of no list is
        looked up among countries and big cities by its name. What then has one identifier and one type is one entity.

        Args:
            text: the text that the offsets of all mentions point into.
            entities: what was found in it.
            version_id: what the ids of entities hang on.

        Returns:
            Entities in order of first mention, each mention once. Salience is reckoned anew.
        """
        groups: dict[tuple[str, ...], _Group] = {}
        found, lost = self._entry_spans(text, entities)
        for entity in entities:
            self._sort(entity, found, lost, groups)
        for (start, end), entry in found.items():
            if entry.type:
                _group(groups, entry, entry.type).spans.add((start, end))
        ready = [_entity(text, group, version_id) for group in groups.values() if group.spans]
        return _with_salience(text, _distinct(ready, version_id))

    def _entry_spans(self, text: str, entities: Sequence[Entity]) -> tuple[dict[Span, GazetteerEntry], set[Span]]:
        """Where aliases stand that count, and the mentions that these displace."""
        mentions = sorted({(mention.start, mention.end) for entity in entities for mention in entity.mentions})
        starts = [start for start, _ in mentions]
        found: dict[Span, GazetteerEntry] = {}
        lost: set[Span] = set()
        for start, end, entry in self.find(text, set(mentions)):
            first = max(0, bisect_right(starts, start) - 1)
            touching = [span for span in mentions[first : bisect_right(starts, end - 1)] if span[1] > start]
            if any(span[0] <= start and end <= span[1] and span != (start, end) for span in touching):
                continue
            found[start, end] = entry
            lost.update(touching)
        return found, lost

    def find(self, text: str, known: Collection[Span] = ()) -> Iterator[Found]:
        """The user's aliases in a text: from left to right, the longest at each place, none overlapping.

        Case counts, but for an alias of several words that stands all in capitals. Where a hyphen, an apostrophe or the
        like joins an alias to another word, it counts only as a mention already known. Time is linear in the text.
        """
        if not self._entries.by_alias:
            return
        longest = self._entries.longest
        tokens = [(token(match.group()), *match.span()) for match in TOKEN.finditer(text)]
        at = 0
        while at < len(tokens):
            step = 1
            for size in range(min(longest.get(tokens[at][0], 0), len(tokens) - at), 0, -1):
                entry = self._entries.find(" ".join(word for word, _, _ in tokens[at : at + size]))
                start, end = tokens[at][1], tokens[at + size - 1][2]
                if entry and ((start, end) in known or not _is_joined(text, start, end)):
                    yield Found(start, end, entry)
                    step = size
                    break
            at += step

    def _sort(
        self,
        entity: Entity,
        found: dict[Span, GazetteerEntry],
        lost: set[Span],
        groups: dict[tuple[str, ...], _Group],
    ) -> None:
        """Puts an entity's mentions into groups; those that mean another thing are left in ``found``."""
        entry = self._entry(entity)
        if entry is None:
            kb_id = places().find(entity.name, entity.type)
            where = (entity.type, kb_id) if kb_id else ("", entity.entity_id)
            own = groups.setdefault(where, _Group(entity.type, kb_id))
        elif entry.type:
            own = _group(groups, entry, entry.type)
        else:
            return
        spans = {(mention.start, mention.end) for mention in entity.mentions}
        kept = spans - lost
        for mention in entity.mentions:
            other = found.get((mention.start, mention.end))
            if other and _agrees(mention.text, other, entry, entity):
                kept.add((mention.start, mention.end))
        for span in kept & found.keys():
            del found[span]
        if kept:
            own.spans |= kept
            own.entities.append(entity)

    def _entry(self, entity: Entity) -> GazetteerEntry | None:
        """What the lists say of an entity: of its name, else of a shorter form that can only be the same thing."""
        if not self._entries.by_alias:
            return None
        named = self._entries.find(key(entity.name))
        if named:
            return named
        forms = {*entity.aliases, *(mention.text for mention in entity.mentions)}
        for form in sorted(forms, key=lambda form: (-len(form), form)):
            entry = self._entries.find(key(form))
            if not entry or entry.type != entity.type or not _fits(form, entry, entity.name):
                continue
            # A row that says no more than a surname's type must not make the surname the name.
            if entry.kb_id or _words(entry.name or "") >= _words(entity.name):
                return entry
        return None


def _is_joined(text: str, start: int, end: int) -> bool:
    return bool(_JOINED_BEFORE.match(text, start) or _JOINED_AFTER.match(text, end))


def _agrees(form: str, found: GazetteerEntry, entry: GazetteerEntry | None, entity: Entity) -> bool:
    """Whether the lists say nothing else of a mention than of its entity."""
    if found == entry:
        return True
    kind, kb_id = (entry.type, entry.kb_id) if entry else (entity.type, None)
    return found.type == kind and found.kb_id in (None, kb_id) and _fits(form, found, entity.name)


def _fits(form: str, entry: GazetteerEntry, name: str) -> bool:
    """Whether a form with this meaning can be short for a name, or the other way about: an acronym, or equal words."""
    if form.isupper() and " " not in form.strip():
        return True
    ours, theirs = _words(entry.name or form), _words(name)
    return ours <= theirs or theirs <= ours


def _words(name: str) -> set[str]:
    return set(key(name).casefold().split(" "))


def _group(groups: dict[tuple[str, ...], _Group], entry: GazetteerEntry, kind: EntityType) -> _Group:
    where = (kind, entry.kb_id) if entry.kb_id else (kind, "", entry.name or "")
    group = groups.setdefault(where, _Group(kind, entry.kb_id))
    group.name = group.name or entry.name
    return group


def _entity(text: str, group: _Group, version_id: str) -> Entity:
    whole = [e for e in group.entities if all((mention.start, mention.end) in group.spans for mention in e.mentions)]
    covered = {(mention.start, mention.end) for entity in whole for mention in entity.mentions}
    mentions = tuple(Mention(start, end, text[start:end]) for start, end in sorted(group.spans))
    names = [entity.name for entity in whole]
    names += [" ".join(mention.text.split()) for mention in mentions if (mention.start, mention.end) not in covered]
    name = group.name or max(names, key=lambda name: (len(name.split()), len(name)))
    forms = dict.fromkeys([*names, *(alias for entity in whole for alias in entity.aliases)])
    return Entity(
        entity_id=stable_id(version_id, group.type, name),
        name=name,
        type=group.type,
        aliases=tuple(form for form in forms if form != name),
        mentions=mentions,
        mention_count=len(mentions),
        first_start=mentions[0].start,
        role=next((entity.role for entity in group.entities if entity.role), None) if group.type == "PERSON" else None,
        kb_id=group.kb_id,
        model_version=group.entities[0].model_version if group.entities else GAZETTEER_VERSION,
    )


def _distinct(entities: list[Entity], version_id: str) -> list[Entity]:
    """In order, each id once: equal type and name are one entity, unless the lists give them two identifiers."""
    kept: dict[str, Entity] = {}
    for entity in sorted(entities, key=lambda entity: entity.first_start):
        other = kept.get(entity.entity_id)
        if other and other.kb_id and entity.kb_id and other.kb_id != entity.kb_id:
            entity = replace(entity, entity_id=stable_id(version_id, entity.type, entity.name, entity.kb_id))
            other = kept.get(entity.entity_id)
        kept[entity.entity_id] = _joined(other, entity) if other else entity
    return list(kept.values())


def _joined(one: Entity, other: Entity) -> Entity:
    mentions = tuple(sorted({*one.mentions, *other.mentions}, key=lambda mention: (mention.start, mention.end)))
    return replace(
        one,
        aliases=tuple(dict.fromkeys((*one.aliases, *other.aliases))),
        mentions=mentions,
        mention_count=len(mentions),
        role=one.role or other.role,
        kb_id=one.kb_id or other.kb_id,
    )


def _with_salience(text: str, entities: list[Entity]) -> list[Entity]:
    most = max((entity.mention_count for entity in entities), default=1)
    return [
        replace(entity, salience=salience(entity.mention_count, most, entity.first_start, len(text)))
        for entity in entities
    ]


@cache
def gazetteer(paths: tuple[str, ...]) -> Gazetteer:
    """The gazetteer of some files, read once a process."""
    return Gazetteer.load(paths)
