"""Settings of the annotate stage."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class AnnotateConfig(BaseModel):
    """How names and quotations are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(
        default=True, description="Read names and quotations at all; when false both tables stay empty."
    )
    languages: tuple[Literal["en"], ...] = Field(
        default=("en",),
        min_length=1,
        description="ISO 639-1 codes of the languages to annotate; there are rules for `en` only. Articles in another "
        "language keep their text and get no entities or quotes.",
    )
