"""Settings of the sources of URLs."""

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
        description="A file, a glob, gs://bucket/name or a gs:// glob, or a list of these."
    )
    format: Format | None = Field(
        default=None,
        description="text (one URL per line, # begins a comment), csv, jsonl or parquet. Default: by suffix.",
    )
    column: str = Field(default="url", description="Column or key that contains the URL; not used for text.")

    @property
    def patterns(self) -> tuple[str, ...]:
        """Paths and globs of the list files."""
        return (self.path,) if isinstance(self.path, str) else self.path


class FeedsSource(BaseModel):
    """RSS, Atom and JSON feeds: each entry is an article URL."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["feeds"] = "feeds"
    urls: tuple[str, ...] = Field(default=(), description="URLs of the feeds.")
    path: str | None = Field(default=None, description="Text file with feed URLs: a path, a glob or gs://bucket/name.")

    @property
    def patterns(self) -> tuple[str, ...]:
        """Paths and globs of the list files."""
        return (self.path,) if self.path is not None else ()

    @property
    def listings(self) -> tuple[str, ...]:
        """URLs requested first."""
        return self.urls

    @model_validator(mode="after")
    def _some_feeds(self) -> "FeedsSource":
        if not self.urls and self.path is None:
            raise ValueError("feeds need urls, path, or both")
        return self


class SitemapsSource(BaseModel):
    """Sitemaps, sitemap indexes and news sitemaps: each page that they list is an article URL."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["sitemaps"] = "sitemaps"
    urls: tuple[str, ...] = Field(default=(), description="URLs of sitemaps and sitemap indexes, plain or gzip.")
    sites: tuple[str, ...] = Field(
        default=(),
        description="Sites, such as https://news.example.org, with sitemaps listed in their robots.txt.",
    )
    path: str | None = Field(
        default=None, description="Text file with sitemap URLs: a path, a glob or gs://bucket/name."
    )
    since: date | None = Field(
        default=None,
        description="First day: skip pages published before it (or changed before it, if no publication date is given) "
        "and sitemaps last changed before it. Pages and sitemaps without a date are requested.",
    )
    until: date | None = Field(default=None, description="Last day: skip pages published or changed after it.")
    max_depth: int = Field(
        default=3,
        ge=1,
        le=5,
        description="Maximum number of levels of sitemap indexes, counted from robots.txt or the first index.",
    )
    max_sitemaps: int = Field(
        default=500,
        ge=1,
        le=100_000,
        description="Maximum number of requested sitemaps; the most recently changed are requested first.",
    )
    max_urls: int = Field(
        default=50_000, ge=1, le=50_000, description="Maximum number of pages per sitemap; the newest are kept."
    )

    @property
    def patterns(self) -> tuple[str, ...]:
        """Paths and globs of the list files."""
        return (self.path,) if self.path is not None else ()

    @property
    def listings(self) -> tuple[str, ...]:
        """URLs requested first."""
        return (*self.urls, *(f"{site.rstrip('/')}/robots.txt" for site in self.sites))

    @model_validator(mode="after")
    def _checked(self) -> "SitemapsSource":
        if not self.urls and not self.sites and self.path is None:
            raise ValueError("sitemaps need at least one of urls, sites and path")
        if self.since and self.until and self.since > self.until:
            raise ValueError(f"since ({self.since}) is after until ({self.until})")
        return self


class PubSubSource(BaseModel):
    """A Cloud Pub/Sub subscription, for a stream: each message is an article URL, or JSON with the key url."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["pubsub"] = "pubsub"
    subscription: str = Field(
        pattern=r"^projects/[a-z][a-z0-9.:-]{4,61}[a-z0-9]/subscriptions/[A-Za-z][A-Za-z0-9._~+%-]{2,254}$",
        description="projects/PROJECT/subscriptions/NAME: a pull subscription without other readers.",
    )
    id_attribute: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="Attribute by which Dataflow finds messages published twice; other runners use the URL.",
    )
    timestamp_attribute: str | None = Field(
        default=None,
        min_length=1,
        max_length=256,
        description="Attribute with the article's time of publication (RFC 3339, or milliseconds since 1970), for "
        "messages without `published` in their data.",
    )
    pullers: int = Field(default=1, ge=1, le=16, description="Number of parallel pullers; not on Dataflow.")
    per_minute: int = Field(
        default=6_000,
        ge=60,
        le=10_000_000,
        description="Maximum number of messages per minute, over all pullers; not on Dataflow. Messages that cannot be "
        "fetched within the lease are redelivered repeatedly.",
    )
    lease_seconds: int = Field(
        default=600,
        ge=10,
        le=600,
        description="Seconds until a message is redelivered; its window should be committed before. Not on Dataflow.",
    )

    @property
    def patterns(self) -> tuple[str, ...]:
        """Empty: a queue has no list files."""
        return ()


ListingSource = FeedsSource | SitemapsSource
"""A source of documents that list articles."""

Source = Annotated[UrlsSource | FeedsSource | SitemapsSource | WarcSource | PubSubSource, Field(discriminator="type")]
"""Any source; the key `type` selects it."""
