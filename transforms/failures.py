"""The rows of what failed, made of the ledger row that a URL has."""

from dataclasses import replace
from datetime import datetime, timezone

from transforms.records import Failure, Fetch, Reason, Rejected, Stage, stable_id


def failure_of(fetch: Fetch, stage: Stage, reason: Reason, message: str, at: datetime) -> Failure:
    """The failure row of a URL whose fetch is known.

    Args:
        fetch: the URL's ledger row, whichever way it ended.
        stage: the stage that failed.
        reason: the code that users group by.
        message: one sentence for a person; cut to 2,000 characters.
        at: when, in UTC.
    """
    return Failure(
        failure_id=stable_id(fetch.article_id, stage, reason.value),
        url=fetch.url,
        article_id=fetch.article_id,
        domain=fetch.domain,
        stage=stage,
        reason=reason.value,
        message=message[:2000],
        retriable=reason.retriable,
        attempts=fetch.attempts,
        http_status=fetch.http_status,
        source=fetch.source,
        failed_at=at,
    )


def failed(fetch: Fetch, stage: Stage, refused: Rejected) -> tuple[Fetch, Failure]:
    """The two rows of a page that came and that a later stage refused: its ledger row, failed, and the failure."""
    reason = refused.reason
    row = replace(fetch, outcome="failed", reason=reason.value, retriable=reason.retriable)
    return row, failure_of(row, stage, reason, refused.message, datetime.now(timezone.utc))
