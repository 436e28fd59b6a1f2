"""Find redirect targets: the Location header, or an HTML refresh."""

from transforms.fetch.http.client import Response
from transforms.fetch.politeness.tdm_reservation import Head, refresh_target
from transforms.schema.failures import Reason, Rejected
from transforms.schema.urls import normal_url, resolve

REDIRECTS = (301, 302, 303, 307, 308)
"""Statuses of redirects that are followed."""


def next_url(response: Response, seen: set[str], limit: int) -> str:
    """Return the target of a redirect.

    Args:
        response: its status is one of `REDIRECTS`.
        seen: the URLs of the chain so far.
        limit: maximum number of redirects.

    Raises:
        Rejected: there is no target, it is not a valid URL, it is in `seen`, or there are too many redirects.
    """
    location = response.headers.get("Location", "").strip()
    if not location:
        raise Rejected(Reason.HTTP_UNEXPECTED, f"{response.url} returned {response.status} without a Location header.")
    # aiohttp keeps bytes that are not UTF-8 as lone surrogates; in a URL they are percent-encoded.
    data = location.encode("utf-8", "surrogateescape")
    url = normal_url(resolve(response.url, "".join(chr(b) if b < 0x80 else f"%{b:02X}" for b in data)))
    if url in seen:
        raise Rejected(Reason.REDIRECT_LOOP, f"The redirects form a loop at {url}.")
    if len(seen) > limit:
        raise Rejected(Reason.TOO_MANY_REDIRECTS, f"More than {limit} redirects, the last from {response.url}.")
    return url


def refresh_url(response: Response, head: Head, seen: set[str]) -> str | None:
    """Return the target of a Refresh header or an HTML refresh; None if there is none or it is in `seen`."""
    target = refresh_target(response.headers.get("Refresh", "")) or head.refresh
    if target is None:
        return None
    try:
        url = normal_url(resolve(response.url, target))
    except Rejected:
        return None
    return None if url in seen else url
