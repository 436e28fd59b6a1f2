"""Causes of errors are shown without internals of libraries."""

import duckdb
import pytest

from transforms.schema.errors import cause_of

TRACEBACK = """Traceback (most recent call last):
  File "common.py", line 1498, in process
    database.execute(query)
_duckdb.InvalidInputException: Invalid Input Error: No magic bytes found at end of file '/lake/fetches/a.parquet'

LINE 3:     SELECT *, coalesce(run_time, run_date) FROM fetches
                                                        ^^^^^^^ [while running 'RetryUrls/Read']"""


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (
            PermissionError(13, "Permission denied", "/lake/_runs/_compact.lock"),
            "/lake/_runs/_compact.lock: Permission denied",
        ),
        (
            RuntimeError(
                "Traceback (most recent call last):\nOSError: [Errno 28] No space left on device [while running 'a/b']"
            ),
            "No space left on device",
        ),
        (
            RuntimeError(TRACEBACK),
            "No magic bytes found at end of file '/lake/fetches/a.parquet': the file /lake/fetches/a.parquet is "
            "damaged, restore it from a copy",
        ),
        (duckdb.CatalogException("Catalog Error: Table x does not exist!\nLINE 1: from x"), "Table x does not exist!"),
        (RuntimeError('status = 1\n\tdetails = "the job failed"\n'), "the job failed"),
        (ValueError("a: b"), "a: b"),
        (KeyError(), "KeyError"),
    ],
)
def test_cause(error: Exception, cause: str) -> None:
    assert cause_of(error) == cause
