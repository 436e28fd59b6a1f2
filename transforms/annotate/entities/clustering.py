"""Cluster the mentions of names in a document into entities."""

import re
from collections import Counter
from dataclasses import dataclass, field

from transforms.annotate.entities.boundaries import LEGAL_FORMS
from transforms.annotate.entities.model_mentions import tagged_names
from transforms.annotate.entities.name_mention import NameMention
from transforms.annotate.entities.roles import role_of
from transforms.annotate.entities.rule_mentions import find_names
from transforms.annotate.entities.titles import Gender
from transforms.annotate.model.tagger import Tagged
from transforms.annotate.nlp.lexicon import lexicon
from transforms.annotate.nlp.parsed_text import ParsedText, parse_text
from transforms.schema.records import Entity, EntityType, Mention, stable_id

RULES_VERSION = "rules-3"
"""Value of `model_version` in the rows of entities and quotes that the rules found."""
MAX_NAMESAKES = 50
"""Maximum number of persons with the same surname that are distinguished, so that time stays linear."""


@dataclass(slots=True)
class Cluster:
    """The mentions of one entity."""

    names: list[NameMention] = field(default_factory=list)

    @property
    def fullest(self) -> NameMention:
        """The mention with the most words; in a tie, the one with the fewest initials, then the first one."""
        return max(
            self.names, key=lambda name: (len(name.words), sum(len(w.strip(".")) > 1 for w in name.words), -name.start)
        )

    @property
    def type(self) -> EntityType:
        """The most frequent type among the mentions with the highest certainty."""
        most = max(name.certainty for name in self.names)
        sure = [name for name in self.names if name.certainty == most]
        return Counter(name.type for name in sure).most_common(1)[0][0]


def find_entities(
    text: str, *, version_id: str = "", parsed: ParsedText | None = None, tagged: Tagged | None = None
) -> list[Entity]:
    """Find the entities of a text by the model or by rules, and cluster their mentions over the document.

    Args:
        text: the text of an article, in English.
        version_id: the version of the article, from which the ids of the entities derive.
        parsed: the parsed text, if the caller has it already.
        tagged: the output of the model; None to use the rules.

    Returns:
        Entities in order of first mention. Mentions leave out titles, ``the`` and the possessive;
        ``text[start:end]`` is the mention.
    """
    parsed = parsed or parse_text(text)
    clusters = cluster_names(find_names(parsed) if tagged is None else tagged_names(parsed, tagged))
    most = max((len(cluster.names) for cluster in clusters), default=1)
    version = RULES_VERSION if tagged is None else tagged.version
    return [_entity(parsed, cluster, version_id, most, version) for cluster in clusters]


def _entity(parsed: ParsedText, cluster: Cluster, version_id: str, most: int, model_version: str) -> Entity:
    text = parsed.text
    fullest = cluster.fullest
    name = " ".join(fullest.words)
    mentions = tuple(Mention(name.start, name.end, text[name.start : name.end]) for name in cluster.names)
    first = mentions[0].start
    forms = dict.fromkeys(" ".join(mention.words) for mention in cluster.names)
    return Entity(
        entity_id=stable_id(version_id, cluster.type, name),
        name=name,
        type=cluster.type,
        aliases=tuple(form for form in forms if form != name),
        mentions=mentions,
        mention_count=len(mentions),
        first_start=first,
        salience=salience(len(mentions), most, first, len(text)),
        role=next((role for mention in cluster.names if (role := role_of(parsed, mention))), None)
        if cluster.type == "PERSON"
        else None,
        model_version=model_version,
    )


def salience(mentions: int, most: int, first_start: int, length: int) -> float:
    """Return the salience of an entity, 0 to 1: 0.6 for the number of mentions, 0.4 for an early first mention.

    Args:
        mentions: number of mentions of the entity.
        most: number of mentions of the most mentioned entity in the text.
        first_start: offset of the first mention, in code points.
        length: length of the text, in code points.
    """
    return round(0.6 * mentions / max(1, most) + 0.4 * (1 - first_start / max(1, length)), 3)


def cluster_names(names: list[NameMention]) -> list[Cluster]:
    """Cluster the mentions of each entity.

    Equal names form one cluster. A surname or first name alone joins the person with that full name; if there are
    several, the title and then the last mention decide. An acronym joins its expansion, and a short form joins the
    organisation that begins with it.

    Args:
        names: mentions in order.

    Returns:
        Clusters in order of first mention, each with its mentions in order.
    """
    clusters: dict[tuple[str, ...], Cluster] = {}
    full = _full_names(names)
    shorts = _full_names_by_part(full)
    for name in names:
        ambiguous = name.is_plural and len(shorts.get(_key(name), ())) > 1
        key = full.get(_key(name)) or (not ambiguous and _full_name_of(name, shorts, clusters)) or _place_key(name)
        clusters.setdefault(key, Cluster()).names.append(name)
    _join_organisations(clusters)
    kept = [cluster for cluster in clusters.values() if _is_sure(cluster)]
    for cluster in kept:
        cluster.names.sort(key=lambda name: name.start)
    return sorted(kept, key=lambda cluster: cluster.names[0].start)


def _is_sure(cluster: Cluster) -> bool:
    """Whether the type of a mention is more than a guess, or several mentions were guessed."""
    certainties = [name.certainty for name in cluster.names]
    return max(certainties, default=0) > 0 or certainties.count(0) > 1


def _key(name: NameMention) -> tuple[str, ...]:
    return tuple(word.casefold().replace("’", "'").strip(".") for word in name.words)


