"""Public names of Onrecord: plain functions on plain values, and the Beam transforms built from them.

Importing this package does not import Beam: each name is loaded on first use.

    >>> from onrecord import annotate
    >>> [quote.speaker_name for quote in annotate('"It will rain," said Rosa Tiller.').quotes]
    ['Rosa Tiller']
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transforms.annotate import AnnotateConfig, annotate, resolve_pronouns
    from transforms.annotate.transform import Annotate
    from transforms.extract import ExtractConfig, extract_article
    from transforms.extract.transform import ExtractArticles
    from transforms.fetch import FetchConfig, fetch_pages
    from transforms.fetch.transform import FetchPages
    from transforms.schema.builders import own_article, own_page
    from transforms.schema.failures import Reason, Rejected
    from transforms.schema.records import Annotation, Article, Entity, Failure, Fetch, Page, Quote, UrlRequest
    from transforms.schema.urls import request_of
    from transforms.sources import FeedsSource, SitemapsSource, UrlsSource, WarcSource, parse_feed, parse_sitemap
    from transforms.sources.transform import ListUrls, ReadListings

    __version__: str

_NAMES_BY_MODULE = {
    "transforms.annotate": ("AnnotateConfig", "annotate", "resolve_pronouns"),
    "transforms.annotate.transform": ("Annotate",),
    "transforms.extract": ("ExtractConfig", "extract_article"),
    "transforms.extract.transform": ("ExtractArticles",),
    "transforms.fetch": ("FetchConfig", "fetch_pages"),
    "transforms.fetch.transform": ("FetchPages",),
    "transforms.schema.builders": ("own_article", "own_page"),
    "transforms.schema.failures": ("Reason", "Rejected"),
    "transforms.schema.records": ("Annotation", "Article", "Entity", "Failure", "Fetch", "Page", "Quote", "UrlRequest"),
    "transforms.sources": ("FeedsSource", "SitemapsSource", "UrlsSource", "WarcSource", "parse_feed", "parse_sitemap"),
    "transforms.sources.transform": ("ListUrls", "ReadListings"),
    "transforms.schema.urls": ("request_of",),
}
_MODULE_OF = {name: module for module, names in _NAMES_BY_MODULE.items() for name in names}

__all__ = [  # noqa: RUF022 - in pipeline order
    "ListUrls",
    "ReadListings",
    "FetchPages",
    "ExtractArticles",
    "Annotate",
    "UrlsSource",
    "FeedsSource",
    "SitemapsSource",
    "WarcSource",
    "FetchConfig",
    "ExtractConfig",
    "AnnotateConfig",
    "parse_feed",
    "parse_sitemap",
    "fetch_pages",
    "extract_article",
    "annotate",
    "resolve_pronouns",
    "request_of",
    "own_page",
    "own_article",
    "UrlRequest",
    "Page",
    "Fetch",
    "Article",
    "Annotation",
    "Entity",
    "Quote",
    "Failure",
    "Reason",
    "Rejected",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("onrecord")
    if name not in _MODULE_OF:
        raise AttributeError(f"onrecord has no attribute {name!r}; its names are {', '.join(__all__)}")
    try:
        module = import_module(_MODULE_OF[name])
    except ModuleNotFoundError as error:
        from onrecord.packages import package_error

        raise ImportError(package_error() or str(error)) from error
    return getattr(module, name)
