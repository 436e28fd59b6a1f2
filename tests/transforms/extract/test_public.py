import subprocess
import sys

import pytest
from pydantic import ValidationError

import transforms.extract
from transforms.extract import ExtractConfig


def test_public_names() -> None:
    assert transforms.extract.__all__ == [
        "EXTRACTOR_VERSION",
        "ExtractConfig",
        "extract_article",
        "extract_line",
        "extract_page",
    ]
    assert all(hasattr(transforms.extract, name) for name in transforms.extract.__all__)


def test_the_plain_functions_need_no_beam() -> None:
    code = "import sys, transforms.extract; sys.exit('apache_beam' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_misspelt_or_impossible_setting_is_an_error() -> None:
    with pytest.raises(ValidationError):
        ExtractConfig(min_word=1)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        ExtractConfig(max_depth=1_000)
