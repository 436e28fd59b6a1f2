"""Settings of the annotate stage."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class AnnotateConfig(BaseModel):
    """How names and quotations are read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(
        default=True,
        description="Read names and quotations at all; when false both tables stay empty. Only English texts have any.",
    )
    model: Literal["shipped", "rules"] = Field(
        default="shipped",
        description="`shipped`: the model in the package. `rules`: word lists and rules alone, for whoever must do "
        "without a model trained on PolNeAR (see the model card); names and indirect speech are found far less well.",
    )
    gazetteers: tuple[str, ...] = Field(
        default=(),
        max_length=50,
        description="CSV or Parquet files of your own names, local or gs://, with the columns alias, id, type and, if "
        "wanted, name: they give kb_id and correct names and types. A later file goes before an earlier one.",
    )
