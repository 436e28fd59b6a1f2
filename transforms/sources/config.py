"""The settings of the sources: where URLs come from."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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

    @model_validator(mode="after")
    def _some_feeds(self) -> "FeedsSource":
        if not self.urls and self.path is None:
            raise ValueError("feeds need urls, a path, or both")
        return self


Source = Annotated[UrlsSource | FeedsSource, Field(discriminator="type")]
"""Any source; the key `type` says which."""
