import time

import pytest

from transforms.extract import ExtractConfig, extract_article
from transforms.extract.html.limits import check_page
from transforms.schema.failures import Reason, Rejected

CONFIG = ExtractConfig()


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("<div>" * 300 + "x", Reason.UNPARSABLE),
        ("<br>" * 40_001, Reason.UNPARSABLE),
        ("<p " + " ".join(f"a{n}=1" for n in range(30_000)) + ">x", Reason.UNPARSABLE),
        ("<p>" + "ж" * 4_100_000, Reason.TOO_LARGE),
    ],
    ids=["depth", "tags", "attributes", "bytes"],
)
def test_refused(html: str, reason: Reason) -> None:
    with pytest.raises(Rejected) as refusal:
        check_page(html, CONFIG)
    assert refusal.value.reason is reason


@pytest.mark.parametrize(
    "html",
    [
        "<p>x" * 5_000,
        "<ul>" + "<li>x" * 5_000 + "</ul>",
        "<script>" + "'<div>'+" * 5_000 + "</script>",
        "<!--" + "<div>" * 5_000 + "-->",
        "<div>x</div>" * 5_000,
        "<svg>" + "<path d='M0'/>" * 5_000 + "</svg>",
        f'<img src="data:image/png;base64,{"A/ " * 50_000}">',
    ],
    ids=["open p", "open li", "script", "comment", "siblings", "svg", "data uri"],
)
def test_passed(html: str) -> None:
    check_page(html, CONFIG)


@pytest.mark.parametrize("piece", ["<!--", "<", "<script", "&#xD800;&bogus;", "<![CDATA[", "\0<p>"])
def test_broken_pages_of_any_length_cost_little(piece: str) -> None:
    start = time.process_time()
    with pytest.raises(Rejected):
        extract_article((piece * (1_000_000 // len(piece))).encode(), "", config=ExtractConfig(min_words=100_000))
    assert time.process_time() - start < 5


def test_the_limits_are_the_configurations() -> None:
    with pytest.raises(Rejected, match="max_depth"):
        check_page("<div>" * 11, ExtractConfig(max_depth=10))
    with pytest.raises(Rejected, match="max_html_bytes"):
        extract_article(b"x" * 1_001, "", config=ExtractConfig(max_html_bytes=1_000))
