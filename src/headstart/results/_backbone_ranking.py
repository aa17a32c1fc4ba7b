"""The finding of `backbones`: linear probes on the features of each candidate, and its speed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.results._base import Fraction, Interval, ResultModel
from headstart.results._finding import Difference, Finding


class BackboneCandidate(ResultModel):
    """A backbone at one image size."""

    name: str = Field(description="Model and image size, such as efficientnet-lite0@128.")
    model: str = Field(description="Name of the backbone.")
    input_px: int = Field(description="Image size that the backbone receives, in pixels.")
    features: int = Field(description="Number of features per image.")
    accuracy: Fraction = Field(
        description="Cross-validated accuracy of a linear probe on training images."
    )
    interval: Interval = Field(description="95% interval of the accuracy of this candidate alone.")
    loss: float = Field(description="Cross-validated mean cross-entropy per image, in nats.")
    l2: float = Field(description="Penalty of the linear probe, chosen by cross-validation.")
    images_per_second: float = Field(description="Images per second on this machine.")
    is_best: bool = Field(description="True for the most accurate candidate.")
    as_good: bool = Field(
        description="True for the best candidate and those not significantly worse."
    )
    is_recommended: bool = Field(description="True for the fastest candidate that is not worse.")
    difference: Difference | None = Field(
        description="Difference in accuracy from the best candidate; null for that one."
    )


class RecommendedBackbone(ResultModel):
    """The backbone that the study recommends."""

    model: str = Field(description="Name of the backbone.")
    input_px: int = Field(description="Image size that the backbone receives, in pixels.")
    interval: Interval | None = Field(
        default=None,
        description="95% interval of the accuracy of its probe, corrected for the selection.",
    )


class BackboneRanking(Finding):
    """The finding of `headstart backbones`."""

    study: Literal["backbones"] = "backbones"
    images: int = Field(description="Number of training images of each probe.")
    candidates: tuple[BackboneCandidate, ...] = Field(description="Results of each candidate.")
    best: str = Field(description="Name of the most accurate candidate.")
    recommended: RecommendedBackbone = Field(
        description="The fastest candidate that is not significantly worse than the best."
    )
    sentence: str = Field(description="The finding in words.")
    notes: tuple[str, ...] = Field(description="Further observations, one sentence each.")
