"""The visible bylines of an article: names inside a box of other words, and none of teasers and pictures."""

import pytest

from tests.support.pages import PARAGRAPHS
from transforms.extract.html.normalize import parse_html
from transforms.extract.metadata.reader import read_metadata

_TEXT = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)
_H1 = "<h1>Bridge closed to lorries</h1>"


def _authors(body: str) -> list[str]:
    page = f"<html><head><title>Bridge closed to lorries</title></head><body>{body}</body></html>"
    return list(read_metadata(parse_html(page), "https://ostrand.example/bridge").authors)


@pytest.mark.parametrize(
    "byline",
    [
        '<div class="byline"><p>By <a href="/s/t">Mirela Tosk</a></p><p>3 May 2024</p><span>Link Copied</span></div>',
        '<div class="author-name"><span>By</span> <a href="/p/t">Mirela Tosk</a><div>Staff Writer</div></div>',
        '<div class="author">Written by <a href="/t">Mirela Tosk</a> in <a href="/c">City</a> on 3 May 2024</div>',
        '<div class="story-by-line"><div>Mirela Tosk</div><div>OSTRAND DAILY POST</div><div>3 May 2024</div></div>',
        '<aside><address><a rel="author" href="/t">Mirela Tosk</a></address></aside>',
        '<nav>Edited by <span itemprop="author"><span itemprop="name">Mirela Tosk</span></span></nav>',
        '<footer><p class="byline">By <a href="/t">Mirela Tosk</a></p></footer>',
        '<div class="FeatureByline">By <b>Mirela Tosk</b><br>March 25, 2015</div>',
        '<figure><figcaption><span class="author">Photo: Omar Haddad</span></figcaption></figure>'
        '<p class="author">Mirela Tosk</p>',
        '<div class="teaser-box"><h3><a href="/x">Mill</a></h3><span class="author">Omar Haddad</span></div>'
        '<p class="byline-text">By Mirela Tosk</p>',
    ],
)
def test_the_name_in_a_byline(byline: str) -> None:
    assert _authors(f"<article>{_H1}{byline}{_TEXT}</article>") == ["Mirela Tosk"]


def test_two_cards_are_two_names() -> None:
    card = '<div class="article__author"><a href="/a"><img alt="{0}"></a><span><a href="/a">{0}</a></span></div>'
    cards = card.format("Mirela Tosk") + card.format("Omar Haddad")
    body = f'<article>{_H1}<div class="authors">{cards}</div>{_TEXT}</article>'
    assert _authors(body) == ["Mirela Tosk", "Omar Haddad"]


@pytest.mark.parametrize(
    "body",
    [
        f'<article>{_H1}{_TEXT}<aside><a rel="author" href="/o">Omar Haddad</a></aside></article>',
        f'<article>{_H1}{_TEXT}</article><div><h3><a href="/x">Mill</a></h3><p class="author">Omar Haddad</p></div>',
        f'<nav><a class="author" href="/o">Omar Haddad</a></nav><article>{_H1}{_TEXT}</article>',
    ],
)
def test_names_of_other_articles_do_not_count(body: str) -> None:
    assert _authors(body) == []
