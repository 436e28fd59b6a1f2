"""Apply gazetteers to entities: set identifiers, correct names and types, add missed mentions.

Gazetteers are applied before quotes are attributed, so that speakers get the corrected names.
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
"""Value of ``model_version`` for an entity that only the user's gazetteer found."""

# `Smith-Jones`, `O'Brien` and `x@jones` do not mention Jones or Brien; `Jones-led` and `Jones's` do.
_JOINED_BEFORE = re.compile(r"(?<=[^\W_][-‐‑'’&/_])|(?<=[@#/_\\])")
_JOINED_AFTER = re.compile(r"[-‐‑](?![a-z])[^\W\d_]|\.(?:[a-z]|\d)|[@&/_\\][^\W_]|['’][^\W_]{3}")


class AliasMatch(NamedTuple):
    """An occurrence of an alias of the user's gazetteers in a text. Offsets are code points, end exclusive."""

    start: int
    end: int
    entry: GazetteerEntry


@dataclass(slots=True)
class _Group:
    """Mentions of one entity."""

    type: EntityType
    kb_id: str | None = None
    name: str | None = None
    entities: list[Entity] = field(default_factory=list)
    spans: set[Span] = field(default_factory=set)


class Gazetteer:
    """Countries and big cities, and the aliases in the user's files.

    Args:
        entries: the entries of the files.
    """

    def __init__(self, entries: GazetteerEntries) -> None:
        self._entries = entries

    @classmethod
    def load(cls, paths: Sequence[str]) -> "Gazetteer":
        """Read the user's files.

        Args:
            paths: CSV or Parquet files; see `transforms.annotate.entities.gazetteer_files.read_gazetteers`.

        Raises:
            GazetteerError: a file cannot be read or is not valid; the message has the file, the row and the rule.
        """
        return cls(read_gazetteers(paths))

    def apply(self, text: str, entities: Sequence[Entity], *, version_id: str = "") -> list[Entity]:
        """Set identifiers, and apply the user's entries.

        Every occurrence of an alias, in the same letter case, gets the type, name and identifier of its
        entry, even if no mention was found there; an entry without a type removes the mention. The longest alias
        applies, and an alias inside a longer mention is ignored. The other mentions of an entity follow the entry of
        its name. An entity without an entry is looked up among countries and big cities. Entities with the same
        identifier and type are merged.

        Args:
            text: the text of the mentions.
            entities: its entities.
            version_id: the version of the article, from which the ids of the entities derive.

        Returns:
            Entities in order of first mention, each mention once, with new salience.
        """
        groups: dict[tuple[str, ...], _Group] = {}
        found, displaced = self._entry_spans(text, entities)
        for entity in entities:
            self._group_mentions(entity, found, displaced, groups)
        for (start, end), entry in found.items():
            if entry.type:
                _group(groups, entry, entry.type).spans.add((start, end))
        merged = [_entity(text, group, version_id) for group in groups.values() if group.spans]
        return _with_salience(text, _distinct(merged, version_id))

    def _entry_spans(self, text: str, entities: Sequence[Entity]) -> tuple[dict[Span, GazetteerEntry], set[Span]]:
        """Return the occurrences of aliases that apply, and the mentions that they displace."""
        mentions = sorted({(mention.start, mention.end) for entity in entities for mention in entity.mentions})
        starts = [start for start, _ in mentions]
        found: dict[Span, GazetteerEntry] = {}
        displaced: set[Span] = set()
        for start, end, entry in self.find(text, set(mentions)):
            first = max(0, bisect_right(starts, start) - 1)
            touching = [span for span in mentions[first : bisect_right(starts, end - 1)] if span[1] > start]
            if any(span[0] <= start and end <= span[1] and span != (start, end) for span in touching):
                continue
            found[start, end] = entry
            displaced.update(touching)
        return found, displaced

    def find(self, text: str, known: Collection[Span] = ()) -> Iterator[AliasMatch]:
        """Yield the user's aliases in a text, from left to right, the longest at each position, without overlap.

        Case is significant, except that an alias of several words also matches in upper case. An alias that a hyphen,
        an apostrophe or a similar mark joins to another word matches only if it is a known mention. Time is linear in
        the length of the text.

        Args:
            text: the text.
            known: the spans of known mentions.
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
                    yield AliasMatch(start, end, entry)
                    step = size
                    break
            at += step

    def _group_mentions(
        self,
        entity: Entity,
        found: dict[Span, GazetteerEntry],
        displaced: set[Span],
        groups: dict[tuple[str, ...], _Group],
    ) -> None:
        """Add the mentions of an entity to their group; mentions with another entry stay in ``found``."""
        entry = self._entry(entity)
        if entry is None:
            kb_id = places().find(entity.name, entity.type)
            group_key = (entity.type, kb_id) if kb_id else ("", entity.entity_id)
            group = groups.setdefault(group_key, _Group(entity.type, kb_id))
        elif entry.type:
            group = _group(groups, entry, entry.type)
        else:
            return
        spans = {(mention.start, mention.end) for mention in entity.mentions}
        kept = spans - displaced
        for mention in entity.mentions:
            other = found.get((mention.start, mention.end))
            if other and _agrees(mention.text, other, entry, entity):
                kept.add((mention.start, mention.end))
        for span in kept & found.keys():
            del found[span]
        if kept:
            group.spans |= kept
            group.entities.append(entity)

    def _entry(self, entity: Entity) -> GazetteerEntry | None:
        """Return the entry of an entity's name, else of a shorter form that can only denote the same entity."""
        if not self._entries.by_alias:
            return None
        by_name = self._entries.find(key(entity.name))
        if by_name:
            return by_name
        forms = {*entity.aliases, *(mention.text for mention in entity.mentions)}
        for form in sorted(forms, key=lambda form: (-len(form), form)):
            entry = self._entries.find(key(form))
            if not entry or entry.type != entity.type or not _fits(form, entry, entity.name):
                continue
            # An entry that only sets the type of a surname must not make the surname the name of the entity.
            if entry.kb_id or _words(entry.name or "") >= _words(entity.name):
                return entry
        return None


