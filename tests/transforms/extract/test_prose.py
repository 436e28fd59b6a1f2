"""Running text keeps its words, whatever the names of the elements around them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.pages import PARAGRAPHS
from transforms.extract import extract_article
from transforms.extract.html.normalize import parse_html, prepare

_URL = "https://ostrand.example/bridge"
_NAMES = (
    "link", "related", "related-term", "caption", "embed", "widget", "social", "author-link", "nav-link", "newsletter",
    "share", "teaser", "byline", "tags", "sidebar", "menu", "footer", "meta", "comments", "bottom", "button", "-icon",
    "slide", "message", "timestamp", "more-4712", "ad-text", "banner",
)  # fmt: skip
_TAGS = ("span", "strong", "em", "i", "b", "u", "mark", "small", "font", "time", "ins", "abbr", "cite", "data", "dfn")
_STYLES = ("", "box-sizing: border-box; margin: 0", "border: 0px", "display: inline")


def _page(paragraphs: list[str]) -> str:
    body = "".join(paragraphs)
    return f"<html><head><title>Bridge</title></head><body><article><h1>Bridge</h1>{body}</article></body></html>"


def _lines(paragraphs: list[str]) -> list[str]:
    return extract_article(_page(paragraphs), _URL).text.split("\n\n")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_inline_elements_of_any_name_keep_their_words(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(PARAGRAPHS) - 1))
    words = PARAGRAPHS[number].split()
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    tag = data.draw(st.sampled_from(_TAGS))
    attribute = data.draw(st.sampled_from(["class", "id"]))
    name = data.draw(st.sampled_from(_NAMES))
    style = data.draw(st.sampled_from(_STYLES))
    wrapped = f'<{tag} {attribute}="{name}" style="{style}">{" ".join(words[start:end])}</{tag}>'
    paragraphs = [f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS]
    paragraphs[number] = f"<p>{' '.join([*words[:start], wrapped, *words[end:]])}</p>"
    assert _lines(paragraphs) == list(PARAGRAPHS)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, len(PARAGRAPHS) - 1),
    st.sampled_from(_NAMES),
    st.sampled_from(_STYLES),
    st.sampled_from(["p", "div"]),
)
def test_paragraphs_of_any_name_are_kept(number: int, name: str, style: str, tag: str) -> None:
    paragraphs = [f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS]
    paragraphs[number] = f'<{tag} class="{name}" id="x-{name}" style="{style}">{PARAGRAPHS[number]}</{tag}>'
    assert _lines(paragraphs) == list(PARAGRAPHS)


@pytest.mark.parametrize("name", _NAMES)
def test_words_of_a_short_sentence_are_kept(name: str) -> None:
    paragraphs = [f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS]
    paragraphs.insert(1, f'<p>“Never,” said <span class="{name}">Mirela Tosk</span> on Monday.</p>')
    assert _lines(paragraphs)[1] == "“Never,” said Mirela Tosk on Monday."


def test_words_inside_a_heading_are_kept() -> None:
    paragraphs = [f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS]
    paragraphs.insert(1, '<h2>Lorries on the <span class="related">old bridge</span> of Karra</h2>')
    assert _lines(paragraphs)[1] == "Lorries on the old bridge of Karra"


def test_hidden_words_keep_their_names() -> None:
    tree = parse_html(f'<p>{PARAGRAPHS[0]} <a href="/x">Law<span class="sr-only"> (opens a window)</span></a></p>')
    prepare(tree)
    assert [span.get("class") for span in tree.iter("span")] == ["sr-only"]


def test_a_list_of_links_keeps_its_names() -> None:
    tree = parse_html(
        '<p class="related">Also: <a href="/x">The ferry of Ostrand sails but twice a day from June on.</a></p>'
    )
    prepare(tree)
    assert [paragraph.get("class") for paragraph in tree.iter("p")] == ["related"]
