"""Figures of a run: what they amount to, how fast it is, and that the last ones are always told."""

import time
from collections import Counter

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline.run.progress import Figures, Unwatched, Watch, counts_in, figures_of, watched
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


class Told(Unwatched):
    def __init__(self) -> None:
        self.figures: list[Figures] = []

    def moved(self, figures: Figures) -> None:
        self.figures.append(figures)


def test_every_url_that_came_in_is_known_once() -> None:
    figures = figures_of(COUNTS, 3.0)
    assert (figures.known, figures.asked, figures.fetched) == (12 - 2 + 5 + 2 + 1, 10, 8)
    assert (figures.extracted, figures.annotated, figures.quotes) == (5, 4, 9)


def test_reasons_are_the_most_frequent_first_and_no_outcome_is_one() -> None:
    assert list(figures_of(COUNTS, 3.0).reasons.items()) == [("not_due", 5), ("robots", 2)]


def test_time_left_is_known_where_the_urls_and_the_speed_are() -> None:
    assert figures_of(COUNTS, 3.0, 4.0).seconds_left == 0.5
    assert figures_of(COUNTS, 3.0, 0.0).seconds_left is None
    assert figures_of(Counter({("ledger", "asked"): 3}), 3.0, 4.0).seconds_left is None
    assert figures_of(COUNTS + Counter({("archives", "ok"): 1}), 3.0, 4.0).seconds_left is None


def test_phases() -> None:
    assert figures_of(Counter(), 0.0).phase == "reading"
    assert figures_of(COUNTS, 0.0).phase == "fetching"
    assert figures_of(Counter({("archives", "ok"): 1}), 0.0).phase == "fetching"
    settled: Counts = Counter({("fetch", "dns"): 2})
    assert figures_of(COUNTS + settled, 0.0).phase == "writing tables"


def test_the_rate_is_that_of_late(monkeypatch: pytest.MonkeyPatch) -> None:
    now, done = 1_000.0, 0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    watch = Watch(lambda: Counter({("fetch", "ok"): done} if done else {}))
    rates = []
    for seconds, number in ((60, 0), (2, 10), (8, 50), (29, 60), (10, 70)):
        now, done = now + seconds, number
        rates.append(watch.figures().per_second)
    assert rates == [0.0, pytest.approx(10 / 2), pytest.approx(50 / 10), pytest.approx(10 / 29), pytest.approx(10 / 10)]


def test_the_last_figures_are_told_even_of_a_run_that_fails() -> None:
    told = Told()
    with pytest.raises(RuntimeError, match="the run"), watched(told):
        count("ledger", "asked", 3)
        raise RuntimeError("the run")
    assert (told.figures[-1].asked, told.figures[-1].phase) == (3, "ended")


def test_figures_that_cannot_be_shown_fail_no_run(caplog: pytest.LogCaptureFixture) -> None:
    class Closed(Unwatched):
        def moved(self, figures: Figures) -> None:
            raise BrokenPipeError(f"nobody reads {figures.phase}")

    with watched(Closed()):
        count("ledger", "asked")
        until = time.monotonic() + 10
        while "nobody reads reading" not in caplog.text and time.monotonic() < until:
            time.sleep(0.02)
    assert "the figures cannot be shown: nobody reads reading" in caplog.text
    assert "the figures cannot be shown: nobody reads ended" in caplog.text


def test_figures_come_while_the_run_goes_on() -> None:
    told = Told()
    with watched(told):
        count("ledger", "asked", 3)
        until = time.monotonic() + 10
        while not told.figures and time.monotonic() < until:
            time.sleep(0.02)
        assert [f.asked for f in told.figures[:1]] == [3]


def test_a_run_elsewhere_is_counted_by_beam() -> None:
    pipeline = beam.Pipeline(FnApiRunner())
    _ = pipeline | beam.Create([1, 2, 3]) | beam.Map(lambda n: count("fetch", "ok" if n > 1 else "dns"))
    result = pipeline.run()
    assert counts_in(result) == {("fetch", "ok"): 2, ("fetch", "dns"): 1}
    watch = Watch(Counter)
    watch.follow(result)
    assert watch.figures().fetched == 3


def test_a_runner_that_gives_no_figures_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    class Mute:
        def metrics(self) -> None:
            raise NotImplementedError("no metrics here")

    assert counts_in(Mute()) == Counter()
    assert "the runner gives no figures: no metrics here" in caplog.text