def _is_joined(text: str, start: int, end: int) -> bool:
    return bool(_JOINED_BEFORE.match(text, start) or _JOINED_AFTER.match(text, end))


def _agrees(form: str, found: GazetteerEntry, entry: GazetteerEntry | None, entity: Entity) -> bool:
    """Whether the entry of a mention agrees with the entry of its entity."""
    if found == entry:
        return True
    entity_type, kb_id = (entry.type, entry.kb_id) if entry else (entity.type, None)
    return found.type == entity_type and found.kb_id in (None, kb_id) and _fits(form, found, entity.name)


def _fits(form: str, entry: GazetteerEntry, name: str) -> bool:
    """Whether one of two forms can be short for the other: it is an acronym, or the other contains all its words."""
    if form.isupper() and " " not in form.strip():
        return True
    ours, theirs = _words(entry.name or form), _words(name)
    return ours <= theirs or theirs <= ours


def _words(name: str) -> set[str]:
    return set(key(name).casefold().split(" "))


def _group(groups: dict[tuple[str, ...], _Group], entry: GazetteerEntry, entity_type: EntityType) -> _Group:
    group_key = (entity_type, entry.kb_id) if entry.kb_id else (entity_type, "", entry.name or "")
    group = groups.setdefault(group_key, _Group(entity_type, entry.kb_id))
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
    """Sort entities and merge those with one type and name, unless they have two identifiers in a gazetteer."""
    kept: dict[str, Entity] = {}
    for entity in sorted(entities, key=lambda entity: entity.first_start):
        other = kept.get(entity.entity_id)
        if other and other.kb_id and entity.kb_id and other.kb_id != entity.kb_id:
            entity = replace(entity, entity_id=stable_id(version_id, entity.type, entity.name, entity.kb_id))
            other = kept.get(entity.entity_id)
        kept[entity.entity_id] = _merged(other, entity) if other else entity
    return list(kept.values())


def _merged(one: Entity, other: Entity) -> Entity:
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
    """Return the gazetteer of some files; each process reads them once."""
    return Gazetteer.load(paths)
