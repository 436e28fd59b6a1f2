import json
from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from tests.support.pages import PARAGRAPHS
from transforms.extract import ExtractConfig, extract_article, extract_line
from transforms.schema.failures import Reason, Rejected
from transforms.schema.records import content_hash, stable_id
from transforms.schema.urls import canonical_url, url_id

URL = "https://selwick.example/news/weld?utm_source=x"
Page = Callable[..., str]
TEXT = "\n\n".join(PARAGRAPHS)


def _text(html: str) -> str:
    return extract_article(html, URL).text


def test_ids_text_and_columns(page: Page) -> None:
    at = datetime(2031, 2, 3, tzinfo=timezone.utc)
    article = extract_article(page().encode(), URL, content_type="text/html; charset=utf-8", fetched_at=at)
    assert article.text == TEXT
    assert article.url == canonical_url(URL)
    assert article.article_id == url_id(canonical_url(URL))
    assert article.text_hash == content_hash(TEXT)
    assert article.version_id == stable_id(article.article_id, article.text_hash)
    assert (article.domain, article.language, article.extractor) == ("selwick.example", "en", "precision")
    assert article.word_count == sum(len(paragraph.split()) for paragraph in PARAGRAPHS)
    assert article.fetched_at == at


@pytest.mark.parametrize("url", ["", "not a url"])
def test_a_page_without_address(page: Page, url: str) -> None:
    article = extract_article(page(), url)
    assert (article.article_id, article.domain, article.url) == (url_id(url), "", url)


def test_language_is_that_of_the_text_not_of_the_mark_up(page: Page) -> None:
    german = "<p>Die alte Drehbrücke am Hafen ist seit Montag für Lastwagen gesperrt, teilte das Amt mit.</p>" * 1
    german += "<p>Die Reparatur soll bis Oktober dauern, und das Mehl lagert so lange im Landesinneren.</p>"
    assert extract_article(page(german, lang="en"), URL).language == "de"
    assert extract_article(page(), URL, config=ExtractConfig(detect_language=False)).language is None


def test_lists_headings_and_line_breaks(page: Page) -> None:
    first, second, third = PARAGRAPHS
    body = (
        f"<p>{first}</p><h2>What is closed</h2><ul><li>The lorry lane until the end of October</li>"
        f"<li>The footpath on the northern side</li></ul><p>{second}</p><p>{third}<br>Harbour Office<br>Quay 4</p>"
    )
    assert _text(page(body)) == (
        f"{first}\n\nWhat is closed\n\nThe lorry lane until the end of October\nThe footpath on the northern side"
        f"\n\n{second}\n\n{third}\nHarbour Office\nQuay 4"
    )


@pytest.mark.parametrize(
    ("lang", "quoted"),
    [("en", "“The weld is <q>gone</q>”"), ("de", "„The weld is <q>gone</q>“"), ("fr", "«The weld is <q>gone</q>»")],
)
def test_q_becomes_quote_marks(page: Page, lang: str, quoted: str) -> None:
    inner = {"en": "‘gone’", "de": "‚gone‘", "fr": "“gone”"}[lang]
    body = f"<p>{PARAGRAPHS[0]}</p><p>She said: <q>The weld is <q>gone</q></q>.</p><p>{PARAGRAPHS[1]}</p>"
    assert quoted.replace("<q>gone</q>", inner) in _text(page(body, lang=lang))


def test_words_of_neighbouring_elements_do_not_glue(page: Page) -> None:
    body = (
        f"<p>{PARAGRAPHS[0]}</p><div>The board paid in full.<div>Next week it meets in the old hall.</div>"
        f"<span>Nobody objected to the plan.</span><span>The clerk wrote it down.</span></div><p>{PARAGRAPHS[1]}</p>"
    )
    text = _text(page(body))
    assert "full.Next" not in text and "plan.The" not in text
    assert "paid in full." in text and "The clerk wrote it down." in text


def test_drop_cap_and_soft_hyphen(page: Page) -> None:
    body = '<p><span class="drop-cap">T</span> <span>he wel\u00adders of Selwick went home.</span></p>'
    assert _text(page(f"{body}<p>{PARAGRAPHS[0]}</p>")).startswith("The welders of Selwick went home.")


