"""The finding of `lr`: learning rates, the range that is not worse, and range tests."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.results._base import Fraction, Interval, ResultModel
from headstart.results._finding import Difference, Finding, SeedFailure, SeedScores

_LEVEL = 0.05  # of the tests of the study
_NEARLY_ALL = 0.95  # of accuracy; an interval that allows such a loss says nothing


class LearningRateResult(ResultModel):
    """The results of one learning rate over seeds."""

    lr: float = Field(description="Learning rate.")
    validation: SeedScores | None = Field(
        description="Scores on the validation images; null with folds, if there are none, or if "
        "every run failed."
    )
    test: SeedScores | None = Field(
        description="Scores on the test images; null if there are none or every run failed."
    )
    runs: tuple[str, ...] = Field(
        description="Paths of the finished run folders, relative to the study folder."
    )
    failures: tuple[SeedFailure, ...] = Field(
        description="Runs that failed, such as by divergence."
    )
    diverged_seeds: tuple[int, ...] = Field(
        description="Seeds of the runs that failed or ended with a loss above that of the class "
        "frequencies; one per run, so that a seed of several folds is repeated."
    )
    is_best: bool = Field(description="True for the rate with the lowest mean loss.")
    as_good: bool = Field(
        description="True for the best rate, and for rates that are not significantly worse and do "
        "not vary significantly more over seeds."
    )
    difference: Difference | None = Field(
        description="Difference in accuracy from the best rate; null for the best rate itself, and "
        "where training diverged."
    )

    @property
    def diverged_everywhere(self) -> bool:
        """True if no seed learned anything at this rate."""
        return len(self.diverged_seeds) == len(self.runs) + len(self.failures)

    @property
    def varies_more(self) -> bool:
        """True if only the second condition of `as_good` fails: the variation over seeds."""
        if self.as_good or self.is_best or self.difference is None:
            return False
        if self.difference.p_adjusted is None:
            return self.difference.interval[1] >= 0
        return self.difference.p_adjusted > _LEVEL

    def part(self, name: str) -> SeedScores | None:
        """Return the scores on one part of the split.

        Args:
            name: "validation" or "test".
        """
        return self.validation if name == "validation" else self.test


class LearningRateRange(ResultModel):
    """The neighbours of the best learning rate that are not significantly worse."""

    low: float = Field(description="Lowest learning rate of the range.")
    high: float = Field(description="Highest learning rate of the range.")
    decades: float = Field(description="Width of the range in factors of ten.")
    largest_loss: Fraction | None = Field(
        default=None,
        description="Largest loss of accuracy, compared with the best rate, that the 95% intervals "
        "allow in the range; null for a range of one rate.",
    )

    @property
    def excludes_no_loss(self) -> bool:
        """True if the runs are too few to say how much worse another rate of the range may be."""
        return self.largest_loss is not None and self.largest_loss > _NEARLY_ALL


class RangeTestCurve(ResultModel):
    """One range test: the loss while the learning rate rises step by step."""

    rates: tuple[float, ...] = Field(description="Learning rate of each step.")
    losses: tuple[float, ...] = Field(description="Smoothed training loss of each step, in nats.")
    steepest: float = Field(description="Learning rate at which the loss falls most steeply.")
    minimum: float = Field(description="A tenth of the learning rate at which the loss is lowest.")


class RangeTests(ResultModel):
    """The suggestion of several range tests, against the measured learning rates."""

    repeats: tuple[RangeTestCurve, ...] = Field(description="Range tests with different seeds.")
    suggested: float = Field(
        description="Geometric mean of the learning rates at which the loss falls most steeply."
    )
    agrees: bool = Field(
        description="True if the nearest measured rate is not significantly worse than the best."
    )
    beyond_grid: bool = Field(
        description="True if the suggestion lies outside the learning rates that were measured."
    )
    sentence: str = Field(description="The suggestion in words.")


class LearningRates(Finding):
    """The finding of `headstart lr`."""

    study: Literal["lr"] = "lr"
    seeds: tuple[int, ...] = Field(description="Seeds of each learning rate.")
    model: str = Field(description="Name of the model, such as cnn.")
    epochs: float | None = Field(
        description="Number of passes over the training images of each run."
    )
    optimizer: str = Field(description="Name of the optimizer, such as adam.")
    rates: tuple[LearningRateResult, ...] = Field(
        description="Results of each learning rate, in ascending order."
    )
    best: float | None = Field(
        description="Learning rate with the lowest mean loss; null if no rate learned anything."
    )
    good: LearningRateRange | None = Field(
        description="Range around the best rate that is not significantly worse; null if no rate "
        "learned anything."
    )
    best_interval: Interval | None = Field(
        default=None,
        description="95% interval of the accuracy of the best rate, corrected for its selection.",
    )
    diverges_from: float | None = Field(
        description="Lowest rate above the best at which any seed diverges; null if none does."
    )
    range_test: RangeTests | None = Field(
        description="Range tests; null if no rate learned anything."
    )
    sentence: str = Field(description="The finding in words.")
    notes: tuple[str, ...] = Field(description="Further observations, one sentence each.")

    def test_accuracies(self) -> tuple[float, ...]:
        """Return the mean test accuracies of the learning rates."""
        scores = [rate.test for rate in self.rates]
        return tuple(score.accuracy.mean for score in scores if score is not None)
