"""Speed up trafilatura's two most expensive XPath expressions by caching their results within a page.

They select the elements that trafilatura prunes. XPath calls their regular expressions, which are Python functions,
several times for each element; this takes a seventh of the extraction time. The result depends only on the name and
attributes of the element, and a page has few different combinations of these, so each combination is evaluated once
per page.
"""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import cast

from lxml.etree import XPath, _Element
from trafilatura import xpaths

_OWN = re.compile(
    r"\.//\*(?P<names>\[self::\w+(?: or self::\w+)*\]|)\[(?!.*(?:/|\]\[|text\(|position\(|last\())", re.DOTALL
)
_ATTRIBUTE = re.compile(r"@([\w-]+)")


class CachedXPath:
    """A drop-in replacement for an `XPath` that selects elements only by their own name and attributes.

    Args:
        path: the expression.

    Raises:
        ValueError: the expression may depend on more than the element itself.
    """

    def __init__(self, path: str) -> None:
        if (match := _OWN.match(path)) is None:
            raise ValueError(f"the expression may depend on more than its element: {path}")
        self._names = frozenset(_ATTRIBUTE.findall(path))
        self._marked = XPath(
            f"descendant::*{match['names']}[{' or '.join(f'@{name}' for name in sorted(self._names))}]"
        )
        self._itself = XPath(path.replace(".//", "self::", 1), namespaces={"re": xpaths.REGEXP_NS})

    def __call__(self, tree: _Element) -> list[_Element]:
        results: dict[tuple[object, ...], bool] = {}
        found = []
        for element in cast("list[_Element]", self._marked(tree)):
            # In order, because an expression may read only the first of two attributes.
            key = (element.tag, *(item for item in element.items() if item[0] in self._names))
            if (result := results.get(key)) is None:
                result = results[key] = bool(self._itself(element))
            if result:
                found.append(element)
        return found


_EXPRESSIONS: list[object] = xpaths.OVERALL_DISCARD_XPATH  # all modules of trafilatura share this list
_lock = threading.Lock()
_originals: list[object] = []
_users = 0


@contextmanager
def cached_expressions() -> Iterator[None]:
    """Let trafilatura use the cached expressions inside the context; the last exit restores the originals."""
    global _users
    with _lock:
        if _users == 0:
            _originals[:] = _EXPRESSIONS
            _EXPRESSIONS[:] = _cached()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _EXPRESSIONS[:] = _originals


@cache
def _cached() -> tuple[object, ...]:
    return tuple(CachedXPath(e.path.strip()) if isinstance(e, XPath) else e for e in _originals)
