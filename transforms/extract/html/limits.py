"""Check size, number of tags and depth of a page before it is parsed."""

import re

from transforms.extract.config import ExtractConfig
from transforms.schema.failures import Reason, Rejected

_TAG = re.compile(r"<(!--|/?[a-zA-Z][a-zA-Z0-9:-]{0,40})")
_RAW = {
    name: re.compile(rf"</{name}[\s/>]", re.IGNORECASE)
    for name in ("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes")
}
_QUOTED = re.compile(r""""[^"]*"|'[^']*'""")
_BETWEEN = re.compile(r"[\s/\"]+")
_LONG_TAG, _MAX_ATTRIBUTES = 20_000, 2_000
# Elements without an end tag, or with an optional one, do not add depth while they are open.
_FLAT = frozenset(
    "area base br col embed hr img input link meta param source track wbr p li dt dd tr td th thead tbody tfoot"
    " colgroup caption option optgroup rp rt html head body path circle ellipse line polygon polyline rect stop"
    " use".split()
)
_OF_NO_DEPTH = _FLAT | {f"/{name}" for name in (*_FLAT, *_RAW)}


def check_page(html: str, config: ExtractConfig) -> bool:
    """Reject a page that would take too much time or memory.

    It makes one pass over the tags and skips the contents of scripts, styles and comments, like a browser.

    Returns:
        Whether the page is near one of the limits, which articles rarely are: more than a quarter of the bytes or tags,
        or half of the depth.

    Raises:
        Rejected: too_large (bytes) or unparsable (tags, depth).
    """
    size = len(html) if html.isascii() else len(html.encode("utf-8", "replace"))
    if size > config.max_html_bytes:
        raise Rejected(
            Reason.TOO_LARGE, f"the page has {size:,} bytes; the limit is {config.max_html_bytes:,} (max_html_bytes)"
        )
    tags = depth = deepest = at = 0
    most_tags, most_depth = config.max_tags, config.max_depth
    endless: set[str] = set()
    while match := _TAG.search(html, at):
        at = match.end()
        name = match[1].lower()
        if name == "!--":
            at = _after(html, at, "-->", endless)
            continue
        tags += 1
        if html.find(">", at, at + _LONG_TAG) < 0:
            at = _after_long_tag(html, at)
        if name in _RAW:
            at = _after_raw(html, at, name, endless)
        elif name in _OF_NO_DEPTH:
            pass
        elif name[0] == "/":
            depth -= depth > 0
        else:
            depth += 1
            if depth > deepest:
                deepest = depth
        if tags > most_tags:
            raise Rejected(Reason.UNPARSABLE, f"the page has more than {config.max_tags:,} tags (max_tags)")
        if deepest > most_depth:
            raise Rejected(Reason.UNPARSABLE, f"elements are nested deeper than {config.max_depth} (max_depth)")
    return size > config.max_html_bytes // 4 or tags > config.max_tags // 4 or deepest > config.max_depth // 2


def _after_long_tag(html: str, at: int) -> int:
    """Find the end of a long tag; reject very many attributes, because parsers compare each with all others."""
    end = html.find(">", at)
    end = len(html) if end < 0 else end
    if len(_BETWEEN.findall(_QUOTED.sub('"', html[at:end]))) > _MAX_ATTRIBUTES:
        raise Rejected(Reason.UNPARSABLE, f"a tag has more than {_MAX_ATTRIBUTES:,} attributes")
    return end


def _after(html: str, at: int, end: str, endless: set[str]) -> int:
    """Return the position after ``end``. A missing end is not searched again, so that time stays linear."""
    if end in endless:
        return at
    found = html.find(end, at)
    if found < 0:
        endless.add(end)
        return at
    return found + len(end)


def _after_raw(html: str, at: int, name: str, endless: set[str]) -> int:
    if name in endless:
        return at
    found = _RAW[name].search(html, at)
    if found is None:
        endless.add(name)
        return at
    return found.start() + 1
