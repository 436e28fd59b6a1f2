"""The configuration of a run: one YAML file, checked whole before anything runs.

``${NAME}`` and ``${NAME:-default}`` in a value stand for environment variables, so that secrets and addresses need not
stand in the file, and ``${DATE}``, ``${YEAR}``, ``${MONTH}``, ``${DAY}`` for the run's logical date. Every option is a
field of a frozen model here or in its stage, with its type, default and meaning.
"""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.config.quality import QualityConfig
from transforms.annotate.config import AnnotateConfig
from transforms.extract.config import ExtractConfig
from transforms.fetch.config import FetchConfig
from transforms.sources.config import ListingSource, PubSubSource, Source, UrlsSource, WarcSource

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
