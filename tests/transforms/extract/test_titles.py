"""The headline that a page shows, and the names of sites that are not part of it."""

import pytest

from transforms.extract.html.normalize import parse_html
from transforms.extract.metadata.reader import read_metadata

_URL = "https://www.ostrand-gazette.example/news/ferry"


def _title(title: str, body: str, head: str = "") -> str | None:
    return read_metadata(
        parse_html(f"<html><head><title>{title}</title>{head}</head><body>{body}</body></html>"), _URL
    ).title


def _og(title: str) -> str:
    return f'<meta property="og:title" content="{title}">'


@pytest.mark.parametrize(
    ("title", "og", "shown", "wanted"),
    [
        ("Islanders angry | Gazette", "Islanders angry", "Ferry to sail twice a day", "Islanders angry"),
        ("Ferry of Ostrand cut to two", "Ferry of Ostrand cut", "Ferry of Ostrand is cut to two trips", ""),
        ("Ferry to sail twice a day", "Opinion | Ferry to sail twice a day", "Ferry to sail twice a day", ""),
        ("Harbour", "Harbour", "The harbour of Ostrand opens again", ""),
        (
            "Islands - a guide to all islands of the northern sea",
            "",
            "Islands",
            "Islands - a guide to all islands of the northern sea",
        ),
        (
            "Eleven ways to cook a trout",
            "Eleven ways to cook a trout",
            "My life by the river",
            "Eleven ways to cook a trout",
        ),
    ],
)
def test_the_shown_headline_counts_if_a_title_is_like_it(title: str, og: str, shown: str, wanted: str) -> None:
    assert _title(title, f"<h1>{shown}</h1>", _og(og) if og else "") == (wanted or shown)


def test_the_headline_of_the_json_ld_counts_before_the_shown_one() -> None:
    data = '<script type="application/ld+json">{"@type": "NewsArticle", "headline": "Ferry: two trips a day"}</script>'
    assert (
        _title("Ferry to make two trips a day", "<h1>Ferry to make two trips a day</h1>", data)
        == "Ferry: two trips a day"
    )


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("<h1><a href='/'>Karra Diary</a></h1><h2>Old mill turns again</h2>", "Old mill turns again"),
        ("<h1>Karra Diary</h1><div><h2>Old mill turns again</h2></div>", "Old mill turns again"),
        ("<article><h1><a href='/x'>Ferry cut</a></h1></article><article><h1>Old mill turns again</h1></article>", ""),
        ("<h1><span>Brindle</span> <span>Old mill turns again</span></h1>", ""),
    ],
)
def test_other_headings_are_not_the_headline(body: str, wanted: str) -> None:
    title = "Karra Diary - Old mill turns again" if wanted else "Old mill turns again | Gazette"
    assert _title(title, body) == "Old mill turns again"


@pytest.mark.parametrize("separator", ["｜", " ｜ ", " | ", ":", "：", " - ", "_", " ∣ "])
def test_separators_of_all_widths(separator: str) -> None:
    site = '<meta property="og:site_name" content="海港新聞網">'
    assert _title(f"渡輪每天只開兩班{separator}海港新聞網", "<h1>快訊</h1>", site) == "渡輪每天只開兩班"


def test_a_page_without_any_title_has_none() -> None:
    assert _title("", "<p>Ferry</p>") is None
