"""The lead above the text belongs to the article; captions, bylines and boxes above it do not."""

import pytest

from tests.support.pages import PARAGRAPHS
from transforms.extract import extract_article

_LEAD = "Lorries must cross by the old mill from Monday, and the town has no plan for winter."
_TEXT = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)
_H1 = "<h1>Bridge closed to lorries</h1>"


def _first_line(body: str, head: str = "") -> str:
    page = f"<html><head><title>Bridge closed to lorries</title>{head}</head><body>{body}</body></html>"
    return extract_article(page, "https://ostrand.example/bridge").text.split("\n\n")[0]


@pytest.mark.parametrize(
    "body",
    [
        f'<article><header>{_H1}<p class="standfirst">{_LEAD}</p></header><div>{_TEXT}</div></article>',
        f'<article>{_H1}<div class="article__lead">{_LEAD}</div><div class="article-body">{_TEXT}</div></article>',
        f"<main><div><header>{_H1}<div>{_LEAD}</div></header></div><article>{_TEXT}</article></main>",
        f'<article><div>{_H1}<h2 class="dek">{_LEAD}</h2></div><div class="article-body">{_TEXT}</div></article>',
        f'<article>{_H1}<p>{_LEAD}</p><div class="article-body">{_TEXT}</div></article>',
    ],
)
def test_leads_are_kept(body: str) -> None:
    assert _first_line(body) == _LEAD


def test_the_description_that_the_page_shows_is_a_lead() -> None:
    shown = _LEAD.rstrip(".")
    head = f'<meta property="og:description" content="{_LEAD}">'
    body = f'<article><div>{_H1}</div><div class="x9"><div>{shown}</div></div><div>{_TEXT}</div></article>'
    assert _first_line(body, head) == shown


@pytest.mark.parametrize(
    "between",
    [
        f'<figure><img src="a.jpg"><figcaption>{_LEAD}</figcaption></figure>',
        f'<div class="x1"><img src="a.jpg"><div>{_LEAD}</div></div>',
        f'<aside><p class="lead">{_LEAD}</p></aside>',
        f'<div class="newsletter-box"><p class="intro">{_LEAD}</p></div>',
        f'<ul><li class="summary"><a href="/x">{_LEAD}</a></li></ul>',
        '<div class="lead">By Mirela Tosk</div>',
        '<div class="intro">Published: 3 May 2024, last updated 4 May 2024</div>',
    ],
)
def test_other_lines_above_the_text_are_left_out(between: str) -> None:
    body = f'<article><header>{_H1}</header>{between}<div class="article-body">{_TEXT}</div></article>'
    assert _first_line(body) == PARAGRAPHS[0]


def test_a_lead_is_not_repeated() -> None:
    body = f'<article><header>{_H1}<p class="lead">{PARAGRAPHS[0]}</p></header><div>{_TEXT}</div></article>'
    page = f"<html><head><title>Bridge closed to lorries</title></head><body>{body}</body></html>"
    assert extract_article(page, "https://ostrand.example/bridge").text.count(PARAGRAPHS[0]) == 1
