import lxml.html
import pytest

from transforms.extract.metadata.jsonld import JsonLd, plain, read_jsonld


def _read(*scripts: str, title: str = "", urls: frozenset[str] = frozenset()) -> JsonLd:
    tags = "".join(f'<script type="application/ld+json">{script}</script>' for script in scripts)
    return read_jsonld(lxml.html.document_fromstring(f"<html><head>{tags}</head><body></body></html>"), title, urls)


@pytest.mark.parametrize(
    "script",
    [
        '{"@type": "NewsArticle", "headline": "Weld cracked",}',
        '{"@type": "NewsArticle", "headline": "Weld\ncracked"}',
        '<!-- {"@type": "NewsArticle", "headline": "Weld cracked"} -->',
        '//<![CDATA[\n{"@type": "NewsArticle", "headline": "Weld cracked"}\n//]]>',
        '{"@type": "NewsArticle", "headline": "Weld cracked"};',
        '{"@type": "WebSite"}{"@type": "NewsArticle", "headline": "Weld cracked"}',
        "{&quot;@type&quot;: &quot;NewsArticle&quot;, &quot;headline&quot;: &quot;Weld cracked&quot;}",
        '[[{"@type": ["Thing", "https://schema.org/NewsArticle"], "headline": "Weld cracked"}]]',
        '{"@graph": [{"@type": "WebPage", "mainEntity": {"@type": "NewsArticle", "headline": "Weld cracked"}}]}',
    ],
)
def test_slightly_broken_and_nested_data_is_read(script: str) -> None:
    data = _read(script)
    assert data.text(data.article.get("headline")) == "Weld cracked"


@pytest.mark.parametrize("script", ["", "{", "null", "[" * 100_000, '{"a": "' + '\\"' * 100_000, "[1," + " " * 100_000])
def test_hopeless_data_is_left_out(script: str) -> None:
    assert _read(script, '{"@type": "NewsArticle", "headline": "Weld cracked"}').article["headline"] == "Weld cracked"


def test_the_pages_own_article_is_told_from_teasers() -> None:
    teaser = '{"@type": "NewsArticle", "headline": "Loaf sold", "author": "A B", "datePublished": "2031-01-01"}'
    own = '{"@type": "NewsArticle", "headline": "Weld cracked", "url": "https://selwick.example/weld/"}'
    assert _read(teaser, own, title="Weld cracked").article["headline"] == "Weld cracked"
    assert _read(teaser, own, urls=frozenset({"https://selwick.example/weld"})).article["headline"] == "Weld cracked"


def test_a_list_of_other_pages_gives_no_article() -> None:
    listed = '{"@type": "ItemList", "itemListElement": [{"@type": "NewsArticle", "headline": "Loaf sold"}]}'
    assert _read(listed).article == {}


def test_references_are_followed() -> None:
    data = _read(
        '{"@graph": [{"@type": "Person", "@id": "#p", "name": "Mirela Tosk"},'
        ' {"@type": "NewsArticle", "author": [{"@id": "#p"}]}]}'
    )
    assert [each["name"] for each in data.items(data.article["author"]) if isinstance(each, dict)] == ["Mirela Tosk"]


def test_entities_written_twice() -> None:
    assert plain("Salt &amp;amp; sand\n on  the quay") == "Salt & sand on the quay"
