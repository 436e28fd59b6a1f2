"""Settings of the annotate stage."""

from pydantic import BaseModel, ConfigDict, Field


class AnnotateConfig(BaseModel):
    """How names and quotations are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(
        default=True,
        description="Read names and quotations at all; when false both tables stay empty. Only English texts have any.",
    )
