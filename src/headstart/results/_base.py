"""The base class of all result models, and the types that several models share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

SCHEMA_VERSION = 1

JsonObject = dict[str, JsonValue]
Fraction = Annotated[float, Field(ge=0, le=1)]
Interval = tuple[float, float]
EvaluationPart = Literal["train", "validation", "test"]


class ResultModel(BaseModel):
    """A frozen object of a result file. Unknown keys, NaN and infinity are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def as_json(self) -> JsonObject:
        """Return the object as dictionaries, lists and plain values, ready for `json.dump`."""
        return self.model_dump(mode="json")


class VersionedModel(ResultModel):
    """A result model that is the content of a whole file."""

    schema_version: Literal[1] = Field(default=1, description="Version of this schema.")