def test_bare_text_between_blocks_is_a_paragraph(page: Page) -> None:
    body = (
        f"<p>{PARAGRAPHS[0]}</p>The last lorry crossed at <b>six</b> in the evening.<h2>Why</h2><p>{PARAGRAPHS[1]}</p>"
    )
    assert "\n\nThe last lorry crossed at six in the evening.\n\n" in _text(page(body))


@pytest.mark.parametrize(
    "hidden",
    [
        '<div style="display:none">{}</div>',
        "<div hidden>{}</div>",
        '<p style="visibility: hidden">{}</p>',
        "<template><p>{}</p></template>",
        '<p>Seen.<span style="position:absolute;clip:rect(0 0 0 0)">{}</span></p>',
    ],
)
def test_hidden_text_goes(page: Page, hidden: str) -> None:
    body = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS) + hidden.format("The quay opens in a new window.")
    assert "new window" not in _text(page(body))


def test_a_text_that_a_script_would_uncover_stays(page: Page) -> None:
    body = '<div style="display:none">' + "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS) + "</div>"
    assert _text(page(body)) == TEXT


def test_a_teaser_is_filled_up_from_the_data(page: Page) -> None:
    body = "<br>".join(PARAGRAPHS).replace("weld", "weld &amp; plate")
    data = json.dumps(
        {"@type": "NewsArticle", "headline": "x", "articleBody": f"<p>{body.replace('<br>', '</p><p>')}</p>"}
    )
    html = page(f"<p>{PARAGRAPHS[0]}</p>", head=f'<script type="application/ld+json">{data}</script>')
    article = extract_article(html, URL)
    assert article.extractor == "json-ld"
    assert article.text == TEXT.replace("weld", "weld & plate")


@pytest.mark.parametrize(
    "script",
    [
        '<script id="__NEXT_DATA__" type="application/json">{}</script>',
        "<script>window.__STATE__ = {};</script>",
        "<script>self.__next_f.push([1, {}])</script>",
    ],
)
def test_text_in_the_pages_scripts(script: str) -> None:
    data = json.dumps(
        {"page": {"kind": "story", "body": [{"type": "p", "text": paragraph} for paragraph in PARAGRAPHS]}}
    )
    article = extract_article(f"<html><body><div id=app></div>{script.format(data)}</body></html>", URL)
    assert (article.extractor, article.text) == ("script", TEXT)


def test_html_in_the_pages_scripts() -> None:
    html = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)
    page = f"<html><body><script type='application/json'>{json.dumps({'contentHtml': html})}</script></body></html>"
    assert extract_article(page, URL).text == TEXT


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("", Reason.UNPARSABLE),
        ("<html><body><p>Two words.</p></body></html>", Reason.TOO_SHORT),
        (
            "<html><head><title>Your cookie choices</title></head><body><p>We and our partners store small files on"
            " your device to count readers and to show advertising that fits what you have read and bought before.</p>"
            "<button>Accept all</button></body></html>",
            Reason.NOT_ARTICLE,
        ),
        (
            "<html><head><title>Page not found</title></head><body><h1>Page not found</h1><p>The page that you asked"
            " for is not here, or not here any more. Try the search, or go back to the front page and look there.</p>",
            Reason.NOT_ARTICLE,
        ),
        (
            "<html><head><title>Just a moment...</title></head><body><p>Verify you are human by completing the action"
            " below while this site checks the security of your connection before you go on.</p></body></html>",
            Reason.NOT_ARTICLE,
        ),
    ],
    ids=["empty", "short", "consent", "not found", "robots"],
)
def test_refusals(html: str, reason: Reason) -> None:
    with pytest.raises(Rejected) as refusal:
        extract_article(html, URL)
    assert refusal.value.reason is reason


def test_an_article_about_cookies_is_an_article(page: Page) -> None:
    assert _text(page(head='<meta property="og:type" content="article"><title>Cookie law changed</title>')) == TEXT


