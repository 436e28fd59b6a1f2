"""The settings of the sources: where URLs come from."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from transforms.warc.config import WarcSource as WarcSource

Format = Literal["text", "csv", "jsonl", "parquet"]


class UrlsSource(BaseModel):
    """Lists of article URLs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["urls"] = "urls"
    path: str | tuple[str, ...] = Field(
        description="A file, a glob, or gs://bucket/name (a glob too); or several of these."
    )
    format: Format | None = Field(
        default=None,
        description="text (one a line, # begins a comment), csv, jsonl or parquet; else by the file's name.",
    )
    column: str = Field(default="url", description="The column or key that holds the URL; not for text.")

    @property
    def patterns(self) -> tuple[str, ...]:
        """The paths and globs that are read."""
        return (self.path,) if isinstance(self.path, str) else self.path


class FeedsSource(BaseModel):
    """RSS, Atom and JSON feeds: each entry is an article URL."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["feeds"] = "feeds"
    urls: tuple[str, ...] = Field(default=(), description="The feeds' addresses.")
    path: str | None = Field(default=None, description="A text file, a glob or gs://bucket/name of feed addresses.")

    @property
    def patterns(self) -> tuple[str, ...]:
        """The paths and globs that are read."""
        return (self.path,) if self.path is not None else ()

    @property
    def listings(self) -> tuple[str, ...]:
        """The addresses that are asked for first."""
        return self.urls

    @model_validator(mode="after")
    def _some_feeds(self) -> "FeedsSource":
        if not self.urls and self.path is None:
            raise ValueError("feeds need urls, a path, or both")
        return self


class SitemapsSource(BaseModel):
    """Sitemaps, indexes of sitemaps and news sitemaps: each page they name is an article URL."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["sitemaps"] = "sitemaps"
    urls: tuple[str, ...] = Field(default=(), description="Addresses of sitemaps and indexes; plain or gzip.")
    sites: tuple[str, ...] = Field(
        default=(),
        description="Sites, such as https://news.example.org, whose robots.txt names their sitemaps.",
    )
    path: str | None = Field(default=None, description="A text file, a glob or gs://bucket/name of sitemap addresses.")
    since: date | None = Field(
        default=None,
        description="First day: pages published (or, where that is not said, changed) before it are not asked for, nor "
        "sitemaps last changed before it. What has no date is asked for.",
    )
    until: date | None = Field(
        default=None, description="Last day: pages published or changed after it are not asked for."
    )
    max_depth: int = Field(
        default=3,
        ge=1,
        le=5,
        description="Steps from robots.txt or an index to the last sitemap; each step is a round of requests.",
    )
    max_sitemaps: int = Field(
        default=500, ge=1, le=100_000, description="Most sitemaps that are asked for, the last changed first."
    )
    max_urls: int = Field(
        default=50_000, ge=1, le=50_000, description="Most pages taken from one sitemap, the newest first."
    )

    @property
    def patterns(self) -> tuple[str, ...]:
        """The paths and globs that are read."""
        return (self.path,) if self.path is not None else ()

    @property
    def listings(self) -> tuple[str, ...]:
        """The addresses that are asked for first."""
        return (*self.urls, *(f"{site.rstrip('/')}/robots.txt" for site in self.sites))

    @model_validator(mode="after")
    def _checked(self) -> "SitemapsSource":
        if not self.urls and not self.sites and self.path is None:
            raise ValueError("sitemaps need urls, sites, a path, or several of these")
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"since ({self.since}) is after until ({self.until})")
        return self


class PubSubSource(BaseModel):
    """A Cloud Pub/Sub subscription, for a stream: each message is an article URL, or JSON with the key url."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["pubsub"] = "pubsub"
    subscription: str = Field(
        pattern=r"^projects/[a-z][a-z0-9.:-]{4,61}[a-z0-9]/subscriptions/[A-Za-z][A-Za-z0-9._~+%-]{2,254}$",
        description="projects/PROJECT/subscriptions/NAME, a subscription that is pulled and that nobody else reads.",
    )
    id_attribute: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="The attribute by which Dataflow tells what was published twice; elsewhere the URL tells.",
    )
    timestamp_attribute: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="The attribute with the article's time of publication (RFC 3339, or milliseconds since 1970), for "
        "messages whose data does not say it (`published`).",
    )
    pullers: int = Field(default=1, ge=1, le=16, description="How many workers pull at once; not on Dataflow.")
    per_minute: int = Field(
        default=6_000,
        ge=60,
        le=10_000_000,
        description="Most messages taken a minute, by all pullers; not on Dataflow. More than can be fetched in the "
        "lease come again and again.",
    )
    lease_seconds: int = Field(
        default=600,
        ge=10,
        le=600,
        description="How long a message is ours before it comes again; its run should be committed by then. Not on "
        "Dataflow.",
    )

    @property
    def patterns(self) -> tuple[str, ...]:
        """None: a queue is no file."""
        return ()


ListingSource = FeedsSource | SitemapsSource
"""A source of documents that name articles."""

Source = Annotated[UrlsSource | FeedsSource | SitemapsSource | WarcSource | PubSubSource, Field(discriminator="type")]
"""Any source; the key `type` says which."""
