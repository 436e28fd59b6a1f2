"""Figures of a run: counts, rate, phases, and their delivery to a listener."""

import time
from collections import Counter

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline.run.progress import (
    Figures,
    ProgressListener,
    RunFigures,
    RunProgress,
    remote_counts,
    run_figures,
    watched,
)
from transforms.runtime.metrics import Counts, count

COUNTS: Counts = Counter(
    {
        ("ledger", "asked"): 12,
        ("ledger", "not_due"): 5,
        ("ledger", "taken_over"): 2,
        ("listing", "ok"): 1,
        ("sources", "ok"): 1,
        ("sources", "over_max_urls"): 7,
        ("fetch", "twin"): 2,
        ("fetch", "ok"): 6,
        ("fetch", "robots"): 1,
        ("fetch", "not_modified"): 1,
        ("extract", "ok"): 4,
        ("extract", "unchanged"): 1,
        ("extract", "robots"): 1,
        ("annotate", "ok"): 4,
        ("annotate", "quotes"): 9,
    }
)


class Recorder(ProgressListener):
    def __init__(self) -> None:
        self.figures: list[RunFigures] = []

    def updated(self, figures: Figures) -> None:
        assert isinstance(figures, RunFigures)
        self.figures.append(figures)


def test_each_url_counts_once() -> None:
    figures = run_figures(3.0, COUNTS)
    assert (figures.known, figures.asked, figures.fetched) == (12 - 2 + 5 + 2 + 1, 10, 8)
    assert (figures.extracted, figures.annotated, figures.quotes) == (5, 4, 9)


def test_reasons_by_frequency_without_outcomes() -> None:
    assert list(run_figures(3.0, COUNTS).reasons.items()) == [("not_due", 5), ("robots", 2)]


def test_time_left() -> None:
    assert run_figures(3.0, COUNTS, 4.0).seconds_left == 0.5
    assert run_figures(3.0, COUNTS, 0.0).seconds_left is None
    assert run_figures(3.0, Counter({("ledger", "asked"): 3}), 4.0).seconds_left is None
    assert run_figures(3.0, COUNTS + Counter({("archives", "ok"): 1}), 4.0).seconds_left is None


def test_phases() -> None:
    assert run_figures(0.0, Counter()).phase == "reading"
    assert run_figures(0.0, COUNTS).phase == "fetching"
    assert run_figures(0.0, Counter({("archives", "ok"): 1})).phase == "fetching"
    failed: Counts = Counter({("fetch", "dns"): 2})
    assert run_figures(0.0, COUNTS + failed).phase == "writing tables"


def test_rate_of_the_last_seconds() -> None:
    progress, now, rates = RunProgress(), 0.0, []
    for seconds, done in ((60, 0), (2, 10), (8, 50), (29, 60), (10, 70)):
        now += seconds
        rates.append(progress(now, Counter({("fetch", "ok"): done} if done else {})).per_second)
    assert rates == [0.0, pytest.approx(10 / 2), pytest.approx(50 / 10), pytest.approx(10 / 29), pytest.approx(10 / 10)]


def test_final_figures_of_a_failed_run() -> None:
    recorder = Recorder()
    with pytest.raises(RuntimeError, match="the run"), watched(recorder):
        count("ledger", "asked", 3)
        raise RuntimeError("the run")
    assert (recorder.figures[-1].asked, recorder.figures[-1].phase) == (3, "ended")


def test_closed_standard_error_fails_no_run(caplog: pytest.LogCaptureFixture) -> None:
    class Closed(ProgressListener):
        def updated(self, figures: Figures) -> None:
            raise BrokenPipeError(f"closed while {figures.phase}")

    with watched(Closed()):
        count("ledger", "asked")
        until = time.monotonic() + 10
        while "closed while reading" not in caplog.text and time.monotonic() < until:
            time.sleep(0.02)
    assert "the progress cannot be shown: closed while reading" in caplog.text
    assert "the progress cannot be shown: closed while ended" in caplog.text


def test_figures_during_the_run() -> None:
    recorder = Recorder()
    with watched(recorder):
        count("ledger", "asked", 3)
        until = time.monotonic() + 10
        while not recorder.figures and time.monotonic() < until:
            time.sleep(0.02)
        assert [f.asked for f in recorder.figures[:1]] == [3]


def test_counts_of_a_remote_job() -> None:
    pipeline = beam.Pipeline(FnApiRunner())
    _ = pipeline | beam.Create([1, 2, 3]) | beam.Map(lambda n: count("fetch", "ok" if n > 1 else "dns"))
    result = pipeline.run()
    assert remote_counts(result) == {("fetch", "ok"): 2, ("fetch", "dns"): 1}
    recorder = Recorder()
    with watched(recorder) as follow:
        follow(result)
    assert recorder.figures[-1].fetched == 3


def test_runner_without_metrics_fails_no_run(caplog: pytest.LogCaptureFixture) -> None:
    class Mute:
        def metrics(self) -> None:
            raise NotImplementedError("no metrics here")

    assert remote_counts(Mute()) == Counter()
    assert "the runner reports no metrics: no metrics here" in caplog.text


def test_cancelled_urls_are_not_counted_as_fetched() -> None:
    figures = run_figures(1.0, Counter({("ledger", "asked"): 60, ("fetch", "ok"): 4, ("fetch", "cancelled"): 56}))
    assert (figures.fetched, figures.cancelled, figures.asked) == (4, 56, 60)
    assert [row.text for row in figures.rows() if row.name == "fetched"] == ["4 of 60, 56 cancelled"]
