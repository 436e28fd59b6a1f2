"""Find the main text of a normalised page."""

import html
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

import trafilatura
from lxml.etree import _Element
from lxml.html import HtmlElement

from transforms.extract.body.trafilatura_cache import cached_expressions
from transforms.extract.html.normalize import parse_html, prepare
from transforms.schema.failures import Rejected
from transforms.text.near_duplicates import UNSPACED

# trafilatura logs each page without text, which the caller already reports.
logging.getLogger("trafilatura").setLevel(logging.CRITICAL)

Kind = Literal["paragraph", "heading", "item", "line"]
Path = Literal["precision", "default", "json-ld", "script", "none"]

_BLOCKS = frozenset({"p", "head", "item", "quote", "list", "table", "row", "div", "ab", "fw", "body", "code", "figure"})
_BESIDE = frozenset({"nav", "aside", "footer", "header", "figcaption", "form", "button", "noscript", "li"})
_SHORT_OF_PAGE = 0.5
_SHORT_OF_BODY = 0.75
_MIN_PARAGRAPH = 60
_MIN_SCRIPT_TEXT = 40
_MIN_SCRIPT, _MAX_SCRIPT, _MAX_SCRIPT_HEAD = 200, 3_000_000, 400
_SCRIPT_VALUE = re.compile(r"(?:^\s*|=\s*|\.push\(\s*)([\[{])")
_LITTLE_TEXT = 400
_TEMPLATE = re.compile(r"\s*<[a-zA-Z]")
_MARKUP = re.compile(r"<[a-zA-Z/][^<>]{0,500}>")
_WORD = re.compile(r"\w+")
_UNSPACED = re.compile(f"[{UNSPACED}]")


class Block(NamedTuple):
    """A line of the article."""

    text: str
    kind: Kind
    """``line``: a further line of the same paragraph, after a line break."""


@dataclass(frozen=True, slots=True)
class MainText:
    """Lines of an article, and the method that found them."""

    blocks: tuple[Block, ...]
    path: Path


def main_text(tree: HtmlElement, article_body: str = "", scripts: tuple[str, ...] = ()) -> MainText:
    """Find the text of the article.

    It uses trafilatura in precision mode; default mode, if precision mode misses much of the paragraphs or of the
    JSON-LD body; the JSON-LD body, if the page shows only a part of it; data in scripts, if there is no other text; and
    mark-up in scripts, if there is little text.

    Args:
        tree: a page after `prepare`; not modified.
        article_body: ``articleBody`` of the JSON-LD; empty if missing.
        scripts: scripts of the page (`script_texts`, called before `prepare`).
    """
    path: Path = "precision"
    blocks = _trafilatura(tree, precision=True)
    body = body_blocks(article_body)
    found, page, declared = _size(blocks), _paragraph_size(tree), _size(body)
    if found < page * _SHORT_OF_PAGE or found < declared * _SHORT_OF_BODY:
        more = _trafilatura(tree, precision=False)
        if _size(more) > found * 1.2:
            blocks, path, found = more, "default", _size(more)
    if declared and found < declared * _SHORT_OF_BODY and _is_prose(body):
        return MainText(tuple(body), "json-ld")
    least = found * 2
    for data in _script_data(scripts) if found < _LITTLE_TEXT else ():
        if (least == 0 or isinstance(data, str)) and _size(running := script_blocks(data)) > max(found, least):
            blocks, path, found = running, "script", _size(running)
    return MainText(tuple(blocks), path if blocks else "none")


def join_blocks(blocks: tuple[Block, ...] | list[Block]) -> str:
    """Join paragraphs and headings by a blank line, list items and lines of a paragraph by a line break."""
    parts: list[str] = []
    before: Kind | None = None
    for text, kind in blocks:
        if parts:
            parts.append("\n" if kind == "line" or (kind == before == "item") else "\n\n")
        parts.append(text)
        before = kind if kind != "line" else before
    return "".join(parts)


def count_words(text: str) -> int:
    """Count words; in scripts without spaces each character is a word."""
    unspaced = len(_UNSPACED.findall(text))
    return unspaced + len(_WORD.findall(_UNSPACED.sub(" ", text) if unspaced else text))


def script_texts(tree: HtmlElement) -> tuple[str, ...]:
    """Return the scripts of a page that may contain its text as data."""
    texts = ((script.text or "") for script in tree.iter("script") if "ld+json" not in (script.get("type") or ""))
    return tuple(text for text in texts if _MIN_SCRIPT <= len(text) <= _MAX_SCRIPT)


