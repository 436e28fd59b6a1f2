"""Settings of the extract stage."""

from pydantic import BaseModel, ConfigDict, Field


class ExtractConfig(BaseModel):
    """Settings of `ExtractArticles`: limits, and the minimum length of an article."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_words: int = Field(
        default=20,
        ge=0,
        le=100_000,
        description="Minimum number of words; a page with a shorter text is rejected as too_short.",
    )
    max_html_bytes: int = Field(
        default=8_000_000,
        ge=1_000,
        le=9_500_000,
        description="Maximum size of a page in bytes; larger pages are not parsed.",
    )
    max_tags: int = Field(
        default=40_000, ge=100, le=1_000_000, description="Maximum number of tags; pages with more are not parsed."
    )
    max_depth: int = Field(
        default=200, ge=10, le=250, description="Maximum depth of nested elements; deeper pages are not parsed."
    )
    page_seconds: float = Field(
        default=20.0,
        ge=0.1,
        le=600.0,
        description="Time limit, in seconds, of the sandbox process that parses pages near one of the limits above.",
    )
    page_memory: int = Field(
        default=1_000_000_000,
        ge=100_000_000,
        le=64_000_000_000,
        description="Memory limit of the sandbox process, in bytes.",
    )
    detect_language: bool = Field(
        default=True, description="Detect the language of the text; if false, the column `language` is null."
    )


DEFAULTS = ExtractConfig()
"""Default settings."""
