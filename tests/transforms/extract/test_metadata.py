import json
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

import pytest

from transforms.extract.html.normalize import parse_html
from transforms.extract.metadata.reader import Metadata, read_metadata
from transforms.extract.metadata.titles import strip_site

URL = "https://www.selwick-echo.example/news/weld"
Page = Callable[..., str]


def _read(html: str, url: str = URL, fetched_at: datetime | None = None) -> Metadata:
    return read_metadata(parse_html(html), url, fetched_at)


def _ld(**fields: Any) -> str:
    return f'<script type="application/ld+json">{json.dumps({"@type": "NewsArticle", **fields})}</script>'


def test_json_ld_wins_over_opengraph_and_that_over_what_the_page_shows(page: Page) -> None:
    og = (
        '<meta property="og:title" content="From the graph"><meta property="og:description" content="Graph words">'
        '<meta property="article:published_time" content="2031-01-01T00:00:00Z">'
    )
    assert _read(page()).title == "Bridge closed to lorries"
    graph = _read(page(head=og))
    assert graph.published is not None and graph.published.at == datetime(2031, 1, 1, tzinfo=timezone.utc)
    both = _read(page(head=og + _ld(headline="From the data", datePublished="2031-02-02T10:00:00+02:00")))
    assert (both.title, both.description) == ("From the data", "Graph words")
    assert both.published is not None and both.published.at == datetime(2031, 2, 2, 8, tzinfo=timezone.utc)


def test_all_fields_of_the_data(page: Page) -> None:
    data = _ld(
        headline="Weld &amp; wheel",
        author={"name": "Mirela Tosk and Jonas Eide"},
        dateModified="2031-02-03",
        articleSection=["Harbour", "News"],
        keywords="bridges, welds",
        image=[{"@type": "ImageObject", "url": "/weld.jpg"}],
        publisher={"name": "Selwick Echo"},
        isAccessibleForFree="False",
        articleBody="Words.",
    )
    found = _read(page(head=data))
    assert found.title == "Weld & wheel"
    assert found.authors == ("Mirela Tosk", "Jonas Eide")
    assert found.modified is not None and found.modified.precision == "day"
    assert (found.section, found.tags) == ("Harbour", ("bridges", "welds"))
    assert found.image_url == "https://www.selwick-echo.example/weld.jpg"
    assert (found.site_name, found.is_paywalled, found.is_live_blog) == ("Selwick Echo", True, False)
    assert found.article_body == "Words."


@pytest.mark.parametrize(
    "author",
    [
        ["Mirela Tosk", "Jonas Eide"],
        {"name": ["Mirela Tosk", "Jonas Eide"]},
        [[{"name": "Mirela Tosk"}], {"givenName": "Jonas", "familyName": "Eide"}],
    ],
)
def test_authors_in_all_shapes(page: Page, author: Any) -> None:
    assert _read(page(head=_ld(author=author))).authors == ("Mirela Tosk", "Jonas Eide")


def test_markup_in_a_headline_goes(page: Page) -> None:
    assert (
        _read(page(head=_ld(headline="The <i>Gull</i> sails &lt;b&gt;again&lt;/b&gt;"))).title == "The Gull sails again"
    )


def test_machine_date_in_a_title_attribute(page: Page) -> None:
    found = _read(page('<abbr class="published" title="2031-02-03T04:05:06Z">Monday</abbr><p>Words.</p>'))
    assert found.published is not None
    assert found.published.at == datetime(2031, 2, 3, 4, 5, 6, tzinfo=timezone.utc)


def test_nothing_is_invented() -> None:
    found = _read("<html><body><p>Words without more.</p></body></html>", url="")
    assert found == Metadata()


@pytest.mark.parametrize(
    ("title", "cut"),
    [
        ("Weld cracked | Selwick Echo", "Weld cracked"),
        ("Weld cracked – The Selwick Echo", "Weld cracked"),
        ("Weld cracked - selwick-echo.example", "Weld cracked"),
        ("Selwick Echo: Weld cracked", "Selwick Echo: Weld cracked"),
        ("Selwick Echo | Weld cracked", "Weld cracked"),
        ("Half-price tickets - for one day only", "Half-price tickets - for one day only"),
        ("Bridge shut: harbour chief", "Bridge shut: harbour chief"),
        ("Selwick Echo", "Selwick Echo"),
    ],
)
def test_site_suffix(title: str, cut: str) -> None:
    assert strip_site(title, ["Selwick Echo", "selwick-echo.example"]) == cut


def test_a_shortened_title_gives_way_to_the_whole_one(page: Page) -> None:
    assert _read(page(head=_ld(headline="Bridge closed to ..."))).title == "Bridge closed to lorries"


def test_the_canonical_address_is_absolute(page: Page) -> None:
    assert _read(page(head='<link rel="canonical" href="/news/weld?id=1">')).canonical_url == f"{URL}?id=1"
    assert (
        _read(page(head='<meta property="og:url" content="https://a.example/b">')).canonical_url
        == "https://a.example/b"
    )
    assert _read(page(head='<link rel="canonical" href="javascript:void(0)">')).canonical_url is None


@pytest.mark.parametrize(
    ("fields", "paywalled"),
    [
        ({"isAccessibleForFree": True}, False),
        ({"isAccessibleForFree": "http://schema.org/False"}, True),
        ({"hasPart": {"@type": "WebPageElement", "isAccessibleForFree": False}}, True),
        ({}, None),
    ],
)
def test_paywall(page: Page, fields: dict[str, Any], paywalled: bool | None) -> None:
    assert _read(page(head=_ld(headline="x", **fields))).is_paywalled is paywalled


