"""The finding of `compare`: contenders, baselines and the verdict."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.results._base import Fraction, Interval, JsonObject, ResultModel
from headstart.results._finding import Finding
from headstart.results._metrics import RunSeconds


class ContenderScores(ResultModel):
    """Scores of a contender on one part of the split, as means over seeds."""

    accuracy: Fraction = Field(description="Mean accuracy over seeds, as a fraction.")
    interval: Interval | None = Field(
        description="95% interval of the accuracy over images and seeds; null if not evaluated."
    )
    n: int = Field(description="Number of images.")
    loss: float = Field(description="Mean cross-entropy per image over seeds, in nats.")
    macro_f1: Fraction = Field(description="Mean over seeds of the macro-averaged F1.")
    per_seed: tuple[float, ...] = Field(description="Accuracy of each seed, as a fraction.")


class Contender(ResultModel):
    """A contender of a comparison, or the control of a backbone, with the results of its runs."""

    name: str = Field(description="Name of the contender.")
    role: Literal["contender", "control"] = Field(
        description="'control' for a backbone with random weights, which cannot win."
    )
    model: str = Field(description="Name of the model, such as cnn.")
    recipe: JsonObject = Field(description="Recipe of the first run with every value decided.")
    recipe_digest: str = Field(description="SHA-256 of the recipe that was entered.")
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
        description="Scores on the validation images; null if there are none."
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
    interval: Interval = Field(description="95% Wilson interval of the accuracy.")


class McNemarTest(ResultModel):
    """Exact McNemar test of two trained models on the same images."""

    only_a: int = Field(
        description="Number of images that only the first model classifies correctly."
    )
    only_b: int = Field(
        description="Number of images that only the second model classifies correctly."
    )
    p_value: Fraction = Field(description="Two-sided p-value.")


class ContenderPair(ResultModel):
    """The comparison of two contenders, the more accurate one first."""

    a: str = Field(description="Name of the contender with the higher mean accuracy.")
    b: str = Field(description="Name of the other contender.")
    difference: float = Field(description="Accuracy of a minus accuracy of b, as a fraction.")
    interval: Interval = Field(description="95% interval of the difference, not corrected.")
    p_value: Fraction = Field(description="Two-sided p-value before correction.")
    p_adjusted: Fraction = Field(description="Two-sided p-value after Holm's correction.")
    smallest_detectable: float = Field(
        description="Minimum detectable effect at 80% power, as a fraction."
    )
    mcnemar: tuple[McNemarTest, ...] = Field(
        description="Exact tests of the trained models, one per pair of runs."
    )
    bootstrap: Interval | None = Field(
        description="Paired bootstrap interval of the difference of the trained models."
    )


class Verdict(ResultModel):
    """The conclusion of a comparison."""

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
    sentence: str = Field(description="The verdict in words.")
    about: Literal["recipes", "models"] = Field(
        description="'recipes' if the variance over seeds counts, 'models' for single runs."
    )
    pairs: tuple[ContenderPair, ...] = Field(description="All pairs, best contenders first.")
    notes: tuple[str, ...] = Field(description="Further observations, one sentence each.")


class ContenderFinding(Finding):
    """A finding about contenders that are trained over seeds and compared."""

    contenders: tuple[Contender, ...] = Field(description="Contenders and controls.")
    failed: tuple[FailedContender, ...] = Field(description="Contenders with failed runs.")
    baselines: tuple[BaselineScore, ...] = Field(
        description="Baselines that need no training, on the same images."
    )
    verdict: Verdict = Field(description="Conclusion of the comparison.")


class Comparison(ContenderFinding):
    """The finding of `headstart compare`."""

    study: Literal["compare"] = "compare"
