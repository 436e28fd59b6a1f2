"""Fixtures for all tests."""

import logging
import signal
from datetime import date

import pytest

from transforms.schema.run import Run


def pytest_configure() -> None:
    """A shell starts its background jobs with SIGINT ignored, which children inherit; the tests send it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _quiet_beam() -> None:
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)


@pytest.fixture
def run(tmp_path: object) -> Run:
    """An attempt at a run on an empty lake in a folder."""
    return Run(run_id="test-20260304T0506", run_date=date(2026, 3, 4), attempt="a1b2c3d4", lake=f"{tmp_path}/lake")
