"""Checks of a verdict, and the subgroups in which the contenders differ most."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.formatting import counted, one_line
from headstart.results._base import Fraction, Interval, ResultModel


class RobustnessCheck(ResultModel):
    """The verdict on other evaluated images."""

    name: Literal["near copies", "without suspects", "corrected labels", "class", "group"] = Field(
        description="What is left out or changed."
    )
    subject: str = Field(description="Name of the class or group that is left out; may be empty.")
    images: int = Field(description="Number of images that are left out or relabelled.")
    holds: bool = Field(description="Whether the outcome and the winner are the same.")
    is_strong: bool = Field(
        description="Whether the winner is the same, with p-values of at most 0.005."
    )
    outcome: Literal["better", "equivalent", "undecided"] | None = Field(
        description="Outcome on the other images; null if no image is left."
    )
    winner: str | None = Field(description="Winner on the other images; null if there is none.")
    difference: float | None = Field(
        description="Accuracy of the best minus the second best contender on the other images, as "
        "a fraction; null if no image is left."
    )
    interval: Interval | None = Field(description="95% interval of that difference.")
    p_value: Fraction | None = Field(
        description="Two-sided p-value of that difference after Holm's correction."
    )

    @property
    def phrase(self) -> str:
        """The check in words, such as "without class cat (20 images)"."""
        images = counted(self.images, "image")
        if self.name == "near copies":
            if not self.images:
                return "without near copies of training images (there are none)"
            copies = counted(self.images, "near copy", "near copies")
            return f"without {copies} of training images"
        if self.name == "without suspects":
            return f"without {images} with suspected labels"
        if self.name == "corrected labels":
            return f"with {counted(self.images, 'suspected label')} corrected"
        return f"without {self.name} {one_line(self.subject)} ({images})"


class Robustness(ResultModel):
    """Checks of a verdict on other images, and the number of labels it depends on."""

    is_robust: bool | None = Field(
        description="Whether the evidence for the winner is strong, including in every check; null "
        "without a winner, or if copies or suspected labels are not known."
    )
    is_strong: bool | None = Field(
        description="Whether the winner's corrected p-values are at most 0.005; null without one."
    )
    checks: tuple[RobustnessCheck, ...] = Field(description="Checks that were carried out.")
    not_checked: tuple[str, ...] = Field(
        description="One sentence per check that was not possible."
    )
    labels_to_overturn: int | None = Field(
        description="Smallest number of wrong labels that could account for the verdict; null "
        "without a winner."
    )
    sentence: str = Field(description="The result in words.")


class SliceDifference(ResultModel):
    """Accuracies of two contenders in a subgroup of the evaluated images."""

    kind: str = Field(description="What it is a subgroup by, such as class or brightness.")
    name: str = Field(description="Name of the subgroup.")
    images: int = Field(description="Number of its images.")
    accuracy_a: Fraction = Field(description="Accuracy of the first contender in it.")
    accuracy_b: Fraction = Field(description="Accuracy of the second contender in it.")
    difference: float = Field(description="Difference of the two, as a fraction.")
    outside: float = Field(description="The same difference for all other images.")
    p_adjusted: Fraction = Field(
        description="Two-sided p-value of the two differences, corrected for the search."
    )


class Slices(ResultModel):
    """A search for subgroups in which two contenders differ more, or less, than elsewhere."""

    a: str = Field(description="The first contender, with the highest accuracy.")
    b: str = Field(description="The second contender, with the next highest accuracy.")
    difference: float = Field(description="Accuracy of a minus b on all images, as a fraction.")
    tested: int = Field(description="Number of subgroups that were tested.")
    kinds: tuple[str, ...] = Field(description="What the subgroups are by.")
    smallest: int = Field(description="Fewest images of a subgroup that is tested.")
    significant: tuple[SliceDifference, ...] = Field(
        description="Subgroups with a significant deviation, the smallest p-value first."
    )
    sentence: str = Field(description="The result in words.")
