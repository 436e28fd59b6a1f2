"""Where an response leads: its Location, or the refresh in its page's head."""

from transforms.fetch.http.client import Response
from transforms.fetch.politeness.tdm_reservation import Head
from transforms.schema.failures import Reason, Rejected
from transforms.schema.urls import normal_url, resolve

REDIRECTS = (301, 302, 303, 307, 308)
"""Statuses that lead elsewhere."""


def next_url(response: Response, seen: set[str], limit: int) -> str:
    """The address that a redirect leads to.

    Args:
        response: one with a status of `REDIRECTS`.
        seen: the addresses that led here.
        limit: how many redirects are followed.

    Raises:
        Rejected: it leads nowhere, to what is no web address, back, or too far.
    """
    location = response.headers.get("Location", "").strip()
    if not location:
        raise Rejected(Reason.HTTP_UNEXPECTED, f"{response.url} answers with {response.status} and no Location.")
    # aiohttp keeps bytes that are not UTF-8 as lone surrogates; in an address they are escaped.
    data = location.encode("utf-8", "surrogateescape")
    url = normal_url(resolve(response.url, "".join(chr(b) if b < 0x80 else f"%{b:02X}" for b in data)))
    if url in seen:
        raise Rejected(Reason.REDIRECT_LOOP, f"The redirects come back to {url}.")
    if len(seen) > limit:
        raise Rejected(Reason.TOO_MANY_REDIRECTS, f"More than {limit} redirects, the last from {response.url}.")
    return url


def refresh_url(response: Response, head: Head, seen: set[str]) -> str | None:
    """Where a page sends its readers at once, if that is another page; what it says besides counts for nothing."""
    if head.refresh is None:
        return None
    try:
        url = normal_url(resolve(response.url, head.refresh))
    except Rejected:
        return None
    return None if url in seen else url
