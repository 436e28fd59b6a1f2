"""Generate the JSON Schema of a configuration file."""

import re
from typing import Any

from pipeline.config.models import RunConfig

VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
"""A reference to an environment variable: ``${NAME}`` or ``${NAME:-default}``."""


def config_schema() -> dict[str, Any]:
    """Generate the JSON Schema (draft 2020-12) of a configuration file, for completion in editors.

    ``${NAME}`` is allowed as any single value; `load_config` checks the value of the variable.
    """
    schema = RunConfig.model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    for model in (schema, *schema["$defs"].values()):
        model["properties"] = {name: _or_variable(field) for name, field in model["properties"].items()}
        # The key type has a default in Python only; in a file it selects the type of source.
        if "const" in model["properties"].get("type", {}):
            model["required"] = sorted({"type", *model.get("required", [])})
    return schema


def _or_variable(field: dict[str, Any]) -> dict[str, Any]:
    options = field.get("anyOf", [field])
    if "const" in field or not any(_excludes_variables(option) for option in options):
        return field
    about: dict[str, Any] = {key: field[key] for key in ("title", "description", "default") if key in field}
    bare = [{key: value for key, value in option.items() if key not in about} for option in options]
    return {**about, "anyOf": [*bare, {"type": "string", "pattern": VARIABLE.pattern}]}


def _excludes_variables(option: dict[str, Any]) -> bool:
    """Whether an option allows single values, but not the text ``${NAME}``."""
    is_text = option.get("type") == "string"
    return option.get("type") in ("boolean", "integer", "number") or (
        is_text and bool(option.keys() & {"enum", "format", "pattern"})
    )
