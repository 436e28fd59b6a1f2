"""Pull Cloud Pub/Sub messages, convert them into requests, and acknowledge them after the commit of their URLs.

The data of a message is a URL, or a JSON object with the keys ``url`` and optionally ``published`` (RFC 3339). Any
other message becomes a request for its text, so that the fetch stage writes a row for it: failed, invalid_url.
"""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from transforms.schema.errors import ExitCode, OnrecordError
from transforms.schema.failures import Rejected
from transforms.schema.records import UrlRequest
from transforms.schema.urls import canonical_url, request_of, without_secrets
from transforms.text.dates import parse_feed_date

MAX_BYTES = 1 << 16
"""Maximum size of a message; Pub/Sub itself allows 10 MB."""
MAX_SHOWN = 2_000
"""Maximum number of characters kept of a message without a valid URL."""
MAX_MESSAGES = 1_000
"""Maximum number of messages per pull, a limit of Pub/Sub."""

_LOG = logging.getLogger(__name__)
_PULL_SECONDS = 2.0
_RPC_SECONDS = 20.0
# Pub/Sub allows 512 KiB per request.
_MAX_REQUEST = 500_000
_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# It shows that characters of the URL are lost, so a text with it is never requested.
_LOST = "\ufffd"
_MILLISECONDS = re.compile(r"[0-9]{1,15}")


class SubscriptionError(OnrecordError):
    """A subscription cannot be read. The message names it and the cause."""

    exit_code = ExitCode.REFUSED


def request_of_message(
    data: bytes, attributes: Mapping[str, str], timestamp_attribute: str | None = None, ack_handle: str | None = None
) -> UrlRequest:
    """Convert a message into a request with the source ``pubsub``. Never raises; see above for invalid messages.

    Args:
        data: the message's data.
        attributes: the message's attributes.
        timestamp_attribute: the attribute with the time of publication, RFC 3339 or milliseconds since 1970, for
            messages without it in their data.
        ack_handle: handle of the message for `acknowledge`.
    """
    published_at = _moment(attributes.get(timestamp_attribute, "")) if timestamp_attribute else None
    text = data[:MAX_BYTES].decode("utf-8", "replace")
    if len(data) > MAX_BYTES:
        text += _LOST
    elif text.lstrip("\ufeff \t\r\n").startswith("{"):
        message = _json_object(text)
        if isinstance(url := message.get("url"), str) and url.strip():
            text = url
        if isinstance(published := message.get("published"), str):
            published_at = parse_feed_date(published) or published_at
    return replace(request_of(_url_or_text(text), "pubsub", published_at=published_at), ack_handle=ack_handle)


def _json_object(text: str) -> dict[str, Any]:
    """Parse a JSON object; an invalid one is empty."""
    try:
        found: dict[str, Any] = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return {}
    return found


def _url_or_text(text: str) -> str:
    """Return a URL unchanged, and any other text readable and never a valid URL."""
    try:
        return canonical_url(text)
    except Rejected:
        # Hide passwords before shortening: part of one would not be recognised.
        shown = without_secrets(_UNREADABLE.sub(_LOST, text.strip()))
        return shown if len(shown) <= MAX_SHOWN else shown[: MAX_SHOWN - 1] + _LOST


def _moment(text: str) -> datetime | None:
    if not _MILLISECONDS.fullmatch(text):
        return parse_feed_date(text)
    try:
        return datetime.fromtimestamp(int(text) / 1000, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None


def open_subscriber() -> Any:
    """Open a client of Pub/Sub, or of the emulator at PUBSUB_EMULATOR_HOST. The caller closes it.

    Raises:
        SubscriptionError: the client library is not installed, or finds no credentials.
    """
    try:
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.pubsub_v1 import SubscriberClient
    except ImportError as error:
        raise SubscriptionError(
            f"A source of type pubsub needs onrecord[pubsub] ({error}). Run: pip install 'onrecord[pubsub]'"
        ) from error
    try:
        return SubscriberClient()
    except GoogleAuthError as error:
        raise SubscriptionError(f"Pub/Sub is not available: {error}") from error


def pull(client: Any, subscription: str, most: int, lease_seconds: int) -> list[Any] | None:
    """Pull messages from a subscription. A message is redelivered if it is not acknowledged before its lease ends.

    Args:
        client: from `open_subscriber`.
        subscription: ``projects/P/subscriptions/S``.
        most: maximum number of messages, 1 to `MAX_MESSAGES`.
        lease_seconds: the lease, 10 to 600 seconds.

    Returns:
        ``ReceivedMessage`` objects, empty if none arrived for two seconds; None if Pub/Sub is unreachable or busy,
        which is logged. No message is lost.

    Raises:
        SubscriptionError: Pub/Sub refuses permanently.
    """
    from google.api_core import exceptions

    try:
        try:
            response = client.pull(subscription=subscription, max_messages=most, retry=None, timeout=_PULL_SECONDS)
        except exceptions.DeadlineExceeded:
            return []
        messages = list(response.received_messages)
        for ack_ids in _requests(message.ack_id for message in messages):
            client.modify_ack_deadline(
                subscription=subscription,
                ack_ids=ack_ids,
                ack_deadline_seconds=lease_seconds,
                retry=None,
                timeout=_RPC_SECONDS,
            )
    except (exceptions.ServerError, exceptions.TooManyRequests, exceptions.Aborted, exceptions.Cancelled) as error:
        _LOG.warning("%s cannot be read now, retrying: %s", subscription, error)
        return None
    except exceptions.GoogleAPICallError as error:
        raise SubscriptionError(f"{subscription} cannot be read: {error}") from error
    return messages


def ack_handle_of(subscription: str, ack_id: str) -> str:
    """Return the handle of a message for `acknowledge`: one line of text."""
    return f"{subscription} {ack_id}"


def acknowledge(ack_handles: Iterable[str]) -> None:
    """Acknowledge messages after the rows of their URLs are committed.

    Never raises. An invalid or expired handle is logged at most; its message is redelivered, and its URL is then known.

    Args:
        ack_handles: from `ack_handle_of`; without any, no client is opened.
    """
    by_subscription: dict[str, dict[str, None]] = {}
    for ack_handle in ack_handles:
        subscription, _, ack_id = ack_handle.partition(" ")
        by_subscription.setdefault(subscription, {})[ack_id] = None
    if not by_subscription:
        return
    from google.api_core.exceptions import GoogleAPIError

    try:
        client = open_subscriber()
    except SubscriptionError as error:
        _LOG.warning("Messages cannot be acknowledged and will be redelivered: %s", error)
        return
    with client:
        for subscription, ids in by_subscription.items():
            for ack_ids in _requests(ids):
                try:
                    client.acknowledge(subscription=subscription, ack_ids=ack_ids)
                except GoogleAPIError as error:
                    _LOG.warning("%s: %d messages will be redelivered: %s", subscription, len(ack_ids), error)


def _requests(ack_ids: Iterable[str]) -> Iterator[list[str]]:
    """Divide ids into batches that fit into one request."""
    batch: list[str] = []
    size = 0
    for ack_id in ack_ids:
        # The encoding adds a few bytes per id.
        size += len(ack_id) + 8
        if batch and size > _MAX_REQUEST:
            yield batch
            batch, size = [], len(ack_id) + 8
        batch.append(ack_id)
    if batch:
        yield batch
