"""The starting point of a fine-tuned run, compared with the end of its training."""

from __future__ import annotations

from pydantic import Field

from headstart.results._base import Fraction, ResultModel


class StartingPoint(ResultModel):
    """The fitted head on frozen features that fine-tuning starts from.

    The run keeps it unless validation images show an improvement.
    """

    is_kept: bool = Field(description="True if the run's classifier is the starting point.")
    accuracy: Fraction | None = Field(
        description="Validation accuracy of the starting point; null without validation images."
    )
    end_accuracy: Fraction | None = Field(
        description="Validation accuracy at the end of training; null without validation images."
    )
    reason: str = Field(description="Reason for the choice, in words.")
