"""Cloud Pub/Sub messages as requests, and the messages' way back: acknowledged when a run that holds their URL stands.

A message's data is an address, or a JSON object with the keys ``url`` and, where known, ``published`` (RFC 3339). What
is neither is a request too, for the text as it came, so that the fetch stage gives it its row: failed, invalid_url.
"""

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from transforms.schema.errors import OnrecordError
from transforms.schema.failures import Rejected
from transforms.schema.records import UrlRequest
from transforms.schema.urls import canonical_url, request_of, without_secrets
from transforms.text.dates import parse_feed_date

MAX_BYTES = 1 << 16
"""The largest message taken; Pub/Sub itself takes 10 MB."""
MAX_SHOWN = 2_000
"""How many characters of a message that names no address are kept."""
MAX_MESSAGES = 1_000
"""Most messages of one pull, by Pub/Sub's own limit."""

_LOG = logging.getLogger(__name__)
_PULL_SECONDS = 2.0
_RPC_SECONDS = 20.0
# Pub/Sub takes 512 KiB a request.
_MAX_REQUEST = 500_000
_UNREADABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# In an address it means that the true one is lost, so no text that holds it is ever asked for.
_LOST = "\ufffd"
_MILLISECONDS = re.compile(r"[0-9]{1,15}")


class SubscriptionError(OnrecordError):
    """A subscription cannot be read; the message is one sentence with its name and the cause."""

    exit_code = 2


def request_of_message(
    data: bytes, attributes: Mapping[str, str], timestamp_attribute: str | None = None, ack_handle: str | None = None
) -> UrlRequest:
    """The request that a message makes, source ``pubsub``. Never raises: see above for what holds no address.

    Args:
        data: the message's data.
        attributes: the message's attributes.
        timestamp_attribute: the attribute with the time of publication, RFC 3339 or milliseconds since 1970, where the
            data does not say it.
        ack_handle: what `acknowledge` takes for the message.
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
    return replace(request_of(_askable(text), "pubsub", published_at=published_at), ack_handle=ack_handle)


def _json_object(text: str) -> dict[str, Any]:
    """What a JSON object holds; nothing for one that is broken."""
    try:
        found: dict[str, Any] = json.loads(text.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return {}
    return found


def _askable(text: str) -> str:
    """An address as it is; any other text so that it can be read in a table, and cannot be taken for an address."""
    try:
        return canonical_url(text)
    except Rejected:
        # First the passwords: cut in two, none would be known for one.
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
    """A client of Pub/Sub, or of the emulator that PUBSUB_EMULATOR_HOST names. Whoever opens it closes it.

    Raises:
        SubscriptionError: the client library is not there, or finds no credentials.
    """
    try:
        from google.auth.exceptions import GoogleAuthError
        from google.cloud.pubsub_v1 import SubscriberClient
    except ImportError as error:
        raise SubscriptionError(f"a source of type pubsub needs onrecord[pubsub] ({error}): install it") from error
    try:
        return SubscriberClient()
    except GoogleAuthError as error:
        raise SubscriptionError(f"Pub/Sub cannot be asked: {error}") from error


def pull(client: Any, subscription: str, most: int, lease_seconds: int) -> list[Any] | None:
    """Takes messages from a subscription; each is ours for the lease, and comes again when it was not acknowledged.

    Args:
        client: from `open_subscriber`.
        subscription: ``projects/P/subscriptions/S``.
        most: most messages, 1 to `MAX_MESSAGES`.
        lease_seconds: the lease, 10 to 600 seconds.

    Returns:
        ``ReceivedMessage`` objects, none when none came for two seconds; None when Pub/Sub cannot be reached now, or
        asks for patience: that is logged, and what came is not lost.

    Raises:
        SubscriptionError: Pub/Sub refuses, and would again.
    """
    from google.api_core import exceptions

    try:
        try:
            answer = client.pull(subscription=subscription, max_messages=most, retry=None, timeout=_PULL_SECONDS)
        except exceptions.DeadlineExceeded:
            return []
        messages = list(answer.received_messages)
        for ack_ids in _requests(message.ack_id for message in messages):
            client.modify_ack_deadline(
                subscription=subscription,
                ack_ids=ack_ids,
                ack_deadline_seconds=lease_seconds,
                retry=None,
                timeout=_RPC_SECONDS,
            )
    except (exceptions.ServerError, exceptions.TooManyRequests, exceptions.Aborted, exceptions.Cancelled) as error:
        _LOG.warning("%s cannot be read now, it is tried again: %s", subscription, error)
        return None
    except exceptions.GoogleAPICallError as error:
        raise SubscriptionError(f"{subscription} cannot be read: {error}") from error
    return messages


def receipt_of(subscription: str, ack_id: str) -> str:
    """What `acknowledge` takes for a message: one line of text."""
    return f"{subscription} {ack_id}"


def acknowledge(ack_handles: Iterable[str]) -> None:
    """Ends the messages of these ack_handles, once their URLs' rows are committed.

    Never raises: a ack_handle that is refused or too old is logged at most. Its message comes again, and finds its URL
    known.

    Args:
        ack_handles: from `receipt_of`; none needs no client.
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
        _LOG.warning("No message is acknowledged, all come again: %s", error)
        return
    with client:
        for subscription, known in by_subscription.items():
            for ack_ids in _requests(known):
                try:
                    client.acknowledge(subscription=subscription, ack_ids=ack_ids)
                except GoogleAPIError as error:
                    _LOG.warning("%s: %d messages come again: %s", subscription, len(ack_ids), error)


def _requests(ack_ids: Iterable[str]) -> Iterator[list[str]]:
    """Ids in batches that fit into one request each."""
    batch: list[str] = []
    size = 0
    for ack_id in ack_ids:
        # A few bytes around each, in the message's own format.
        size += len(ack_id) + 8
        if batch and size > _MAX_REQUEST:
            yield batch
            batch, size = [], len(ack_id) + 8
        batch.append(ack_id)
    if batch:
        yield batch
