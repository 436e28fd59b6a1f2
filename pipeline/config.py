"""The configuration of a run: one YAML file, checked whole before anything runs.

``${NAME}`` and ``${NAME:-default}`` in a value stand for environment variables, so that secrets and addresses need not
stand in the file, and ``${DATE}``, ``${YEAR}``, ``${MONTH}``, ``${DAY}`` for the run's logical date. Every option is a
field of a frozen model here or in its stage, with its type, default and meaning.
"""

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from pipeline.quality import QualityConfig
from transforms.annotate.config import AnnotateConfig
from transforms.extract.config import ExtractConfig
from transforms.fetch.config import FetchConfig
from transforms.sources.config import ListingSource, PubSubSource, Source, UrlsSource, WarcSource
from transforms.store import StoreError, list_files, open_input, open_store
from transforms.urls import without_secrets


class ConfigError(Exception):
    """The configuration is refused; the message is one sentence: which key, which value, what is allowed."""


Age = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}[mhd]$")]
"""A span of time: a number and m (minutes), h or d."""


class RevisitConfig(BaseModel):
    """How a run uses what earlier runs know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: tuple[Age, ...] = Field(
        default=("1h", "6h", "24h"),
        max_length=100,
        description="Ages, since the first answer, at which a page is asked for again, by the first run after each "
        "that meets the URL; at other times it is not_due. Numbers with m, h or d; an empty list never asks again.",
    )
    always: bool = Field(
        default=False, description="Ask for every page in every run that meets its URL, whatever `after` says."
    )
    conditional: bool = Field(
        default=True,
        description="Ask for known pages with If-None-Match and If-Modified-Since, and write no article whose text is "
        "the same as before: its URL is not_modified or unchanged.",
    )
    gone_days: float = Field(
        default=30.0,
        ge=0,
        le=36_500,
        description="For how many days a URL that was gone (404, 410), closed by robots.txt or reserved by its site is "
        "not asked for again.",
    )
    take_up_days: int = Field(
        default=7,
        ge=0,
        le=365,
        description="For how many days since its first failure a URL that failed retriably, or that a run did not come "
        "to, is taken up by the next runs of this configuration, even when no source names it any more; 0: not at all.",
    )
    take_up_tries: int = Field(
        default=5, ge=1, le=1_000, description="Of how many runs that asked for it in vain a URL is taken up."
    )
    take_up_urls: int = Field(
        default=10_000, ge=1, le=10_000_000, description="Most URLs that a run takes up; the longest known come first."
    )

    @property
    def ages(self) -> tuple[timedelta, ...]:
        """`after` as spans of time."""
        units = {"m": "minutes", "h": "hours", "d": "days"}
        return tuple(timedelta(**{units[age[-1]]: int(age[:-1])}) for age in self.after)


Span = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,5}[smhd]$")]
"""A span of time: a number and s (seconds), m, h or d."""


class StreamConfig(BaseModel):
    """How a stream (`onrecord stream`) flows. Spans are numbers with s, m, h or d."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: Span = Field(
        default="5m",
        description="Time that one commit covers: what was fetched in it becomes visible shortly after its end.",
    )
    lateness: Span = Field(
        default="1h", description="How long a window takes what comes late; it becomes a run of its own."
    )
    poll_least: Span = Field(default="1m", description="Least time between two requests for one feed or sitemap.")
    poll_most: Span = Field(default="30m", description="Most time between two requests for one feed or sitemap.")
    remember: Span = Field(
        default="24h",
        description="For how long the stream itself knows a page that it asked for; then the lake's ledger does.",
    )
    patience: Span = Field(
        default="6h",
        description="How long a URL waits for its site's pace; then it is skipped, reason host_budget, and taken up "
        "again.",
    )
    take_up_every: Span = Field(
        default="15m",
        description="How often URLs that failed for a passing reason, or were skipped, are taken up again "
        "(revisit.take_up_days, take_up_tries).",
    )

    def seconds(self, name: str) -> float:
        """One of the spans, in seconds."""
        span: str = getattr(self, name)
        return int(span[:-1]) * {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}[span[-1]]

    @model_validator(mode="after")
    def _checked(self) -> "StreamConfig":
        if self.seconds("poll_least") > self.seconds("poll_most"):
            raise ValueError(f"poll_least ({self.poll_least}) is over poll_most ({self.poll_most})")
        return self