def body_blocks(body: str) -> list[Block]:
    """Return the paragraphs of a JSON-LD body without mark-up."""
    text = html.unescape(body) if "&" in body else body
    if not text.strip():
        return []
    if _MARKUP.search(text):
        try:
            tree = parse_html(f"<body>{text}")
        except Rejected:
            return []
        prepare(tree)
        parts = tree.findall(".//p") or [tree]
        text = "\n".join("".join(map(str, part.itertext())) for part in parts)
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [Block(line, "paragraph") for line in lines if line]


def _script_data(scripts: tuple[str, ...]) -> Iterator[object]:
    """Parse the JSON values in scripts: complete, assigned or pushed (``__NEXT_DATA__``, ``window.STATE = {...}``,
    ``self.__next_f.push([...])``). A script of mark-up (``text/template``) is returned unchanged.
    """
    decoder = json.JSONDecoder(strict=False)
    for text in scripts:
        if _TEMPLATE.match(text):
            yield text
            continue
        start = _SCRIPT_VALUE.search(text[:_MAX_SCRIPT_HEAD])
        if start is None:
            continue
        try:
            yield decoder.raw_decode(text, start.start(1))[0]
        except (ValueError, RecursionError):
            continue


def script_blocks(data: object) -> list[Block]:
    """Return the longest sequence of sentences in one list or object of a JSON value, in order."""
    best: list[Block] = []
    queue: list[object] = [data]
    for value in queue:
        if isinstance(value, (dict, list)):
            queue.extend(value.values() if isinstance(value, dict) else value)
        if isinstance(value, list):
            found = [block for each in value for block in _sentences(each)]
            if _size(found) > _size(best):
                best = found
        elif isinstance(value, str) and len(value) > _MIN_SCRIPT_TEXT * 5:
            found = body_blocks(value)
            if _is_prose(found) and _size(found) > _size(best):
                best = found
    return best


def _sentences(value: object) -> Iterator[Block]:
    """Return the text of a list entry: a string, or the values of an object with running text."""
    texts = [value] if isinstance(value, str) else list(value.values()) if isinstance(value, dict) else []
    for text in texts:
        if isinstance(text, str) and len(text) >= _MIN_SCRIPT_TEXT and " " in text.strip():
            blocks = body_blocks(text)
            if _is_prose(blocks):
                yield from blocks


def _is_prose(blocks: list[Block]) -> bool:
    return any(text[-1:] in '.!?"”»…。！？' and text.count(" ") >= 3 for text, _ in blocks) or any(
        _UNSPACED.search(text) for text, _ in blocks
    )


def _trafilatura(tree: HtmlElement, *, precision: bool) -> list[Block]:
    # "txt", because the default format also renders the body, which is not used here.
    with cached_expressions():
        document = trafilatura.bare_extraction(
            tree, favor_precision=precision, include_comments=False, output_format="txt"
        )
    if document is None or document.body is None:
        return []
    return list(_merge(_walk(document.body, "paragraph")))


def _walk(element: _Element, kind: Kind) -> Iterator[tuple[str, Kind]]:
    """Yield pieces of text; an empty piece ends a block, or a line if its kind is ``line``."""
    tag = str(element.tag)
    inner: Kind = {"head": "heading", "item": "item"}.get(tag, kind)  # type: ignore[assignment]
    is_block = tag in _BLOCKS
    if is_block:
        yield "", inner
    if tag == "lb":
        yield "", "line"
    if tag == "cell":
        yield " ", inner
    if element.text and tag != "graphic":
        yield element.text, inner
    for child in element:
        yield from _walk(child, inner)
        if child.tail:
            yield child.tail, inner
    if is_block:
        yield "", inner


def _merge(pieces: Iterator[tuple[str, Kind]]) -> Iterator[Block]:
    parts: list[str] = []
    kind: Kind = "paragraph"
    is_line = False
    for text, piece in (*pieces, ("", "paragraph")):
        if text:
            kind = piece if not parts else kind
            parts.append(text)
            continue
        line = " ".join("".join(parts).split())
        if line:
            yield Block(line, "line" if is_line else kind)
        is_line = piece == "line" and (bool(line) or is_line)
        parts = []


def _size(blocks: list[Block]) -> int:
    return sum(len(text) for text, _ in blocks)


def _paragraph_size(tree: HtmlElement) -> int:
    """Measure the running text: distinct long paragraphs outside navigation, asides and similar elements."""
    seen: set[str] = set()
    for paragraph in tree.iter("p"):
        text = " ".join("".join(paragraph.itertext()).split())
        if len(text) < _MIN_PARAGRAPH or any(up.tag in _BESIDE for up in paragraph.iterancestors()):
            continue
        linked = sum(len("".join(link.itertext())) for link in paragraph.iter("a"))
        if linked * 2 <= len(text):
            seen.add(text)
    return sum(map(len, seen))
