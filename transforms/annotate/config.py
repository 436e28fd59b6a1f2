"""Settings of the annotate stage."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class AnnotateConfig(BaseModel):
    """Settings of entity recognition and quotation attribution."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(
        default=True,
        description="Find names and quotations. If false, the tables entities and quotes are empty. Only English texts "
        "have rows in them.",
    )
    model: Literal["shipped", "rules"] = Field(
        default="shipped",
        description="`shipped`: the model in the package. `rules`: word lists and rules alone, if you cannot use a "
        "model that was trained on PolNeAR (see the model card); they find far fewer names and indirect quotations.",
    )
    gazetteers: tuple[str, ...] = Field(
        default=(),
        max_length=50,
        description="CSV or Parquet files of known names, local or gs://, with the columns alias, id, type and "
        "optionally name. They set kb_id and correct names and types. A later file overrides an earlier one.",
    )