def test_live_blog_and_reservation(page: Page) -> None:
    head = _ld(headline="x").replace("NewsArticle", "LiveBlogPosting") + '<meta name="tdm-reservation" content="1">'
    found = _read(page(head=head))
    assert (found.is_live_blog, found.tdm_reserved) == (True, True)
    assert _read(page()).is_live_blog is None


def test_visible_byline_and_date_but_not_those_of_teasers(page: Page) -> None:
    body = (
        '<aside><span class="author">Belinda Vosk</span><time datetime="2031-03-03T00:00Z"></time></aside>'
        '<p class="byline">By Mirela Tosk</p><p class="dateline">3 February 2031</p><p>Words.</p>'
        '<div class="related-stories"><a rel="author">Ole Kraft</a></div>'
    )
    found = _read(page(body))
    assert found.authors == ("Mirela Tosk",)
    assert found.published is not None
    assert (found.published.at.isoformat()[:10], found.published.precision) == ("2031-02-03", "day")


def test_what_holds_the_headline_is_no_column_beside_it(page: Page) -> None:
    html = page('<p class="byline">By Mirela Tosk</p><p>Words.</p>').replace("<article>", '<article class="sidebar">')
    assert _read(html).authors == ("Mirela Tosk",)


def test_link_preview_label(page: Page) -> None:
    head = '<meta name="twitter:label1" content="Verfasst von"><meta name="twitter:data1" content="Nina Brandt">'
    assert _read(page(head=head)).authors == ("Nina Brandt",)


def test_the_site_is_no_author_unless_it_is_a_person(page: Page) -> None:
    echo = {"@type": "Organization", "name": "Selwick Echo"}
    assert _read(page(head=_ld(author=echo, publisher=echo))).authors == ()
    person = {"@type": ["Person", "Organization"], "name": "Mirela Tosk"}
    assert _read(page(head=_ld(author=person, publisher=person))).authors == ("Mirela Tosk",)


def test_a_guess_later_than_the_fetch_is_none(page: Page) -> None:
    body = '<p class="date">3 February 2031</p><p>Words.</p>'
    assert _read(page(body), fetched_at=datetime(2030, 1, 1, tzinfo=timezone.utc)).published is None


def test_day_in_the_address(page: Page) -> None:
    found = _read(page(), "https://selwick.example/2031/02/03/weld")
    assert found.published is not None and found.published.at == datetime(2031, 2, 3, tzinfo=timezone.utc)


def test_an_organisation_gives_way_to_a_person_and_stands_beside_it(page: Page) -> None:
    union = {"@type": "Organization", "name": "Dockers Union"}
    assert _read(page('<p class="byline">By Mirela Tosk</p>', head=_ld(author=union))).authors == ("Mirela Tosk",)
    assert _read(page(head=_ld(author=union))).authors == ("Dockers Union",)
    both = [{"@type": "Person", "name": "Mirela Tosk"}, {"@type": "Organization", "name": "AFP"}]
    found = _read(page(head=_ld(author=both)))
    assert (found.authors, found.byline_org) == (("Mirela Tosk",), ("AFP",))


def test_a_site_with_its_address_in_brackets_is_no_author(page: Page) -> None:
    head = '<meta name="publisher" content="Selwick Echo (echo.example)"><meta name="author" content="Selwick Echo">'
    found = _read(page(head=head), "")
    assert (found.authors, found.byline_org) == ((), ("Selwick Echo",))


@pytest.mark.parametrize(
    ("line", "authors"),
    [
        ("<p>By Mirela Tosk and Jonas Eide</p>", ("Mirela Tosk", "Jonas Eide")),
        ("<p>Von Nina Brandt | 3. Februar 2031</p>", ("Nina Brandt",)),
        ("<ul><li><strong>Autorin/Autor</strong> Nina Brandt</li></ul>", ("Nina Brandt",)),
        ("<div>Text: Ole van der Kraft</div>", ("Ole van der Kraft",)),
        ("<aside><p>By Belinda Vosk</p></aside>", ()),
        ("<p>By Monday Selwick Bridge was closed.</p>", ()),
        ("<p>Von Nina Brandt stammt der Entwurf der Brücke.</p>", ()),
        ("<p>Text Mirela Tosk</p>", ()),
        ("<ul><li>Von: <a>Nina Brandt</a>, <a>Ole Kraft</a></li></ul>", ("Nina Brandt", "Ole Kraft")),
        ('<p style="text-align:right"><strong>Mirela Tosk</strong></p>', ("Mirela Tosk",)),
        ('<p style="text-align:right">The weld is gone.</p>', ()),
        ("<p><strong>Mirela Tosk</strong></p>", ()),
    ],
)
def test_a_line_that_begins_like_a_byline(page: Page, line: str, authors: tuple[str, ...]) -> None:
    assert _read(page(line + "<p>Words.</p>")).authors == authors


@pytest.mark.parametrize(("kind", "video"), [("WebPage", True), ("NewsArticle", False)])
def test_a_page_is_a_video_when_its_data_has_one_and_no_article(page: Page, kind: str, video: bool) -> None:
    head = f'<script type="application/ld+json">{{"@type": "{kind}", "video": {{"@type": "VideoObject"}}}}</script>'
    assert _read(page(head=head)).is_video is video
