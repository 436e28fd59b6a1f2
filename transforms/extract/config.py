"""The settings of the extract stage."""

from pydantic import BaseModel, ConfigDict, Field


class ExtractConfig(BaseModel):
    """How pages become articles, and which pages are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_words: int = Field(
        default=20, ge=0, le=100_000, description="A page whose text has fewer words than this is refused as too short."
    )
    max_html_bytes: int = Field(
        default=8_000_000, ge=1_000, le=9_500_000, description="A page larger than this, in bytes, is not parsed."
    )
    max_tags: int = Field(
        default=40_000, ge=100, le=1_000_000, description="A page with more tags than this is not parsed."
    )
    max_depth: int = Field(
        default=200, ge=10, le=250, description="A page whose elements are nested deeper than this is not parsed."
    )
    page_seconds: float = Field(
        default=20.0,
        ge=0.1,
        le=600.0,
        description="A page that is near one of the limits above is read by a helper process, which is killed after so "
        "many seconds.",
    )
    page_memory: int = Field(
        default=1_000_000_000,
        ge=100_000_000,
        le=64_000_000_000,
        description="The memory, in bytes, that such a page may take.",
    )
    detect_language: bool = Field(
        default=True, description="Detect the language of the text; when off, the column `language` stays empty."
    )


DEFAULTS = ExtractConfig()
"""The settings of a call that gives none."""
