"""The publication date in lines for readers: near the headline, never in the masthead or in lists of other articles."""

import pytest

from tests.support.pages import PARAGRAPHS
from transforms.extract import extract_line
from transforms.extract.html.normalize import parse_html
from transforms.extract.metadata.visible_dates import visible_date

_TEXT = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)
_H1 = "<h1>Bridge closed to lorries</h1>"


@pytest.mark.parametrize(
    ("body", "day"),
    [
        (f"<article>{_H1}<div><div>December 16, 2016, 4:19 PM</div></div>{_TEXT}</article>", "2016-12-16"),
        (f"<div>This story is from October 9, 2019</div>{_H1}{_TEXT}", "2019-10-09"),
        (
            f'<div class="header"><i class="date">14 Jan 2020</i></div>{_H1}<p>13 Jan 2020, 22:11</p>{_TEXT}',
            "2020-01-13",
        ),
        (
            '<div class="more__row"><span class="more__date">20.03.2025</span> <a href="/x">Mill</a></div>'
            f'<div><div class="news-header"><span>22.03.2025 - 14:08</span></div>{_H1}{_TEXT}</div>',
            "2025-03-22",
        ),
        (f'<header><span class="date">14 Jan 2020</span></header><nav></nav><main>{_H1}{_TEXT}</main>', None),
        (f"{_H1}{_TEXT}<p>Read on: the mill of 3 May 2019</p>", None),
        (f'{_H1}{_TEXT}<p class="date">3 May 2019</p>', "2019-05-03"),
        (f'{_H1}<p class="updated">4 May 2019</p><p class="date">3 May 2019</p>{_TEXT}', "2019-05-03"),
    ],
)
def test_visible_dates(body: str, day: str | None) -> None:
    links = "".join(f"<i><a href='/{n}'>Section {n}</a></i>" for n in range(5))
    body = body.replace("<nav></nav>", f"<nav>{links}</nav>")
    moment = visible_date(parse_html(f"<html><body>{body}</body></html>"), "Bridge closed to lorries")
    assert (moment and moment.at.date().isoformat()) == day


def test_the_local_day_is_kept() -> None:
    data = '{"@type": "NewsArticle", "headline": "Bridge", "datePublished": "2024-03-05T23:30:00-05:00"}'
    page = f'<html><head><script type="application/ld+json">{data}</script></head><body>{_H1}{_TEXT}</body></html>'
    found = extract_line({"url": "https://ostrand.example/bridge", "html": page})
    assert (found["published"], found["published_day"]) == ("2024-03-05T23:30:00-05:00", "2024-03-05")
