"""Fetch pages politely and return exactly one result per URL.

>>> from transforms.fetch import FetchConfig, fetch_pages
>>> from transforms.schema.urls import request_of
>>> for result in fetch_pages([request_of("no address", "urls")], FetchConfig()):
...     print(result.fetch.outcome, result.fetch.reason)
failed invalid_url
"""

from transforms.fetch.config import ARTICLE_TYPES, FEED_TYPES, FetchConfig
from transforms.fetch.generator import fetch_pages
from transforms.fetch.http.address_guard import is_public
from transforms.fetch.politeness.robots import RobotsRules
from transforms.schema.records import NoPage

__all__ = [
    "ARTICLE_TYPES",
    "FEED_TYPES",
    "FetchConfig",
    "NoPage",
    "RobotsRules",
    "fetch_pages",
    "is_public",
]
