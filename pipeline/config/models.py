"""The configuration of a run as frozen models; each option has a type, a default and a description.

``${NAME}`` and ``${NAME:-default}`` in a value refer to environment variables, so that secrets and addresses stay out
of the file. ``${DATE}``, ``${YEAR}``, ``${MONTH}`` and ``${DAY}`` refer to the logical date of the run.
"""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipeline.config.duration import Duration, LongDuration
from pipeline.config.quality import QualityConfig
from transforms.annotate.config import AnnotateConfig
from transforms.extract.config import ExtractConfig
from transforms.fetch.config import FetchConfig
from transforms.sources.config import ListingSource, PubSubSource, Source, UrlsSource, WarcSource


class RevisitConfig(BaseModel):
    """Options for URLs that earlier runs know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    after: tuple[LongDuration, ...] = Field(
        default=(Duration("1h"), Duration("6h"), Duration("24h")),
        max_length=100,
        description="Ages, counted from the first response, at which a page is fetched again, each by the first run "
        "that meets the URL after that age. Between these ages the URL is skipped as not_due. Numbers with m, h or d; "
        "with an empty list no page is fetched again.",
    )
    always: bool = Field(
        default=False, description="Fetch every page in every run that meets its URL, whatever `after` says."
    )
    conditional: bool = Field(
        default=True,
        description="Request known pages with If-None-Match and If-Modified-Since, and write no article if its text "
        "has not changed: its URL is then not_modified or unchanged.",
    )
    gone_days: float = Field(
        default=30.0,
        ge=0,
        le=36_500,
        description="Number of days for which a URL is not fetched again after it was gone (404, 410), disallowed by "
        "robots.txt or reserved by its site.",
    )
    take_up_days: int = Field(
        default=7,
        ge=0,
        le=365,
        description="Number of days, counted from its first failure, for which the next runs of this configuration "
        "retry a URL that failed for a temporary reason or that a run did not reach, even if no source lists it any "
        "more; 0: no retry.",
    )
    take_up_tries: int = Field(
        default=5, ge=1, le=1_000, description="Maximum number of runs that retry a failing URL."
    )
    take_up_urls: int = Field(
        default=10_000,
        ge=1,
        le=10_000_000,
        description="Maximum number of URLs that a run retries; those that failed first come first.",
    )


class StreamConfig(BaseModel):
    """Options of a stream (`onrecord stream`). Durations are numbers with s, m, h or d."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: Duration = Field(
        default=Duration("5m"),
        description="Length of a window. The rows fetched in a window are committed together, shortly after its end.",
    )
    lateness: Duration = Field(
        default=Duration("1h"),
        description="How long after the end of a window late rows are accepted; they become a separate run.",
    )
    poll_least: Duration = Field(
        default=Duration("1m"), description="Minimum time between two requests for one feed or sitemap."
    )
    poll_most: Duration = Field(
        default=Duration("30m"), description="Maximum time between two requests for one feed or sitemap."
    )
    remember: Duration = Field(
        default=Duration("24h"),
        description="How long the stream itself remembers the URLs it has requested; after that, the lake's crawl "
        "state does.",
    )
    patience: Duration = Field(
        default=Duration("6h"),
        description="Maximum time that a URL waits for its site; then it is skipped with the reason host_budget and "
        "retried later.",
    )
    take_up_every: Duration = Field(
        default=Duration("15m"),
        description="Time between two retries of URLs that failed for a temporary reason or were skipped "
        "(revisit.take_up_days, take_up_tries).",
    )

    @model_validator(mode="after")
    def _checked(self) -> "StreamConfig":
        if self.poll_least.seconds > self.poll_most.seconds:
            raise ValueError(f"poll_least ({self.poll_least}) must not exceed poll_most ({self.poll_most})")
        return self


class RunConfig(BaseModel):
    """A complete configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")] = Field(
        description="Name of the configuration; run IDs begin with it. Lower-case letters, digits, - and _."
    )
    lake: str = Field(min_length=1, description="Where the tables are written: a folder, or gs://bucket/prefix.")
    mounted: bool = Field(
        default=False,
        description="All machines of a remote engine mount the folders named in this file at the same paths. Without "
        "it, a remote engine accepts only gs:// locations.",
    )
    sources: tuple[Source, ...] = Field(min_length=1, description="Where URLs come from; at least one source.")
    revisit: RevisitConfig = Field(
        default_factory=RevisitConfig, description="Which known URLs a run fetches again, and when."
    )
    fetch: FetchConfig = Field(default_factory=FetchConfig, description="How pages are fetched.")
    archive: bool = Field(
        default=False,
        description="Store every fetched page unchanged, in WARC files in LAKE/_warc, so that a source of type warc "
        "can read it again without a request.",
    )
    extract: ExtractConfig = Field(default_factory=ExtractConfig, description="How articles are extracted from pages.")
    annotate: AnnotateConfig = Field(default_factory=AnnotateConfig, description="How names and quotes are found.")
    stream: StreamConfig = Field(default_factory=StreamConfig, description="Options of `onrecord stream`.")
    quality: QualityConfig = Field(
        default_factory=QualityConfig,
        description="Limits of the quality gate, which holds a run until someone has checked it (docs/quality.md).",
    )

    @property
    def urls(self) -> tuple[UrlsSource, ...]:
        """The sources of type urls."""
        return tuple(s for s in self.sources if isinstance(s, UrlsSource))

    @property
    def listings(self) -> tuple[ListingSource, ...]:
        """The sources of type feeds and sitemaps."""
        return tuple(s for s in self.sources if isinstance(s, ListingSource))

    @property
    def archives(self) -> tuple[WarcSource, ...]:
        """The sources of type warc."""
        return tuple(s for s in self.sources if isinstance(s, WarcSource))

    @property
    def queues(self) -> tuple[PubSubSource, ...]:
        """The sources of type pubsub."""
        return tuple(s for s in self.sources if isinstance(s, PubSubSource))