def _place_key(name: NameMention) -> tuple[str, ...]:
    """Return the key of a name: its words, regardless of its type; a place with a certain type has a separate key."""
    key = tuple(word.replace(".", "") for word in _key(name))
    return ("", *key) if name.type == "LOC" and name.certainty == 2 else key


def _full_names(names: list[NameMention]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Map each full name to the key of the person's fullest form, with or without middle names."""
    # Names of equal length keep the order of the text, since the order of a set differs between processes.
    persons = dict.fromkeys(_key(name) for name in names if name.type == "PERSON" and len(name.words) > 1)
    keys = sorted(persons, key=len, reverse=True)
    fullest: dict[tuple[str, str], tuple[str, ...]] = {}
    full: dict[tuple[str, ...], tuple[str, ...]] = {}
    for key in keys:
        if key[0] in lexicon().particles:
            continue
        bare = _without_suffix(key)
        longest = fullest.setdefault((bare[0], bare[-1]), key)
        full[key] = longest if set(key) <= set(longest) or len(key) == 2 else key
    by_surname: dict[str, set[tuple[str, ...]]] = {}
    for longest in full.values():
        namesakes = by_surname.setdefault(longest[-1], set())
        if len(longest[0]) > 1 and len(namesakes) < MAX_NAMESAKES:
            namesakes.add(longest)
    for key in full:
        if len(key[0]) == 1:
            matches = [other for other in by_surname[key[-1]] if _matches_initials(other, key)]
            full[key] = matches[0] if len(matches) == 1 else full[key]
    return full


def _without_suffix(key: tuple[str, ...]) -> tuple[str, ...]:
    """Return the key of a person without Jr., Sr. and similar suffixes."""
    return tuple(word for word in key if word not in lexicon().suffixes)


def _matches_initials(full: tuple[str, ...], short: tuple[str, ...]) -> bool:
    """Whether a full name matches the initials of another with the same surname: Jude Raymond Okafor, J. R. Okafor."""
    given, initials = full[:-1], short[:-1]
    return len(initials) <= len(given) and all(a.startswith(b) for a, b in zip(given, initials, strict=False))


def _full_names_by_part(full: dict[tuple[str, ...], tuple[str, ...]]) -> dict[tuple[str, ...], list[tuple[str, ...]]]:
    """Return the full names for each part of a name: first name, surname, surname with particles."""
    parts: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for key in dict.fromkeys(full.values()):
        bare = _without_suffix(key)
        # Of two surnames, news uses the first one alone: María Quiroga Salas is Quiroga.
        for part in (
            {bare[cut:] for cut in range(1, len(bare))} | {bare[:1]} | ({bare[-2:-1]} if len(bare) > 2 else set())
        ):
            namesakes = parts.setdefault(part, [])
            if len(namesakes) < MAX_NAMESAKES:
                namesakes.append(key)
    return parts


def _full_name_of(
    name: NameMention, shorts: dict[tuple[str, ...], list[tuple[str, ...]]], seen: dict[tuple[str, ...], Cluster]
) -> tuple[str, ...] | None:
    """Return the key of the full name that a shorter mention refers to, if any."""
    if name.type in ("LOC", "NORP", "ORG") and name.certainty == 2:
        return None
    short = _key(name)
    # A word from the middle of a full name refers only to an earlier mention: Quiroga after María Quiroga Salas.
    candidates = [
        key
        for key in shorts.get(short, [])
        if short[-1] == _without_suffix(key)[-1] or short[0] == key[0] or key in seen
    ]
    surnames = [key for key in candidates if key[0] != short[0]]
    candidates = surnames or candidates
    if name.gender and len(candidates) > 1:
        fitting = [key for key in candidates if _gender_of(key) in (name.gender, None)]
        candidates = fitting or candidates
    if len(candidates) > 1:
        named = [key for key in candidates if key in seen and any(len(other.words) > 1 for other in seen[key].names)]
        candidates = sorted(named, key=lambda key: seen[key].names[-1].start)[-1:] or candidates[:1]
    return candidates[0] if candidates else None


def _gender_of(key: tuple[str, ...]) -> Gender | None:
    male, female = key[0] in lexicon().male, key[0] in lexicon().female
    return None if male == female else "m" if male else "f"


def _join_organisations(clusters: dict[tuple[str, ...], Cluster]) -> None:
    """Move the acronyms and short forms of an organisation into its cluster."""
    full = [key for key, cluster in clusters.items() if len(key) > 1 and cluster.type == "ORG"]
    targets: dict[tuple[str, ...], tuple[str, ...]] = {}
    lasts = Counter(key[-1] for key in full)
    for key in full:
        letters = "".join(word[0] for word in key if word not in ("of", "the", "and", "for", "&"))
        targets.setdefault((letters,), key)
        bare = tuple(word for word in key if word not in LEGAL_FORMS)
        if bare != key:
            targets.setdefault(bare, key)
        if key[-1] in lexicon().org_heads and key[0] not in lexicon().org_heads:
            targets.setdefault(key[:1], key)
        if lasts[key[-1]] == 1 and key[-1] not in lexicon().org_heads:
            targets.setdefault(key[-1:], key)
    for key, cluster in clusters.items():
        short = key if len(key) > 1 else (re.sub(r"[.'’]", "", key[0]),)
        into = targets.get(short) if len(short[0]) > 1 else None
        unsure = cluster.type == "ORG" or not any(name.certainty == 2 for name in cluster.names)
        if into is not None and into != key and unsure and clusters[into].type == "ORG":
            clusters[into].names.extend(cluster.names)
            cluster.names = []
