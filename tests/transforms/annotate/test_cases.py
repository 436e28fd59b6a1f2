"""All cases of tests/cases: short texts with expected annotations, from public bug reports of other tools and our own.

Our own cases may also contain the ``role`` of an entity, the ``norp`` of a text, and the ``cue_class`` and the names of
mentioned entities (``mentioned``) of a quote.
"""

import re
from typing import Any

import pytest

from tests.support.records import load_cases
from transforms.annotate import annotate
from transforms.schema.records import Entity, Quote, Span

WORD = re.compile(r"\w+")
TITLES = {"mr", "mrs", "ms", "dr", "sir", "president", "minister", "professor", "the", "captain", "councillor", "s"}

FAILING = {
    "quote-008",  # speaker: a person known only by a nickname in quotation marks at the end of the sentence
    "entity-015",  # type: an invented place without any hint in the text
    "entity-028",  # type: a band is tagged as a work or event
    "own-entity-009",  # type: an invented firm with a name like a place
    "own-entity-024",  # a family name that is also a common word (park), after a preposition
    "own-entity-033",  # a place that is found in "Lima-Quito" but not alone
    "own-quote-039",  # an announcement before a colon in a headline
    "own-entity-039",  # type: a first name before a noun for organisations (Rose Banks)
}
"""Cases that still fail; one that passes must be removed from this set."""


def _cases(*names: str) -> list[Any]:
    wrong = pytest.mark.xfail(reason="in FAILING", raises=AssertionError, strict=True)
    cases = [case for name in names for case in load_cases(name)]
    return [pytest.param(case, id=case["id"], marks=[wrong] if case["id"] in FAILING else []) for case in cases]


def _words(text: str, spans: list[Span] | tuple[Span, ...]) -> frozenset[int]:
    """Return the offsets of the words inside spans, without punctuation."""
    found = WORD.finditer(text)
    return frozenset(m.start() for m in found if any(a <= m.start() and m.end() <= b for a, b in spans))


def _places(text: str, part: str) -> list[frozenset[int]]:
    return [_words(text, [m.span()]) for m in re.finditer(re.escape(part), text)]


def _name(name: str | None) -> list[str]:
    return [word for word in WORD.findall((name or "").casefold()) if word not in TITLES]


def _same_name(quote: Quote, expected: dict[str, Any]) -> bool:
    given, wanted = _name(quote.speaker_name), _name(expected["speaker_name"])
    if not wanted:
        return not given or bool(set(given) & set(_name(expected.get("speaker_surface"))))
    return given == wanted or bool(given and given[-1] == wanted[-1] and set(given) <= set(wanted))


def _found(text: str, expected: dict[str, Any], whole: frozenset[int], quotes: list[Quote]) -> list[Quote]:
    """Return the quotes with the expected content: equal words, or similar ones for a mixed or indirect quote."""
    want = _words(text, [(a, b) for a, b in expected["spans"]])
    covered = [(quote, _words(text, quote.spans)) for quote in quotes]
    if expected["kind"] == "mixed" and expected.get("verbatim"):
        core = frozenset().union(*(place for part in expected["verbatim"] for place in _places(text, part)))
        return [quote for quote, words in covered if core <= words]
    if expected["kind"] == "indirect":
        return [quote for quote, words in covered if len(words & want) >= 0.6 * len(words | want)]
    return [quote for quote, words in covered if words in (want, whole)]


@pytest.mark.parametrize("case", _cases("quotes", "own_quotes"))
def test_quotes(case: dict[str, Any]) -> None:
    text, expected = case["input"]["text"], case["expected"]
    annotation = annotate(text, language="en")
    quotes = list(annotation.quotes)
    names = {entity.entity_id: entity.name for entity in annotation.entities}
    groups: dict[str, frozenset[int]] = {}
    for wanted in expected["quotes"]:
        if wanted.get("group"):
            words = _words(text, [(a, b) for a, b in wanted["spans"]])
            groups[wanted["group"]] = groups.get(wanted["group"], frozenset()) | words
    for wanted in expected["quotes"]:
        hits = _found(text, wanted, groups.get(wanted.get("group"), frozenset()), quotes)
        assert hits or wanted.get("optional"), f"missed: {wanted['text']}"
        assert not hits or any(_same_name(quote, wanted) for quote in hits), f"{hits[0].speaker_name}: {wanted['text']}"
        if hits and "cue_class" in wanted:
            assert wanted["cue_class"] in [quote.cue_class for quote in hits]
        if "mentioned" in wanted:
            assert wanted["mentioned"] in [[names[i] for i in quote.mentioned_entity_ids] for quote in hits]
    for part in expected["not_quotes"]:
        assert not any(_words(text, quote.spans) in _places(text, part) for quote in quotes), f"not a quote: {part}"


@pytest.mark.parametrize("case", _cases("entities", "own_entities"))
def test_entities(case: dict[str, Any]) -> None:
    text, expected = case["input"]["text"], case["expected"]
    found = annotate(text, language="en").entities
    entities = [e for e in found if e.type in ("PERSON", "ORG", "LOC")]

    def mentions(entity: Entity) -> set[frozenset[int]]:
        return {_words(text, [(mention.start, mention.end)]) for mention in entity.mentions}

    for wanted in expected["entities"]:
        places = {_words(text, [(m["start"], m["end"])]) for m in wanted["mentions"]}
        hits = [e for e in entities if e.type == wanted["type"] and mentions(e) == places]
        assert [_name(e.name) for e in hits] == [_name(wanted["name"])], wanted["name"]
        assert wanted.get("role", "").casefold() in (hits[0].role or "").casefold(), f"role of {wanted['name']}"
    for part in expected["not_entities"]:
        assert not any(place in mentions(e) for e in entities for place in _places(text, part)), (
            f"not an entity: {part}"
        )
    norp = {mention.text for e in found if e.type == "NORP" for mention in e.mentions}
    assert set(expected.get("norp", [])) <= norp


def test_offsets_of_own_cases() -> None:
    for case in load_cases("own_quotes"):
        for quote in case["expected"]["quotes"]:
            pieces = quote["text"] if isinstance(quote["text"], list) else [quote["text"]]
            assert [case["input"]["text"][a:b] for a, b in quote["spans"]] == pieces, case["id"]
    for case in load_cases("own_entities"):
        for mention in [m for entity in case["expected"]["entities"] for m in entity["mentions"]]:
            assert case["input"]["text"][mention["start"] : mention["end"]] == mention["text"], case["id"]


def test_failing_cases_exist() -> None:
    names = ("quotes", "own_quotes", "entities", "own_entities")
    assert {case["id"] for name in names for case in load_cases(name)} >= FAILING
