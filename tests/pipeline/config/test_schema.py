"""The JSON Schema for editors agrees with the loader, and the shipped copy is up to date.

`onrecord schema --config > configs/onrecord.schema.json` updates it.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.config.schema import config_schema
from tests.support.golden_tables import ROOT

FOLDER = ROOT / "configs"
SCHEMA = FOLDER / "onrecord.schema.json"
CONFIGS = sorted(FOLDER.glob("*.yaml"))
GOOD: dict[str, Any] = {"name": "a", "lake": "b", "sources": [{"type": "urls", "path": "c"}]}


def errors(config: Any) -> list[str]:
    """Paths that an editor would underline; editors see dates as strings."""
    plain = json.loads(json.dumps(config, default=str))
    found = Draft202012Validator(config_schema()).iter_errors(plain)
    return [error.json_path for error in found]


def test_shipped_schema_is_up_to_date() -> None:
    printed = CliRunner().invoke(app, ["schema", "--config"])
    assert printed.exit_code == 0
    assert SCHEMA.read_text(encoding="utf-8") == printed.stdout
    Draft202012Validator.check_schema(json.loads(printed.stdout))


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_shipped_configuration_refers_to_the_schema_and_is_valid(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert text.startswith(f"# yaml-language-server: $schema={SCHEMA.name}\n")
    assert errors(yaml.safe_load(text)) == []


def test_each_option_has_a_description() -> None:
    schema = config_schema()
    for model in (schema, *schema["$defs"].values()):
        assert model["additionalProperties"] is False
        for name, field in model["properties"].items():
            assert "description" in field or name == "type" or "$ref" in field


@pytest.mark.parametrize(
    "changed",
    [
        {"nmae": "x"},
        {"fetch": {"delay_seconds": -1}},
        {"fetch": {"delay_seconds": "soon"}},
        {"fetch": {"delay_secnds": 1}},
        {"quality": {"max_failed": 2}},
        {"annotate": {"model": "huge"}},
        {"sources": []},
        {"sources": [{"path": "without a type"}]},
        {"sources": [{"type": "pigeons"}]},
    ],
    ids=json.dumps,
)
def test_invalid_configuration_has_schema_errors(changed: dict[str, Any]) -> None:
    assert errors({**GOOD, **changed}) != []


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"fetch": {"delay_seconds": "${DELAY:-1}", "headers": {"*.example": {"X-Key": "${KEY}"}}}},
        {"annotate": {"model": "${MODEL}", "enabled": "${ON:-true}"}},
        {"sources": [{"type": "sitemaps", "sites": ["https://a.example"], "since": "${SINCE}"}]},
        {"quality": {"max_failed": None}},
    ],
    ids=json.dumps,
)
def test_variables_and_null_are_valid(changed: dict[str, Any]) -> None:
    assert errors({**GOOD, **changed}) == []
