"""Trafilatura's expressions with their answers kept: the same elements as without."""

import pytest
from lxml.etree import XPath, _Element
from trafilatura import xpaths

from transforms.extract.body.trafilatura_cache import AskedOnce
from transforms.extract.html.normalize import parse_html

INSTALLED = [e for e in xpaths.OVERALL_DISCARD_XPATH if isinstance(e, AskedOnce)]
ORIGINALS = [
    XPath(e._itself.path.replace("self::*", ".//*", 1), namespaces={"re": xpaths.REGEXP_NS}) for e in INSTALLED
]
PAGE = """<body><div class="share-bar"><p class="share-bar">a</p><span class="x" id="nav">b</span></div>
<div id="main" class="cookie">c</div><div class="cookie" id="main">d</div><o:p class="cookie">e</o:p><div>f</div>
<section style="display: none"><p aria-hidden="true">g</p><p aria-hidden="false">h</p></section>
<p data-lp-replacement-content="">i</p><ul role="Navigation"><li>j</li></ul><div role="Navigation">k</div>
<p class="share-bar">l</p><i class="message">m</i></body>"""


def found(expression: AskedOnce, tree: _Element) -> list[str | None]:
    return [element.text for element in expression(tree)]


def test_the_dear_expressions_are_replaced_and_find_what_they_found() -> None:
    tree = parse_html(PAGE)
    assert len(INSTALLED) == len(xpaths.OVERALL_DISCARD_XPATH) == 2
    for quick, original in zip(INSTALLED, ORIGINALS, strict=True):
        assert quick(tree) == original(tree)
    assert found(INSTALLED[0], tree) == [None, "a", "b", "d", "i", "k", "l"]
    assert found(INSTALLED[1], tree) == [None, "g", "m"]


@pytest.mark.parametrize(
    "path", [".//*[not(.//h1)]", "//p", ".//div[@class]", ".//*[@class='a'][1]", ".//*[text()]", ".//*[../p]"]
)
def test_an_expression_that_looks_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="beyond its element"):
        AskedOnce(path)
