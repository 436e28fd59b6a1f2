"""Read the metadata of a page from JSON-LD, meta tags and visible elements, in this order."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import htmldate
from lxml.html import HtmlElement

from transforms.extract.metadata.authors import Signed, read_bylines
from transforms.extract.metadata.bylines import Bylines
from transforms.extract.metadata.html_metadata import (
    marked_dates,
    meta_tags,
    url_date,
)
from transforms.extract.metadata.jsonld import JsonLd, Node, plain, read_jsonld, types_of
from transforms.extract.metadata.titles import headline_of, shown_titles, site_headings, title_of
from transforms.extract.metadata.visible_dates import visible_date
from transforms.schema.failures import Rejected
from transforms.schema.urls import domain_of, resolve
from transforms.text.dates import Moment, best_moment, parse_moment

# It logs each missing date, which the missing value already shows.
logging.getLogger("htmldate").setLevel(logging.CRITICAL)

_DESCRIPTION = ("og:description", "description", "dc.description", "dcterms.description", "twitter:description")
_AUTHOR = (
    "parsely-author", "citation_author", "article:author", "og:article:author", "author", "authors", "byl",
    "sailthru.author", "dc.creator", "dcterms.creator", "dc:creator", "cxenseparse:author", "creator",
    "twitter:misc:written by",
)  # fmt: skip
_PUBLISHED = (
    "article:published_time", "og:article:published_time", "datepublished", "parsely-pub-date", "article:published",
    "og:published_time", "pubdate", "publishdate", "publish_date", "publish-date", "publication_date",
    "article.published", "sailthru.date", "dc.date.issued", "dcterms.issued", "dcterms.created", "dc.date.created",
    "dc.date", "dcterms.date", "citation_publication_date", "citation_date", "cxenseparse:recs:publishtime",
    "date", "article_date_original", "originalpublicationdate", "timestamp",
)  # fmt: skip
_MODIFIED = (
    "article:modified_time", "og:updated_time", "article:updated", "article:updated_time", "og:modified_time",
    "datemodified", "dcterms.modified", "dc.date.modified", "lastmod", "last-modified", "revised",
)  # fmt: skip
_SECTION = ("article:section", "parsely-section", "og:article:section", "cxenseparse:articlesection", "section")
_TAGS = (
    "article:tag",
    "og:article:tag",
    "parsely-tags",
    "news_keywords",
    "keywords",
    "dcterms.subject",
    "sailthru.tags",
)
_IMAGE = ("og:image:secure_url", "og:image", "og:image:url", "twitter:image", "twitter:image:src", "parsely-image-url")
_SITE = ("og:site_name", "application-name", "dc.publisher", "dcterms.publisher", "al:android:app_name")
# Label of the author in link previews of WordPress plug-ins, in the page's language.
_WRITTEN_BY = re.compile(
    r"(?:written by|verfasst von|geschrieben von|écrit par|rédigé par|escrito por|scritto da|geschreven door"
    r"|skrevet av|skrevet af|skriven av|napisane przez|author|autor)\b",
    re.IGNORECASE,
)
_IN_BRACKETS = re.compile(r"\s*\([^()]*\)")
_MAX_TAGS = 50
_CLOCK_SKEW = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Metadata of a page; missing values are None."""

    title: str | None = None
    headline: str = ""
    """Visible headline; empty if missing."""
    description: str | None = None
    authors: tuple[str, ...] = ()
    """The persons who sign the article."""
    byline_org: tuple[str, ...] = ()
    """The organisations that sign it: an agency, a desk, the paper."""
    published: Moment | None = None
    modified: Moment | None = None
    section: str | None = None
    tags: tuple[str, ...] = ()
    image_url: str | None = None
    site_name: str | None = None
    canonical_url: str | None = None
    is_paywalled: bool | None = None
    is_live_blog: bool | None = None
    tdm_reserved: bool | None = None
    article_body: str = ""
    """Text in the JSON-LD, unchanged: used to check the extraction."""
    is_article: bool = False
    """Whether the page declares an article (JSON-LD or og:type)."""
    is_index: bool = False
    """Whether the page declares a list of pages (JSON-LD)."""
    is_video: bool = False
    """Whether the page declares a video (og:type, or JSON-LD with a video and no article)."""


