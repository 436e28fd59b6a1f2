"""Write and read the WARC header with the metadata of a request."""

import json
from contextlib import suppress
from typing import Any

from transforms.schema.records import Page

REQUEST_HEADER = "Onrecord-Request"
"""Record header with JSON: the requested URL before redirects, the metadata from its feed, and whether the site
reserves the page."""


def to_request_header(page: Page) -> str:
    """Serialize the metadata of a page's request for `REQUEST_HEADER`."""
    request = page.request
    metadata = {
        "url": request.url,
        "title": request.title,
        "published_at": request.published_at.isoformat() if request.published_at else None,
        "tdm_reserved": page.tdm_reserved,
    }
    return json.dumps({key: value for key, value in metadata.items() if value is not None})


def from_request_header(header: str) -> dict[str, Any]:
    """Parse a value of `REQUEST_HEADER`; empty if it is missing or not valid."""
    with suppress(ValueError, RecursionError):
        metadata = json.loads(header)
        return metadata if isinstance(metadata, dict) else {}
    return {}
