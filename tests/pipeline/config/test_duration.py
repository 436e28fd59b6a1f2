"""Durations are numbers with a unit; each field allows certain units."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from pipeline.config.models import RevisitConfig, StreamConfig


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("5m", 300), ("2h", 7_200), ("3d", 259_200)])
def test_duration(text: str, seconds: int) -> None:
    window = StreamConfig.model_validate({"window": text}).window
    assert (window, window.seconds, window.timedelta) == (text, seconds, timedelta(seconds=seconds))


@pytest.mark.parametrize("text", ["5", "0m", "-5m", "5w", "5m m", "1234567s", ""])
def test_invalid_duration_is_rejected(text: str) -> None:
    for model, options in ((StreamConfig, {"window": text}), (RevisitConfig, {"after": [text]})):
        with pytest.raises(ValidationError, match="String should match pattern"):
            model.model_validate(options)


def test_revisit_ages_have_no_seconds() -> None:
    assert [age.seconds for age in RevisitConfig.model_validate({"after": ["1m", "2d"]}).after] == [60, 172_800]
    with pytest.raises(ValidationError, match="String should match pattern"):
        RevisitConfig.model_validate({"after": ["90s"]})


def test_default_durations_can_be_used() -> None:
    assert [age.timedelta.total_seconds() for age in RevisitConfig().after] == [3_600, 21_600, 86_400]
    assert StreamConfig().take_up_every.seconds == 900
