"""The finding of `compare`: contenders, baselines and the verdict."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.results._base import Fraction, Interval, JsonObject, ResultModel
from headstart.results._finding import Finding
from headstart.results._metrics import RunSeconds
from headstart.results._robustness import Robustness, Slices

Outcome = Literal["better", "equivalent", "undecided"]

_SINGLE_LOOK = 0.05  # the level of a test of equivalence without further looks


class ContenderScores(ResultModel):
    """Scores of a contender on one part of the split, as means over seeds."""

    accuracy: Fraction = Field(description="Mean accuracy over seeds, as a fraction.")
    interval: Interval | None = Field(
        description="95% interval of the accuracy over images and seeds; null if not evaluated."
    )
    interval_over_images: Interval | None = Field(
        default=None,
        description="Interval that takes images as independent; null unless `interval` is one over "
        "groups.",
    )
    n: int = Field(description="Number of images.")
    loss: float = Field(description="Mean cross-entropy per image over seeds, in nats.")
    macro_f1: Fraction = Field(description="Mean over seeds of the macro-averaged F1.")
    per_seed: tuple[float, ...] = Field(description="Accuracy of each seed, as a fraction.")


class MetricScores(ResultModel):
    """Scores of a contender by the metric of its recipe, on the images that evaluate."""

    name: str = Field(description="Name of the metric, such as macro-f1.")
    score: float = Field(description="Mean score over runs; higher is better.")
    per_seed: tuple[float, ...] = Field(description="Score of each run.")


class Contender(ResultModel):
    """A contender of a comparison, or the control of a backbone, with the results of its runs."""

    name: str = Field(description="Name of the contender.")
    role: Literal["contender", "control"] = Field(
        description="'control' for a backbone with random weights, which cannot win."
    )
    model: str = Field(description="Name of the model, such as cnn.")
    recipe: JsonObject = Field(
        description="Recipe of the first run, or with folds of the representative run, with every "
        "value decided."
    )
    recipe_digest: str = Field(
        description="SHA-256 of the recipe that was entered; in `tune` with folds, of that of the "
        "first fold."
    )
    parameters: int = Field(description="Number of parameters, those of a backbone included.")
    trainable_parameters: int = Field(description="Number of parameters that are trained.")
    multiply_adds: int = Field(description="Number of multiply-adds per image.")
    epochs: tuple[int | float, ...] = Field(
        description="Number of passes over the training images, for each run."
    )
    seconds: RunSeconds = Field(description="Time of all runs; preparation counts once.")
    predict_ms_per_image: float = Field(
        description="Milliseconds per image of prediction, as a mean over runs."
    )
    test: ContenderScores | None = Field(
        description="Scores on the test images; null if there are none."
    )
    validation: ContenderScores | None = Field(
        description="Scores on the validation images; null if there are none, and with folds, each "
        "of which has others."
    )
    metric: MetricScores | None = Field(
        default=None,
        description="Scores by the metric of the recipe; null if that is the loss or the accuracy.",
    )
    runs: tuple[str, ...] = Field(
        description="Paths of the run folders, relative to the study folder."
    )
    representative_run: str = Field(
        description="Path of the run with the median accuracy, which stands for all in figures."
    )
    seeds: tuple[int, ...] = Field(description="Seeds of the finished runs.")
    warnings: tuple[str, ...] = Field(description="Warnings and failures of the runs.")

    def part(self, name: str) -> ContenderScores | None:
        """Return the scores on one part of the split.

        Args:
            name: "validation" or "test".
        """
        return self.validation if name == "validation" else self.test


class FailedContender(ResultModel):
    """A contender of which at least one run failed."""

    name: str = Field(description="Name of the contender.")
    failures: tuple[str, ...] = Field(description="One sentence per failed run.")


class BaselineScore(ResultModel):
    """The accuracy of a method that needs no training."""

    name: str = Field(description="Name of the baseline, such as majority class.")
    accuracy: Fraction = Field(description="Accuracy, as a fraction.")
    n: int = Field(description="Number of images.")
    note: str = Field(description="Details of how the baseline predicts.")
    interval: Interval = Field(
        description="95% Wilson interval of the accuracy over images, or over groups of images."
    )


class McNemarTest(ResultModel):
    """Test of two trained models: McNemar's, or a sign-flip test of groups of images."""

    only_a: int = Field(
        description="Number of images that only the first model classifies correctly."
    )
    only_b: int = Field(
        description="Number of images that only the second model classifies correctly."
    )
    p_value: Fraction = Field(description="Two-sided p-value.")
    form: Literal["exact", "mid-p", "sign-flip"] = Field(
        default="exact",
        description="Form of the test; 'sign-flip' if groups of images are the units.",
    )


class ContenderPair(ResultModel):
    """The comparison of two contenders, the more accurate one first."""

    a: str = Field(description="Name of the contender with the higher mean accuracy.")
    b: str = Field(description="Name of the other contender.")
    difference: float = Field(description="Accuracy of a minus accuracy of b, as a fraction.")
    interval: Interval = Field(description="95% interval of the difference, not corrected.")
    interval_over_images: Interval | None = Field(
        default=None,
        description="Interval that takes images as independent; null unless `interval` is one over "
        "groups.",
    )
    p_value: Fraction = Field(description="Two-sided p-value before correction.")
    p_adjusted: Fraction = Field(description="Two-sided p-value after Holm's correction.")
    smallest_detectable: float = Field(
        description="Minimum detectable effect at 80% power, as a fraction."
    )
    mcnemar: tuple[McNemarTest, ...] = Field(
        description="Tests of the trained models, one per pair of runs."
    )
    bootstrap: Interval | None = Field(
        description="Paired bootstrap interval of the difference of the trained models."
    )
    outcome: Outcome = Field(
        default="undecided",
        description="'better' if a is significantly better than b, 'equivalent' if the difference "
        "is shown to be within the margin, 'undecided' otherwise.",
    )
    equivalence_interval: Interval | None = Field(
        default=None,
        description="Interval of the difference, which shows equivalence if it lies within the "
        "margin: a 90% interval, or with several looks one at confidence 1 - 2 * "
        "verdict.equivalence_level; null if it was not tested.",
    )
    p_equivalent: Fraction | None = Field(
        default=None,
        description="P-value of two one-sided tests of equivalence after Holm's correction; null "
        "if it was not tested.",
    )
    image_share: Fraction | None = Field(
        default=None,
        description="Share of the squared standard error that more seeds cannot reduce; null if "
        "unknown.",
    )


