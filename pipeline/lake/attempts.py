"""Create attempts at a run, and mark them so that the next attempt can recover their rows."""

import secrets
from datetime import date, datetime

from pydantic import BaseModel, ConfigDict

from transforms.schema.run import Run
from transforms.storage.base import Store


class AttemptMark(BaseModel):
    """The file ``attempt.json`` in the staging folder of an attempt (`pipeline.lake.recovery`)."""

    model_config = ConfigDict(frozen=True)

    fingerprint: str
    """Hash of all that the rows depend on: settings, code and models. Rows are recovered if it is equal."""
    started_at: datetime
    folder: str
    """Staging folder of the attempt, relative to the lake."""


def new_attempt(
    run_id: str,
    run_date: date,
    lake: str,
    lease_owner: str = "",
    *,
    logical_time: datetime | None = None,
    is_detached: bool = False,
) -> Run:
    """A new attempt at a run, with a random token.

    Args:
        run_id: id of the run or stream.
        run_date: logical date.
        lake: root of the lake.
        lease_owner: owner of the run's lock, from `pipeline.lake.commit.exclusive`.
        logical_time: logical time in UTC; None: midnight of `run_date`.
        is_detached: the launcher exits before the commit, which then acquires the lock.
    """
    return Run(
        run_id=run_id,
        run_date=run_date,
        attempt=secrets.token_hex(4),
        lake=lake,
        lease_owner=lease_owner,
        is_detached=is_detached,
        logical_time=logical_time,
    )


def staged_files(store: Store, run_id: str, name: str) -> list[str]:
    """Paths of the files called `name` in the staging folders of a run's attempts, without subfolders."""
    return [p for p in store.files(f"_staging/{run_id}") if p.count("/") == 3 and p.endswith(f"/{name}")]


def attempt_marks(store: Store, run_id: str) -> list[AttemptMark]:
    """Marks of the attempts at a run that have rows to recover."""
    read = [store.read(path) for path in staged_files(store, run_id, "attempt.json")]
    return [AttemptMark.model_validate_json(data) for data in read if data is not None]
