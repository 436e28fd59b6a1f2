"""The limits of the quality gate."""

from pydantic import BaseModel, ConfigDict, Field

Share = float | None


class QualityConfig(BaseModel):
    """What holds a run back until somebody has looked at it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_failed: Share = Field(
        default=0.8, ge=0, le=1, description="Largest share of the URLs tried that may fail; null: not checked."
    )
    max_speakerless: Share = Field(
        default=0.6, ge=0, le=1, description="Largest share of quotes without a speaker; null: not checked."
    )
    max_repeated: Share = Field(
        default=0.3,
        ge=0,
        le=1,
        description="Largest share of articles whose very text another page of the same site has too, as where a "
        "consent wall stands before each; null: not checked.",
    )
    min_sample: int = Field(
        default=100,
        ge=1,
        le=1_000_000_000,
        description="With fewer URLs, quotes or articles than this, the three shares above are not checked.",
    )
    max_silent: Share = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Largest share of the steady sites that may bring nothing now; 0: none may; null: not checked.",
    )
    silent_runs: int = Field(
        default=3,
        ge=1,
        le=100,
        description="A site is steady that brought pages in each of so many runs of this configuration before this one",
    )
    silent_articles: int = Field(
        default=10, ge=1, le=1_000_000, description="and at least so many in these runs together."
    )
