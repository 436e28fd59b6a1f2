"""Load the word lists of the annotate stage from the files in ``data/``.

A file has ``[section]`` lines, ``#`` comments, and words in lower case separated by white space, with ``_`` for a space
inside a word.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

from transforms.schema.records import CueClass

Frame = Literal["clause", "addressee", "asked", "infinitive", "promise", "phrase", "quoting"]
Form = Literal["base", "third", "past", "ing", "participle"]


@dataclass(frozen=True, slots=True)
class Cue:
    """An inflected form of a verb of speech or thought."""

    frame: Frame
    """The complements that the verb takes; see ``data/cues.txt``."""
    cue_class: CueClass
    form: Form
    noun_like: bool
    """Whether the form is more often a noun, and so a cue only right after a name, a pronoun or a role."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All word lists, in lower case."""

    cues: dict[str, tuple[tuple[tuple[str, ...], Cue], ...]]
    """First word of a cue -> all its words and the form, the longest cue first."""
    blockers: frozenset[str]
    titles: frozenset[str]
    roles: frozenset[str]
    offices: frozenset[str]
    groups: frozenset[str]
    male: frozenset[str]
    female: frozenset[str]
    male_words: frozenset[str]
    female_words: frozenset[str]
    org_heads: frozenset[str]
    org_openers: frozenset[str]
    orgs: frozenset[str]
    not_names: frozenset[str]
    places: frozenset[str]
    place_heads: frozenset[str]
    nationalities: frozenset[str]
    function_words: frozenset[str]
    common_words: frozenset[str]
    months: frozenset[str]
    particles: frozenset[str]
    suffixes: frozenset[str]
    clause_starts: frozenset[str]
    auxiliaries: frozenset[str]
    adverbs: frozenset[str]
    prepositions: frozenset[str]
    determiners: frozenset[str]
    pronouns: frozenset[str]
    elisions: frozenset[str]
    abbreviations: frozenset[str]
    adjuncts: frozenset[str]


@cache
def lexicon() -> Lexicon:
    """Return all word lists; the first call reads them (a few milliseconds)."""
    cues, people, orgs = _sections("cues"), _sections("people"), _sections("organisations")
    places, common = _sections("places"), _sections("common")
    nationalities = set(places["nationalities"])
    nationalities |= {f"{word}s" for word in nationalities if not word.endswith(("sh", "ch", "ese", "s"))}
    return Lexicon(
        cues=_cues(cues),
        blockers=frozenset(cues["blockers"]),
        titles=frozenset(people["titles"]),
        roles=frozenset(people["roles"]),
        offices=frozenset(people["offices"]),
        groups=frozenset(people["groups"]),
        male=frozenset(people["first.m"]),
        female=frozenset(people["first.f"]),
        male_words=frozenset(people["male_titles"]),
        female_words=frozenset(people["female_titles"]),
        org_heads=frozenset(orgs["heads"]),
        org_openers=frozenset(orgs["openers"]),
        orgs=frozenset(orgs["known"]) | frozenset(orgs["seats"]),
        not_names=frozenset(orgs["not_names"]),
        places=frozenset(places["names"]) | frozenset(places["compounds"]),
        place_heads=frozenset(places["heads"]),
        nationalities=frozenset(nationalities),
        function_words=frozenset(common["function"]),
        common_words=frozenset(common["content"]),
        months=frozenset(common["months"]),
        particles=frozenset(common["particles"]),
        suffixes=frozenset(common["suffixes"]),
        clause_starts=frozenset(common["clause_starts"]),
        auxiliaries=frozenset(common["auxiliaries"]),
        adverbs=frozenset(common["adverbs"]),
        prepositions=frozenset(common["prepositions"]),
        determiners=frozenset(common["determiners"]),
        pronouns=frozenset(common["pronouns"]),
        elisions=frozenset(common["elisions"]),
        abbreviations=frozenset(common["abbreviations"]),
        adjuncts=frozenset(common["adjuncts"]),
    )


def _sections(name: str) -> dict[str, list[str]]:
    """Return the words of each section of ``data/<name>.txt``; for ``[irregular]`` whole lines, one per verb."""
    found: dict[str, list[str]] = {}
    section = ""
    table = files("transforms.annotate") / "data" / f"{name}.txt"
    for raw in table.read_text(encoding="utf-8").splitlines():
        line = raw.partition("#")[0].strip()
        if line.startswith("["):
            section = line.strip("[]")
            found[section] = []
        elif line and section == "irregular":
            found[section].append(line)
        elif line:
            found[section].extend(word.replace("_", " ") for word in line.split())
    return found


def _cues(sections: dict[str, list[str]]) -> dict[str, tuple[tuple[tuple[str, ...], Cue], ...]]:
    irregular = {line.split()[0]: line.split()[1:] for line in sections["irregular"]}
    nouns = frozenset(sections["nouns"])
    forms: tuple[Form, ...] = ("third", "past", "ing", "participle", "base")
    by_first: dict[str, dict[tuple[str, ...], Cue]] = {}
    for section, verbs in sections.items():
        frame, _, cue_class = section.partition(".")
        if not cue_class:
            continue
        for verb in verbs:
            first, *rest = verb.split()
            # The base form is last, so that a past form equal to it (hit, put) is kept.
            for form, word in zip(forms, [*(irregular.get(first) or inflect(first)), first], strict=True):
                cue = Cue(frame, cue_class, form, not rest and word in nouns)  # type: ignore[arg-type]
                by_first.setdefault(word, {}).setdefault((word, *rest), cue)
    return {word: tuple(sorted(cues.items(), key=lambda item: -len(item[0]))) for word, cues in by_first.items()}


def inflect(verb: str) -> list[str]:
    """Return the regular third person, past, -ing form and participle of a verb: ``deny`` -> denies, denied, ..."""
    if verb.endswith("ee"):
        return [f"{verb}s", f"{verb}d", f"{verb}ing", f"{verb}d"]
    if verb.endswith("e"):
        return [f"{verb}s", f"{verb}d", f"{verb[:-1]}ing", f"{verb}d"]
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return [f"{verb[:-1]}ies", f"{verb[:-1]}ied", f"{verb}ing", f"{verb[:-1]}ied"]
    third = f"{verb}es" if verb.endswith(("s", "sh", "ch", "x", "z")) else f"{verb}s"
    return [third, f"{verb}ed", f"{verb}ing", f"{verb}ed"]
