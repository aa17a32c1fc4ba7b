"""The last fit of a chosen classifier, on its training and validation images together."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.results._base import ResultModel


class LastFit(ResultModel):
    """The fit of a chosen recipe on the training and validation images together.

    No image that trained the classifier measures it. Validation scores, temperature and prediction
    sets are from `measured_by`.
    """

    images: int = Field(description="Number of images that trained the classifier.")
    measured_by: Literal["folds", "earlier fit"] = Field(
        description="Models whose validation predictions give validation scores, temperature and "
        "prediction sets: those of a cross-validation, or the fit on the training images alone."
    )
    folds: int | None = Field(
        default=None, description="Number of folds; null without cross-validation."
    )
    sentence: str = Field(description="The last fit in words.")
