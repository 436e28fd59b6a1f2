"""Limits of the quality gate."""

from pydantic import BaseModel, ConfigDict, Field

Share = float | None


class QualityConfig(BaseModel):
    """Limits of the quality gate. A run that exceeds one is held until someone has checked it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_failed: Share = Field(
        default=0.8,
        ge=0,
        le=1,
        description="Maximum share of failed URLs, of those that were requested; null: not checked.",
    )
    max_speakerless: Share = Field(
        default=0.6, ge=0, le=1, description="Maximum share of quotes without a speaker; null: not checked."
    )
    max_repeated: Share = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Maximum share of articles with the same text as another page of their site, such as a consent "
        "wall; null: not checked.",
    )
    min_sample: int = Field(
        default=100,
        ge=1,
        le=1_000_000_000,
        description="Minimum number of URLs, quotes or articles; with fewer, the three shares above are not checked.",
    )
    max_silent: Share = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Maximum share of steady sites without a page in this run; null: not checked.",
    )
    silent_runs: int = Field(
        default=3,
        ge=1,
        le=100,
        description="A site is steady if it had pages in each of this many previous runs of the configuration,",
    )
    silent_articles: int = Field(
        default=10, ge=1, le=1_000_000, description="and at least this many pages in these runs together."
    )