class Verdict(ResultModel):
    """The conclusion of a comparison."""

    outcome: Outcome = Field(
        default="undecided",
        description="'better' if one contender is significantly better than every other, "
        "'equivalent' if the best one is better than or equivalent to every other, 'undecided' "
        "otherwise.",
    )
    winner: str | None = Field(
        description="Contender that is significantly better than every other; null if none is."
    )
    difference: float | None = Field(
        description="Accuracy of the best minus the second best contender; null if there is one."
    )
    interval: Interval | None = Field(description="95% interval of the difference.")
    p_value: float | None = Field(
        description="Two-sided p-value of the difference after Holm's correction."
    )
    smallest_detectable: float | None = Field(
        description="Minimum detectable effect of that test at 80% power, as a fraction."
    )
    equivalence_margin: Fraction | None = Field(
        default=None,
        description="Largest difference that counts as equivalent, as a fraction, fixed before the "
        "runs; null if equivalence was not tested.",
    )
    equivalent_to_best: tuple[str, ...] = Field(
        default=(), description="Contenders that are shown to be equivalent to the best one."
    )
    limited_by: Literal["images", "seeds", "both"] | None = Field(
        default=None,
        description="What limits an undecided comparison: the number of images, the variance over "
        "seeds, or both; null for another outcome.",
    )
    image_share: Fraction | None = Field(
        default=None,
        description="Share of the squared standard error of the undecided difference that more "
        "seeds cannot reduce.",
    )
    seeds_to_decide: int | None = Field(
        default=None,
        description="Seeds per contender that would decide an undecided comparison at 80% power, "
        "if the observed difference is the true one; null if seeds are not the limit.",
    )
    images_to_decide: int | None = Field(
        default=None,
        description="The same for the number of images; if both are numbers, both are needed.",
    )
    looks: tuple[int, ...] = Field(
        default=(),
        description="Numbers of seeds at which the comparison was looked at, this look included; "
        "empty for a single look.",
    )
    is_planned_look: bool = Field(
        default=True, description="False if seeds were added after the comparison had ended."
    )
    most_seeds: int | None = Field(
        default=None,
        description="Number of seeds at the last look that was planned; null for a single look.",
    )
    level: Fraction | None = Field(
        default=None,
        description="Level of the tests of a difference at this look; null in older findings.",
    )
    equivalence_level: Fraction | None = Field(
        default=None,
        description="Level of the tests of equivalence at this look; null in older findings.",
    )
    sentence: str = Field(description="The verdict in words.")
    about: Literal["recipes", "models"] = Field(
        description="'recipes' if the variance over seeds counts, 'models' for single runs."
    )
    pairs: tuple[ContenderPair, ...] = Field(description="All pairs, best contenders first.")
    notes: tuple[str, ...] = Field(description="Further observations, one sentence each.")
    too_short: tuple[str, ...] = Field(
        default=(),
        description="Contenders for which the time limit is too short; then there is no winner.",
    )
    left_out: tuple[str, ...] = Field(
        default=(),
        description="Contenders that were not trained, because the time limit is too short for "
        "them; the verdict is about the others.",
    )
    needed_time_limit: str | None = Field(
        default=None,
        description="Time limit with which all contenders reach their minimum epochs, such as 4m; "
        "null if this one is long enough.",
    )

    @property
    def equivalence_confidence(self) -> float:
        """Confidence of the intervals that show equivalence: 0.9 for a single look."""
        level = _SINGLE_LOOK if self.equivalence_level is None else self.equivalence_level
        return 1 - 2 * level

    @property
    def equivalent_contenders(self) -> tuple[str, ...]:
        """The best contender and those equivalent to it; empty unless the outcome is that."""
        if self.outcome != "equivalent":
            return ()
        return (self.pairs[0].a, *self.equivalent_to_best)


class ContenderFinding(Finding):
    """A finding about contenders that are trained over seeds and compared."""

    contenders: tuple[Contender, ...] = Field(description="Contenders and controls.")
    failed: tuple[FailedContender, ...] = Field(description="Contenders with failed runs.")
    baselines: tuple[BaselineScore, ...] = Field(
        description="Baselines that need no training, on the same images."
    )
    verdict: Verdict = Field(description="Conclusion of the comparison.")

    def test_accuracies(self) -> tuple[float, ...]:
        """Return the mean test accuracies of the contenders and controls."""
        scores = [contender.test for contender in self.contenders]
        return tuple(score.accuracy for score in scores if score is not None)


class Comparison(ContenderFinding):
    """The finding of `headstart compare`."""

    study: Literal["compare"] = "compare"
    robustness: Robustness | None = Field(
        default=None, description="What the verdict depends on; null if it was not examined."
    )
    slices: Slices | None = Field(
        default=None, description="Subgroups with other differences; null if none were searched."
    )
