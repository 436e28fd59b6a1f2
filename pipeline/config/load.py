"""Load, check and print a configuration file."""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.config.errors import ConfigError, sentence_of
from pipeline.config.models import RunConfig
from pipeline.config.schema import VARIABLE
from transforms.schema.urls import without_secrets
from transforms.sources.config import UrlsSource, WarcSource
from transforms.sources.url_lists import ListError, urls_of
from transforms.storage.base import StoreError
from transforms.storage.open import list_files, open_input, open_store


def load_config(
    path: str, overrides: Sequence[str] = (), lake: str | None = None, day: date | None = None
) -> RunConfig:
    """Load and validate a configuration.

    Args:
        path: the YAML file, or its gs:// URI.
        overrides: ``key=value`` with a dotted key, such as ``fetch.delay_seconds=2``; the value is parsed as YAML.
        lake: replaces the `lake` of the file.
        day: logical date of the run, for ``${DATE}`` (2026-01-31), ``${YEAR}``, ``${MONTH}`` and ``${DAY}``; None:
            today.

    Raises:
        ConfigError: the file cannot be read, is not a YAML mapping, or a key or value is not allowed.
    """
    try:
        with open_input(path) as file:
            text = file.read().decode("utf-8")
    except StoreError as error:
        raise ConfigError(str(error)) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    data = _parse(path, text)
    if not isinstance(data, dict):
        raise ConfigError(f"{path} is not a configuration: it must contain keys, such as `name: daily`")
    for override in overrides:
        _override(data, override)
    if lake is not None:
        data["lake"] = lake
    try:
        return RunConfig.model_validate(_expand(data, path, "", {**os.environ, **_variables(day)}))
    except ValidationError as error:
        raise ConfigError(f"{path}: {sentence_of(error.errors()[0])}") from error


def check_reachable(config: RunConfig) -> list[str]:
    """Check that the files of the sources exist, the gazetteers are valid and the lake is writable.

    Returns:
        The files that a run would read.

    Raises:
        ConfigError: a file is missing, a gazetteer is not valid, or the lake is not writable.
    """
    from transforms.annotate.entities.gazetteer import Gazetteer

    found: list[str] = []
    for index, source in enumerate(config.sources):
        for pattern in source.patterns:
            key = f"sources.{index}.path"
            try:
                files = list_files(pattern)
            except StoreError as error:
                raise ConfigError(f"{key}: {error}") from error
            if not files and Path(pattern).is_dir():
                raise ConfigError(
                    f"{key}: {pattern} is a folder; allowed are a file and a glob, such as {pattern}/*.txt"
                )
            if not files:
                raise ConfigError(
                    f"{key}: no file matches {pattern} (in the folder {Path.cwd()}); "
                    "allowed are a path, a glob and gs://bucket/name"
                )
            found += files
    try:
        Gazetteer.load(config.annotate.gazetteers)
    except (ValueError, StoreError) as error:
        raise ConfigError(f"annotate.gazetteers: {error}") from error
    try:
        open_store(config.lake).check()
    except StoreError as error:
        raise ConfigError(f"lake: {error}") from error
    return found


def count_urls(config: RunConfig) -> dict[str, int]:
    """Read all lists of URLs, feeds and sitemaps; returns the number of their URLs, by file.

    Raises:
        ConfigError: a list cannot be read, is not of its format, or lacks the column.
    """
    counts = {}
    for index, source in enumerate(config.sources):
        lists = [] if isinstance(source, WarcSource) else [f for p in source.patterns for f in list_files(p)]
        form, column = (source.format, source.column) if isinstance(source, UrlsSource) else ("text", "url")
        for file in lists:
            try:
                counts[file] = sum(1 for _ in urls_of(file, form, column))
            except (ListError, StoreError) as error:
                raise ConfigError(f"sources.{index}.path: {error}") from error
    return counts


def check_for_run(config: RunConfig) -> None:
    """Check that no source is for streams only.

    Raises:
        ConfigError: a source never ends.
    """
    if config.queues:
        raise ConfigError("sources: a source of type pubsub never ends; read it with `onrecord stream`")


def check_for_stream(config: RunConfig) -> None:
    """Check that no source or option is for runs only.

    Raises:
        ConfigError: a source is an archive, or `archive` is on.
    """
    if config.archives:
        raise ConfigError("sources: a stream cannot read a source of type warc; read it with `onrecord run`")
    if config.archive:
        raise ConfigError("archive: true is not allowed in a stream; only `onrecord run` archives pages")


def printed(config: RunConfig) -> str:
    """The complete configuration as YAML; headers, and passwords and keys in addresses, are replaced by ***."""
    return without_secrets(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def _parse(path: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{path} is not valid YAML{where}: {getattr(error, 'problem', None) or error}") from error


def _override(data: dict[str, Any], override: str) -> None:
    dotted, equals, value = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {dotted}: expected key=value, such as fetch.delay_seconds=2")
    *parents, last = dotted.split(".")
    for parent in parents:
        inner = data.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {dotted}: {parent} is not a mapping, so it has no keys to set")
        data = inner
    data[last] = _parse(f"--set {dotted}", value)


def _variables(day: date | None) -> dict[str, str]:
    day = day or datetime.now(timezone.utc).date()
    return {"DATE": f"{day}", "YEAR": f"{day:%Y}", "MONTH": f"{day:%m}", "DAY": f"{day:%d}"}


def _expand(value: Any, path: str, key: str, variables: Mapping[str, str]) -> Any:
    """Replace the variables in all strings of the configuration."""
    if isinstance(value, dict):
        return {k: _expand(v, path, f"{key}.{k}".lstrip("."), variables) for k, v in value.items()}
    if isinstance(value, list):
        return [_expand(v, path, f"{key}.{i}", variables) for i, v in enumerate(value)]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        found = variables.get(match[1], match[2])
        if found is None:
            raise ConfigError(
                f"{path}: {key}: the environment variable {match[1]} is not set; "
                f"set it, or give a default with ${{{match[1]}:-value}}"
            )
        return found

    return VARIABLE.sub(replace, value)
