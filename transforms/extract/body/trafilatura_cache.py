"""The dearest of trafilatura's expressions, with its answers kept: a seventh of an extraction's time.

What it prunes of every page, it finds by regular expressions that XPath hands from C to Python and back several times
for each element. They look at nothing but an element's own name and attributes, of which a page has few different ones:
here each of these is asked about once a page.
"""

import re
from typing import cast

from lxml.etree import XPath, _Element
from trafilatura import xpaths

_OWN = re.compile(
    r"\.//\*(?P<names>\[self::\w+(?: or self::\w+)*\]|)\[(?!.*(?:/|\]\[|text\(|position\(|last\())", re.DOTALL
)
_ATTRIBUTE = re.compile(r"@([\w-]+)")


class AskedOnce:
    """An expression that finds elements by their own names and attributes, called as an XPath and with its result.

    Args:
        path: the expression.

    Raises:
        ValueError: it may look at more than that.
    """

    def __init__(self, path: str) -> None:
        if (match := _OWN.match(path)) is None:
            raise ValueError(f"an expression may look beyond its element: {path}")
        self._names = frozenset(_ATTRIBUTE.findall(path))
        self._marked = XPath(
            f"descendant::*{match['names']}[{' or '.join(f'@{name}' for name in sorted(self._names))}]"
        )
        self._itself = XPath(path.replace(".//", "self::", 1), namespaces={"re": xpaths.REGEXP_NS})

    def __call__(self, tree: _Element) -> list[_Element]:
        answers: dict[tuple[object, ...], bool] = {}
        found = []
        for element in cast("list[_Element]", self._marked(tree)):
            # In their order: of two attributes an expression may read the one that stands first.
            look = (element.tag, *(item for item in element.items() if item[0] in self._names))
            if (answer := answers.get(look)) is None:
                answer = answers[look] = bool(self._itself(element))
            if answer:
                found.append(element)
        return found


def install() -> None:
    """Let trafilatura use them, in all of this process."""
    expressions: list[object] = xpaths.OVERALL_DISCARD_XPATH  # in place: its other modules hold the same list
    for n, expression in enumerate(expressions):
        if isinstance(expression, XPath):
            expressions[n] = AskedOnce(expression.path.strip())
