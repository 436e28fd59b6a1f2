"""Trafilatura's expressions with their answers kept: the same elements as without."""

import pytest
from lxml.etree import XPath, _Element
from trafilatura import xpaths

from transforms.extract.body.trafilatura_cache import CachedXPath, cached_expressions
from transforms.extract.html.normalize import parse_html

ORIGINALS = [e for e in xpaths.OVERALL_DISCARD_XPATH if isinstance(e, XPath)]
PAGE = """<body><div class="share-bar"><p class="share-bar">a</p><span class="x" id="nav">b</span></div>
<div id="main" class="cookie">c</div><div class="cookie" id="main">d</div><o:p class="cookie">e</o:p><div>f</div>
<section style="display: none"><p aria-hidden="true">g</p><p aria-hidden="false">h</p></section>
<p data-lp-replacement-content="">i</p><ul role="Navigation"><li>j</li></ul><div role="Navigation">k</div>
<p class="share-bar">l</p><i class="message">m</i></body>"""


def found(expression: CachedXPath, tree: _Element) -> list[str | None]:
    return [element.text for element in expression(tree)]


def test_cached_expressions_select_the_same_elements() -> None:
    tree = parse_html(PAGE)
    with cached_expressions():
        cached = [e for e in xpaths.OVERALL_DISCARD_XPATH if isinstance(e, CachedXPath)]
    assert len(cached) == len(ORIGINALS) == 2
    for quick, original in zip(cached, ORIGINALS, strict=True):
        assert quick(tree) == original(tree)
    assert found(cached[0], tree) == [None, "a", "b", "d", "i", "k", "l"]
    assert found(cached[1], tree) == [None, "g", "m"]


def test_trafilatura_is_restored_after_the_last_user() -> None:
    with cached_expressions():
        with cached_expressions():
            pass
        assert all(isinstance(e, CachedXPath) for e in xpaths.OVERALL_DISCARD_XPATH)
    assert ORIGINALS == xpaths.OVERALL_DISCARD_XPATH


@pytest.mark.parametrize(
    "path", [".//*[not(.//h1)]", "//p", ".//div[@class]", ".//*[@class='a'][1]", ".//*[text()]", ".//*[../p]"]
)
def test_expression_beyond_the_element_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="depend on more than its element"):
        CachedXPath(path)
