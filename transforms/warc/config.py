"""The settings of a source of web archives."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class WarcSource(BaseModel):
    """Web archives (WARC, ISO 28500): pages that were fetched before, such as a run's own archive or CC-NEWS."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["warc"] = "warc"
    path: str | tuple[str, ...] = Field(
        description="A .warc.gz file, a glob, or gs://bucket/name (a glob too); or several of these."
    )
    max_body_bytes: int = Field(
        default=10 * 2**20, ge=1024, le=2**30, description="Largest page, unpacked; a larger one is too_large."
    )

    @property
    def patterns(self) -> tuple[str, ...]:
        """The paths and globs that are read."""
        return (self.path,) if isinstance(self.path, str) else self.path
