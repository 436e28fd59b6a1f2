"""Describe validation errors of a configuration in one sentence each."""

import difflib
from typing import Any

from pydantic_core import ErrorDetails

from pipeline.config.models import RunConfig
from transforms.schema.errors import ExitCode, OnrecordError
from transforms.schema.urls import without_secrets


class ConfigError(OnrecordError):
    """The configuration is not valid; the message is one sentence with the key, the value and the allowed values."""

    exit_code = ExitCode.REFUSED


def sentence_of(error: ErrorDetails) -> str:
    """Describe a pydantic error in one sentence: the key, the value and the allowed values."""
    key, allowed = _locate(error["loc"])
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(error["loc"][-1]), allowed, n=1)
        suggestion = f", did you mean {close[0]}" if close else ""
        return f"{key}: unknown key{suggestion}; allowed here are {', '.join(allowed)}"
    if error["type"] == "missing":
        return f"{key}: this key is required"
    if error["type"] == "union_tag_not_found":
        return f"{key}: the key type is required, which selects the type of source"
    message = error["msg"][0].lower() + error["msg"][1:]
    value = "its value" if key.startswith("fetch.headers") else without_secrets(repr(error["input"]))
    return f"{key}: {value} is not allowed, {message}"


def _locate(loc: tuple[int | str, ...]) -> tuple[str, list[str]]:
    """The dotted key of an error, and the keys allowed beside it.

    pydantic adds the tag of a union to the location (``sources.0.urls.path``); it is removed, because the user did not
    write it there.
    """
    root = RunConfig.model_json_schema()
    schema: dict[str, Any] = root
    siblings: list[str] = []
    key: list[str] = []
    for part in loc:
        if isinstance(part, str) and part in (tags := schema.get("discriminator", {}).get("mapping", {})):
            schema = _resolved(root, {"$ref": tags[part]})
            continue
        key.append(str(part))
        siblings = sorted(schema.get("properties", {}))
        inner = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        schema = _resolved(root, inner or {})
    return ".".join(key), siblings


def _resolved(root: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return root["$defs"][reference.rsplit("/", 1)[1]] if reference else schema
