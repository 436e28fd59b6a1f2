"""Settings of web archives as a source."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class WarcSource(BaseModel):
    """Web archives (WARC, ISO 28500): pages that were fetched before, such as a run's own archive or CC-NEWS."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["warc"] = "warc"
    path: str | tuple[str, ...] = Field(
        description="A .warc.gz file, a glob, gs://bucket/name or a gs:// glob, or a list of these."
    )
    max_body_bytes: int = Field(
        default=10 * 2**20,
        ge=1024,
        le=2**30,
        description="Maximum size of a decompressed page in bytes; a larger page fails with the reason too_large.",
    )

    @property
    def patterns(self) -> tuple[str, ...]:
        """The paths and globs that are read."""
        return (self.path,) if isinstance(self.path, str) else self.path
