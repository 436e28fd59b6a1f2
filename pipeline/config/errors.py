"""Errors of a configuration as one sentence each, and its JSON Schema."""

import difflib
from typing import Any

from pydantic_core import ErrorDetails

from pipeline.config.models import RunConfig
from transforms.schema.urls import without_secrets


class ConfigError(Exception):
    """The configuration is refused; the message is one sentence: which key, which value, what is allowed."""


def sentence_of(error: ErrorDetails) -> str:
    """One sentence for one of pydantic's errors: the key, the value and what is allowed."""
    key, allowed = _place(error["loc"])
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(error["loc"][-1]), allowed, n=1)
        meant = f", did you mean {close[0]}" if close else ""
        return f"{key}: there is no such key{meant}; allowed here are {', '.join(allowed)}"
    if error["type"] == "missing":
        return f"{key}: this key is required"
    if error["type"] == "union_tag_not_found":
        return f"{key}: the key type is required, which says what kind this is"
    message = error["msg"][0].lower() + error["msg"][1:]
    given = "its value" if key.startswith("fetch.headers") else without_secrets(repr(error["input"]))
    return f"{key}: {given} is not allowed, {message}"


def _place(loc: tuple[int | str, ...]) -> tuple[str, list[str]]:
    """The dotted key of an error's place, and the keys allowed beside it.

    pydantic puts a union's tag into the place (``sources.0.urls.path``); a user never wrote it there, so it goes.
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