def read_metadata(tree: HtmlElement, url: str = "", fetched_at: datetime | None = None) -> Metadata:
    """Read a page's metadata.

    Args:
        tree: the parsed page; not modified.
        url: URL of the page, for relative links, its date, and the site's name in a title.
        fetched_at: time of the fetch, in UTC; later guessed dates are ignored.
    """
    meta = meta_tags(tree)
    headline = headline_of(tree, shown_titles(tree, meta))
    canonical = _canonical(tree, meta, url)
    data = read_jsonld(tree, headline, frozenset(link.rstrip("/") for link in (url, canonical) if link))
    article = data.article
    site = _site_name(data, meta)
    sites = _site_names(data, meta, site, url)
    signed = _signed(data, meta, tree, headline, sites)
    published = _published(data, meta, tree, headline, url, fetched_at)
    return Metadata(
        title=title_of(data, meta, tree, headline, [*sites, *site_headings(tree)]) or None,
        headline=headline,
        description=data.text(article.get("description")) or _first(meta, _DESCRIPTION) or None,
        authors=signed.persons,
        byline_org=signed.organisations,
        published=published,
        modified=_modified(data, meta, tree),
        section=data.text(article.get("articleSection"), "name") or _first(meta, _SECTION) or None,
        tags=_tags(data, meta),
        image_url=_link(url, data.text(article.get("image"), "url", "contentUrl", "@id") or _first(meta, _IMAGE)),
        site_name=site or None,
        canonical_url=canonical,
        is_paywalled=_is_paywalled(data, meta),
        is_live_blog="LiveBlogPosting" in types_of(article) if article else None,
        tdm_reserved=_tdm_reserved(meta),
        article_body=next((body for body in data.items(article.get("articleBody")) if isinstance(body, str)), ""),
        is_article=bool(article) or _first(meta, ("og:type",)).lower() == "article",
        is_index=data.is_index,
        is_video=not article and (data.is_video or _first(meta, ("og:type",)).lower().startswith("video")),
    )


def _first(meta: dict[str, list[str]], names: tuple[str, ...]) -> str:
    return next((meta[name][0] for name in names if name in meta), "")


def _link(base: str, href: str) -> str | None:
    """Return the absolute http or https URL of a link, or None."""
    try:
        link = resolve(base, href) if href else ""
    except Rejected:
        return None
    return link if link.startswith(("http://", "https://")) else None


def _canonical(tree: HtmlElement, meta: dict[str, list[str]], url: str) -> str | None:
    base = next((element.get("href") or "" for element in tree.iter("base")), "")
    base = _link(url, base) or url
    for element in tree.iter("link"):
        if "canonical" in (element.get("rel") or "").lower().split() and (
            link := _link(base, element.get("href") or "")
        ):
            return link
    return _link(base, _first(meta, ("og:url",)))


def _site_name(data: JsonLd, meta: dict[str, list[str]]) -> str:
    return (
        _first(meta, ("og:site_name",))
        or data.text(data.article.get("publisher"), "name")
        or data.text(data.site.get("name"))
        or _first(meta, _SITE)
    )


def _site_names(data: JsonLd, meta: dict[str, list[str]], site: str, url: str) -> list[str]:
    domain = domain_of(url)
    publisher = next((each for each in data.items(data.article.get("publisher")) if isinstance(each, dict)), {})
    if "Person" in types_of(publisher):  # a blog of one person, who is also its author
        return [site] if site and site != data.text(publisher.get("name")) else []
    names = [
        site,
        data.text(data.article.get("publisher"), "name"),
        data.text(data.site.get("name")),
        *(meta[name][0] for name in (*_SITE, "twitter:site", "publisher", "article:publisher") if name in meta),
        domain,
        domain.partition(".")[0],
    ]
    return [form for name in names if name for form in {name.lstrip("@"), _IN_BRACKETS.sub("", name)} if form]


def _signed(data: JsonLd, meta: dict[str, list[str]], tree: HtmlElement, headline: str, sites: list[str]) -> Signed:
    """The persons of the surest source that names any, with its organisations, else the first organisations."""
    sections = [*data.items(data.article.get("articleSection")), *(meta[name][0] for name in _SECTION if name in meta)]
    banned = [section for section in sections if isinstance(section, str)]
    declared = tuple(dict.fromkeys(name for each in _organisations(data) for name in _names(data, each)))
    organisations: dict[str, None] = {}
    for raw, is_field in _author_sources(data, meta, tree, headline):
        signed = read_bylines(raw, sites, banned, is_field=is_field)
        if signed.persons:
            others = declared if declared and not organisations else ()
            return Signed(signed.persons, tuple(dict.fromkeys([*signed.organisations, *others])))
        organisations.update(dict.fromkeys(signed.organisations))
    return Signed((), tuple(organisations or declared))


def _organisations(data: JsonLd) -> list[Node]:
    """The authors in the JSON-LD that are no persons."""
    declared = (each for key in ("author", "creator") for each in data.items(data.article.get(key)))
    return [each for each in declared if isinstance(each, dict) and _is_organisation(each)]


