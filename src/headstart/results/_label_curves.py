"""The finding of `labels`: accuracy against the number of labels per class."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.results._base import Fraction, Interval, ResultModel
from headstart.results._finding import Finding, SeedSpread


class LabelPoint(ResultModel):
    """The results of one contender with one number of labels per class."""

    per_class: int = Field(description="Number of labels per class.")
    labels: int = Field(description="Number of labels in all classes together.")
    accuracy: SeedSpread | None = Field(
        description="Accuracy over seeds, as a fraction; null if every run failed."
    )
    loss: SeedSpread | None = Field(
        description="Mean cross-entropy per image over seeds, in nats; null if every run failed."
    )
    epochs: float | None = Field(description="Number of passes over the training images.")
    seconds: float | None = Field(
        description="Median seconds of training per run; null if every run failed."
    )
    runs: tuple[str, ...] = Field(
        description="Paths of the finished run folders, relative to the study folder."
    )
    failures: tuple[str, ...] = Field(description="One sentence per failed run.")


class LabelContender(ResultModel):
    """A contender and its learning curve."""

    name: str = Field(description="Name of the contender.")
    model: str = Field(description="Name of the model, such as cnn.")
    points: tuple[LabelPoint, ...] = Field(
        description="Results for each number of labels, fewest labels first."
    )

    @property
    def last_point(self) -> LabelPoint:
        """The point with the most labels at which a run finished, or the last point if none did."""
        for point in reversed(self.points):
            if point.accuracy is not None:
                return point
        return self.points[-1]


class LabelDifference(ResultModel):
    """The difference of two contenders with one number of labels per class."""

    per_class: int = Field(description="Number of labels per class.")
    difference: float = Field(description="Accuracy of a minus accuracy of b, as a fraction.")
    interval: Interval = Field(description="95% interval of the difference, not corrected.")
    p_adjusted: Fraction = Field(
        description="Two-sided p-value after Holm's correction over all tests of the study."
    )
    is_significant: bool = Field(description="True if the adjusted p-value is at most 0.05.")


class LabelEstimate(ResultModel):
    """A number of labels per class, interpolated between the measured ones."""

    per_class: float | None = Field(
        description="Number of labels per class; null outside the measured numbers."
    )
    where: Literal["below", "inside", "above"] = Field(
        description="Position relative to the smallest and largest measured number of labels."
    )
    interval: tuple[float | None, float | None] = Field(
        description="95% interval; null for an end that lies outside the measured numbers."
    )


class LabelMatch(ResultModel):
    """The number of labels that the follower needs to match the leader at one point."""

    per_class: int = Field(description="Number of labels per class of the leader.")
    accuracy: Fraction = Field(description="Accuracy of the leader there, as a fraction.")
    needs: LabelEstimate = Field(
        description="Number of labels per class with which the follower is as accurate."
    )
    factor: float | None = Field(
        description="Ratio of the two numbers of labels; null outside the measured numbers."
    )
    factor_interval: tuple[float | None, float | None] = Field(
        description="95% interval of the ratio; null for an end outside the measured numbers."
    )


class LabelComparison(ResultModel):
    """One contender against the reference contender, over all numbers of labels."""

    a: str = Field(description="Name of the contender.")
    b: str = Field(description="Name of the reference contender.")
    leader: str | None = Field(
        description="Contender that is better at the first significant difference; null if none."
    )
    follower: str | None = Field(description="The other contender; null if none leads.")
    differences: tuple[LabelDifference, ...] = Field(
        description="Differences for each number of labels, fewest labels first."
    )
    crossing: LabelEstimate | None = Field(
        description="Number of labels per class at which the curves cross; null if none leads."
    )
    matches: tuple[LabelMatch, ...] = Field(
        description="Labels that the follower needs, for each number of labels of the leader."
    )
    match: int | None = Field(
        description="Index in `matches` of the first significant difference; null if none."
    )
    sentence: str = Field(description="The comparison in words.")


class LabelCurves(Finding):
    """The finding of `headstart labels`."""

    study: Literal["labels"] = "labels"
    seeds: tuple[int, ...] = Field(description="Seeds of each point.")
    classes: int = Field(description="Number of classes.")
    contenders: tuple[LabelContender, ...] = Field(description="Contenders and their curves.")
    per_class: tuple[int, ...] = Field(
        description="Numbers of labels per class that were measured, in ascending order."
    )
    compared_with: str = Field(
        description="Name of the reference contender: the first one that is not pretrained."
    )
    comparisons: tuple[LabelComparison, ...] = Field(
        description="Comparisons of the other contenders with the reference contender."
    )
    main: int | None = Field(
        description="Index in `comparisons` of the main finding; null for a single contender."
    )
    sentence: str = Field(description="The finding in words.")
    notes: tuple[str, ...] = Field(description="Further observations, one sentence each.")

    def test_accuracies(self) -> tuple[float, ...]:
        """Return the mean test accuracies of all points."""
        if self.evaluated_on != "test":
            return ()
        accuracies: list[float] = []
        for contender in self.contenders:
            spreads = [point.accuracy for point in contender.points]
            accuracies += [spread.mean for spread in spreads if spread is not None]
        return tuple(accuracies)