def test_lines_in_and_out(page: Page) -> None:
    html = page('<p class="date">3 February 2031</p>' + "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS))
    answer = extract_line({"id": 7, "url": URL, "html": html})
    assert (answer["id"], answer["text"], answer["published"]) == (7, TEXT, "2031-02-03")
    refused = extract_line({"id": 8, "html": "<html><head><title>Weld</title></head><body>x</body></html>"})
    assert (refused["text"], refused["reason"], refused["title"]) == ("", "too_short", "Weld")


@pytest.mark.parametrize("record", [{}, {"html": None}, {"body_base64": "?"}, {"body_base64": 3}])
def test_a_line_without_a_page_is_refused(record: dict[str, object]) -> None:
    assert extract_line(record)["reason"] == "unparsable"


TEASERS = "".join(
    f"<div><h3><a href='/news/{n}'>Bridge story number {n}</a></h3><p>One line on it.</p></div>" for n in range(6)
)


@pytest.mark.parametrize(
    ("body", "head"),
    [
        (TEASERS + f"<div id=consent><p>{PARAGRAPHS[0]}</p></div>", ""),
        (
            "".join(f"<p>{p}</p>" for p in PARAGRAPHS),
            '<script type="application/ld+json">{"@type": "CollectionPage"}</script>',
        ),
    ],
)
def test_a_section_front_is_no_article(page: Page, body: str, head: str) -> None:
    with pytest.raises(Rejected) as refusal:
        extract_article(page(body, head=head), URL)
    assert refusal.value.reason is Reason.NOT_ARTICLE


@pytest.mark.parametrize(
    "head",
    [
        '<meta property="og:type" content="article">',
        '<script type="application/ld+json">{"@type": "NewsArticle", "headline": "Bridge closed to lorries"}</script>',
    ],
)
def test_an_article_with_more_teasers_than_paragraphs_is_one(page: Page, head: str) -> None:
    text = _text(page("".join(f"<p>{p}</p>" for p in PARAGRAPHS) + f"<aside>{TEASERS}</aside>", head=head))
    assert text == TEXT


VIDEO = '<script type="application/ld+json">{"@type": "VideoObject", "name": "The bridge from above"}</script>'


@pytest.mark.parametrize("head", [VIDEO, '<meta property="og:type" content="video.other">'])
def test_a_video_with_a_few_lines_is_no_article(page: Page, head: str) -> None:
    with pytest.raises(Rejected) as refusal:
        extract_article(page(head=head), URL)
    assert refusal.value.reason is Reason.NOT_ARTICLE


def test_an_article_with_a_video_in_it_is_one(page: Page) -> None:
    article = '<script type="application/ld+json">{"@type": "NewsArticle", "headline": "Bridge closed"}</script>'
    assert _text(page(head=VIDEO + article)) == TEXT
    long = "".join(f"<p>{paragraph} {n}</p>" for n in range(4) for paragraph in PARAGRAPHS)
    assert _text(page(long, head=VIDEO))


def test_a_date_on_a_sites_front_page_is_a_teasers(page: Page) -> None:
    html = page(f"<time datetime='2031-02-03'>today</time>{TEASERS}<p>{PARAGRAPHS[0]}</p><p>{PARAGRAPHS[1]}</p>")
    assert extract_article(html, URL)
    with pytest.raises(Rejected) as refusal:
        extract_article(html, "https://selwick.example/")
    assert refusal.value.reason is Reason.NOT_ARTICLE


@pytest.mark.parametrize("names", ['id="onetrust-consent-sdk"', 'class="site cookie-banner"', 'id="gdpr_popup"'])
def test_a_box_that_asks_for_consent_is_no_text(page: Page, names: str) -> None:
    box = f"<div {names}><p>Choose which of your data this newspaper and others may keep, and for how long.</p></div>"
    assert _text(page("".join(f"<p>{p}</p>" for p in PARAGRAPHS) + box)) == TEXT


def test_an_article_in_a_box_of_such_a_name_stays(page: Page) -> None:
    body = "".join(f"<p>{p}</p>" for p in PARAGRAPHS)
    assert _text(page(f'<div class="cookie-banner">{body}</div>')) == TEXT


def test_mark_up_in_a_script_fills_a_page_that_shows_little(page: Page) -> None:
    post = "".join(f"<p>{paragraph} {paragraph.upper()}</p>" for paragraph in PARAGRAPHS)
    html = page(f"<p>{PARAGRAPHS[0]}</p><script type='text/template'><span>By Mirela Tosk</span>{post}</script>")
    article = extract_article(html, URL)
    assert article.extractor == "script"
    assert PARAGRAPHS[2].upper() in article.text