class RunConfig(BaseModel):
    """A whole configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = Field(
        description="Name of the configuration; run ids begin with it. Lower-case letters, digits, - and _."
    )
    lake: str = Field(min_length=1, description="Where the tables go: a folder, or gs://bucket/prefix.")
    mounted: bool = Field(
        default=False,
        description="Each machine of an engine elsewhere mounts the folders that this file names, at the same paths. "
        "Without it such an engine takes gs:// alone.",
    )
    sources: tuple[Source, ...] = Field(min_length=1, description="Where URLs come from; at least one.")
    revisit: RevisitConfig = Field(
        default_factory=RevisitConfig, description="How a run uses what earlier runs know of a URL."
    )
    fetch: FetchConfig = Field(default_factory=FetchConfig, description="How pages are asked for.")
    archive: bool = Field(
        default=False,
        description="Keep every fetched page as it came, in WARC files under LAKE/_warc, so that a source of type warc "
        "can read it again without a request.",
    )
    extract: ExtractConfig = Field(default_factory=ExtractConfig, description="How a page becomes an article.")
    annotate: AnnotateConfig = Field(default_factory=AnnotateConfig, description="How names and quotes are found.")
    stream: StreamConfig = Field(default_factory=StreamConfig, description="How `onrecord stream` flows.")
    quality: QualityConfig = Field(
        default_factory=QualityConfig,
        description="What holds a run back until somebody has looked at it (docs/quality.md).",
    )

    @property
    def urls(self) -> tuple[UrlsSource, ...]:
        """The sources that are lists of URLs."""
        return tuple(s for s in self.sources if isinstance(s, UrlsSource))

    @property
    def listings(self) -> tuple[ListingSource, ...]:
        """The sources that are feeds and sitemaps."""
        return tuple(s for s in self.sources if isinstance(s, ListingSource))

    @property
    def archives(self) -> tuple[WarcSource, ...]:
        """The sources that are web archives."""
        return tuple(s for s in self.sources if isinstance(s, WarcSource))

    @property
    def queues(self) -> tuple[PubSubSource, ...]:
        """The sources that are queues."""
        return tuple(s for s in self.sources if isinstance(s, PubSubSource))


def load_config(
    path: str, overrides: Sequence[str] = (), lake: str | None = None, day: date | None = None
) -> RunConfig:
    """Reads and validates a configuration.

    Args:
        path: the YAML file, or its gs:// URI.
        overrides: ``key=value`` with a dotted key, such as ``fetch.delay_seconds=2``; the value is read as YAML.
        lake: replaces the file's `lake`.
        day: the run's logical date, for ``${DATE}`` (2026-01-31), ``${YEAR}``, ``${MONTH}`` and ``${DAY}``; else today.

    Raises:
        ConfigError: the file cannot be read, is no YAML mapping, or a key or value is not allowed.
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
        raise ConfigError(f"{path} is no configuration: a mapping of keys is expected, such as `name: daily`")
    for override in overrides:
        _override(data, override)
    if lake is not None:
        data["lake"] = lake
    try:
        return RunConfig.model_validate(_expand(data, path, "", {**os.environ, **_variables(day)}))
    except ValidationError as error:
        raise ConfigError(f"{path}: {_sentence(error.errors()[0])}") from error


def check_reachable(config: RunConfig) -> list[str]:
    """Checks that what the configuration names is there, before anything runs.

    Returns:
        The files that would be read.

    Raises:
        ConfigError: a source's file is missing, a gazetteer is refused, or the lake cannot be written to.
    """
    from transforms.annotate.gazetteer import Gazetteer

    found: list[str] = []
    for index, source in enumerate(config.sources):
        for pattern in source.patterns:
            key = f"sources.{index}.path"
            try:
                files = list_files(pattern)
            except StoreError as error:
                raise ConfigError(f"{key}: {error}") from error
            if not files:
                raise ConfigError(
                    f"{key}: there is no file {pattern} (from the folder {Path.cwd()}); "
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


def check_for_run(config: RunConfig) -> None:
    """Refuses what only a stream can read.

    Raises:
        ConfigError: a source never ends.
    """
    if config.queues:
        raise ConfigError("sources: a source of type pubsub never ends, so no run reads it: `onrecord stream` does")


def check_for_stream(config: RunConfig) -> None:
    """Refuses what only a run can do.

    Raises:
        ConfigError: a source is an archive, or an archive is to be kept.
    """
    if config.archives:
        raise ConfigError("sources: a source of type warc is read by `onrecord run`, not by a stream")
    if config.archive:
        raise ConfigError("archive: true is not allowed in a stream: only `onrecord run` keeps pages as they came")


def printed(config: RunConfig) -> str:
    """A whole configuration as YAML, without secrets: headers, passwords and keys in addresses are ***."""
    return without_secrets(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True))


def config_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a configuration file, for editors' completion.

    It takes ``${NAME}`` for any single value; where the variable is known, `load_config` checks what comes of it.
    """
    schema = RunConfig.model_json_schema()
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    for model in (schema, *schema["$defs"].values()):
        model["properties"] = {name: _or_variable(field) for name, field in model["properties"].items()}
        # It has a default in Python alone: in a file it says which kind of source this is.
        if "const" in model["properties"].get("type", {}):
            model["required"] = sorted({"type", *model.get("required", [])})
    return schema


def _or_variable(field: dict[str, Any]) -> dict[str, Any]:
    options = field.get("anyOf", [field])
    if "const" in field or not any(_is_bounded(option) for option in options):
        return field
    about: dict[str, Any] = {key: field[key] for key in ("title", "description", "default") if key in field}
    bare = [{key: value for key, value in option.items() if key not in about} for option in options]
    return {**about, "anyOf": [*bare, {"type": "string", "pattern": _VARIABLE.pattern}]}


def _is_bounded(option: dict[str, Any]) -> bool:
    """Whether these are single values of which ``${NAME}`` is none."""
    is_text = option.get("type") == "string"
    return option.get("type") in ("boolean", "integer", "number") or (
        is_text and bool(option.keys() & {"enum", "format", "pattern"})
    )


def _parse(path: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(f"{path} is no valid YAML{where}: {getattr(error, 'problem', None) or error}") from error


def _override(data: dict[str, Any], override: str) -> None:
    dotted, equals, value = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {dotted}: key=value is expected, such as fetch.delay_seconds=2")
    *parents, last = dotted.split(".")
    for parent in parents:
        inner = data.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {dotted}: {parent} is no mapping, so nothing below it can be set")
        data = inner
    data[last] = _parse(f"--set {dotted}", value)


_VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")


def _variables(day: date | None) -> dict[str, str]:
    day = day or datetime.now(timezone.utc).date()
    return {"DATE": f"{day}", "YEAR": f"{day:%Y}", "MONTH": f"{day:%m}", "DAY": f"{day:%d}"}


def _expand(value: Any, path: str, key: str, variables: Mapping[str, str]) -> Any:
    """Puts variables into every string of the configuration."""
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

    return _VARIABLE.sub(replace, value)


def _sentence(error: ErrorDetails) -> str:
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