def _author_sources(
    data: JsonLd, meta: dict[str, list[str]], tree: HtmlElement, headline: str
) -> Iterator[tuple[list[str], bool]]:
    """Names as the page writes them, the surest first, and whether they stand in fields for names."""
    declared = [each for key in ("author", "creator") for each in data.items(data.article.get(key))]
    organisations = _organisations(data)
    yield [name for each in declared if each not in organisations for name in _names(data, each)], True
    for name in _AUTHOR:
        if name in meta:
            yield meta[name], True
    yield from Bylines(tree, headline)
    for label, value in (("twitter:label1", "twitter:data1"), ("twitter:label2", "twitter:data2")):
        if _WRITTEN_BY.match(_first(meta, (label,))):
            yield meta.get(value, []), True
    # Some sites declare a person as an organisation; use it only if no other source has names.
    yield [name for each in organisations for name in _names(data, each)], False


def _is_organisation(author: Node) -> bool:
    types = types_of(author)
    return bool(types) and "Person" not in types


def _names(data: JsonLd, author: object) -> Iterator[str]:
    if isinstance(author, str):
        yield plain(author)
    elif isinstance(author, dict):
        names = [data.text(name) for name in data.items(author.get("name"))]
        yield from names or [_given_and_family(data, author)]


def _given_and_family(data: JsonLd, author: Node) -> str:
    return " ".join(part for key in ("givenName", "familyName") if (part := data.text(author.get(key))))


def _moments(values: Iterator[str] | list[str]) -> list[Moment]:
    return [moment for value in values if (moment := parse_moment(value))]


def _published(
    data: JsonLd,
    meta: dict[str, list[str]],
    tree: HtmlElement,
    headline: str,
    url: str,
    fetched_at: datetime | None,
) -> Moment | None:
    fields = [str(data.article.get(key) or "") for key in ("datePublished", "dateCreated", "uploadDate")]
    fields += [value for name in _PUBLISHED for value in meta.get(name, ())]
    if not data.article:
        fields.append(str(data.page.get("datePublished") or ""))
    declared = _moments(fields) or list(marked_dates(tree))
    if declared:
        return best_moment(declared)
    for moment in _guessed_dates(tree, headline, url, fetched_at):
        if moment and (fetched_at is None or moment.at <= fetched_at + _CLOCK_SKEW):
            return moment
    return None


def _guessed_dates(tree: HtmlElement, headline: str, url: str, fetched_at: datetime | None) -> Iterator[Moment | None]:
    yield visible_date(tree, headline)
    yield url_date(url)
    yield _found_by_htmldate(tree, url, fetched_at)


def _found_by_htmldate(tree: HtmlElement, url: str, fetched_at: datetime | None) -> Moment | None:
    try:
        found = htmldate.find_date(
            tree,
            url=url or None,
            original_date=True,
            extensive_search=False,
            max_date=fetched_at,
            outputformat="%Y-%m-%d",
        )
    except (ValueError, TypeError, AttributeError, OverflowError):
        return None
    return parse_moment(found) if found else None


def _modified(data: JsonLd, meta: dict[str, list[str]], tree: HtmlElement) -> Moment | None:
    fields = [str(data.article.get("dateModified") or "")]
    fields += [value for name in _MODIFIED for value in meta.get(name, ())]
    if not data.article:
        fields.append(str(data.page.get("dateModified") or ""))
    return best_moment(_moments(fields)) or next(marked_dates(tree, modified=True), None)


def _tags(data: JsonLd, meta: dict[str, list[str]]) -> tuple[str, ...]:
    def split(values: list[str]) -> dict[str, None]:
        parts = (part.strip() for value in values for part in re.split(r"[,;]", value))
        return dict.fromkeys(part for part in parts if part and len(part) <= 100 and ":" not in part)

    listed = [data.text(each, "name") for each in data.items(data.article.get("keywords"))]
    for values in (listed, *(meta.get(name, []) for name in _TAGS)):
        if found := split(values):
            return tuple(found)[:_MAX_TAGS]
    return ()


def _is_paywalled(data: JsonLd, meta: dict[str, list[str]]) -> bool | None:
    parts = [part for part in data.items(data.article.get("hasPart")) if isinstance(part, dict)]
    nodes: list[Node] = [data.article, *parts] if data.article else [data.page]
    declared = {str(node["isAccessibleForFree"]).strip().lower() for node in nodes if "isAccessibleForFree" in node}
    declared |= {value.lower() for value in meta.get("article:content_tier", ())}
    if declared & {"false", "no", "locked", "http://schema.org/false", "https://schema.org/false"}:
        return True
    return False if declared & {"true", "yes", "free", "http://schema.org/true", "https://schema.org/true"} else None


def _tdm_reserved(meta: dict[str, list[str]]) -> bool | None:
    """Return the page's reservation of text and data mining (W3C TDM Reservation Protocol), or None."""
    value = _first(meta, ("tdm-reservation",))
    return value == "1" if value in ("0", "1") else None
