"""The check of an augmentation: whether changed images keep their labels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.results._base import Fraction, ResultModel


class AugmentationCheck(ResultModel):
    """Check of a change of the training images: does it keep their labels, by a quick probe?"""

    change: str = Field(description="The change: mirror.")
    outcome: Literal["on", "off", "unknown"] = Field(
        description="'unknown' if the evidence is not sufficient; the change is then not used."
    )
    is_used: bool = Field(description="True if training uses the change.")
    reason: str = Field(description="Reason for the outcome, in words.")
    images: int = Field(description="Number of training images that were measured.")
    accuracy: Fraction | None = Field(
        default=None, description="Cross-validated accuracy of the probe, as a fraction."
    )
    accuracy_changed: Fraction | None = Field(
        default=None, description="Accuracy of the same probe on changed images."
    )
    accuracy_with_copies: Fraction | None = Field(
        default=None, description="Accuracy of a probe that also learned changed copies."
    )
    skill_kept: float | None = Field(
        default=None,
        description="Accuracy above chance on changed images, as a fraction of that on originals.",
    )

    @property
    def sentence(self) -> str:
        """Return the decision and its reason."""
        return f"{self.change}: {'on' if self.is_used else 'off'}, because {self.reason}."
