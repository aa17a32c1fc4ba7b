"""The finding of `fit`: what was tried within a time limit, and the classifier that was chosen."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.results._base import Fraction, ResultModel
from headstart.results._finding import Finding
from headstart.results._image_settings import ImageSettings
from headstart.results._last_fit import LastFit
from headstart.results._metrics import PartScores


class FitMember(ResultModel):
    """One classifier of the choice, and its weight."""

    name: str = Field(description="Name of the candidate, as in `tried`.")
    weight: Fraction = Field(description="Weight of its probabilities; the weights sum to 1.")


class FitChoice(ResultModel):
    """The chosen classifier: one run, or several whose probabilities are averaged."""

    kind: Literal["single", "ensemble"] = Field(description="One run, or an average of several.")
    members: tuple[FitMember, ...] = Field(description="The runs, the largest weight first.")
    sentence: str = Field(description="The choice and the reason for it.")


class TriedRung(ResultModel):
    """One candidate: a run, or the reason why there is none."""

    name: str = Field(description="Name of the candidate, such as 'cnn, short'.")
    family: str = Field(description="Family of the candidate, such as cnn or frozen.")
    state: Literal["done", "failed", "not entered"] = Field(
        description="State of the candidate; 'not entered' if it was skipped."
    )
    reason: str = Field(description="Why it was trained, failed or was skipped.")
    run: str | None = Field(
        default=None, description="Path of its run, relative to the study folder; null if none."
    )
    validation: PartScores | None = Field(
        default=None, description="Scores on the validation images; null if there is no run."
    )
    cross_validated: PartScores | None = Field(
        default=None,
        description="Scores on the training and validation images together, each predicted by the "
        "model of a fold that had not seen it; null if it was not cross-validated.",
    )
    score: float | None = Field(
        default=None,
        description="Score by the metric of the selection, cross-validated if `cross_validated` "
        "is, else on the validation images; higher is better, so log-loss is negated.",
    )
    validation_score: float | None = Field(
        default=None, description="The same on the validation images; null if there is no run."
    )
    epochs: float | None = Field(default=None, description="Passes over the training images.")
    seconds: float = Field(default=0.0, description="Seconds that it took.")
    weight: Fraction = Field(default=0.0, description="Weight in the choice; 0 if not part of it.")

    @property
    def is_chosen(self) -> bool:
        """True if the rung is part of the choice."""
        return self.weight > 0


class FitProgress(ResultModel):
    """The best choice after one more rung."""

    seconds: float = Field(description="Seconds since the start of the study.")
    name: str = Field(description="Name of the candidate that finished.")
    score: float = Field(
        description="Its own score by the metric of the selection; higher is better, so log-loss "
        "is negated."
    )
    best: float = Field(description="Score of the best choice so far.")


class FitSeconds(ResultModel):
    """The time of a fit."""

    total: float = Field(description="Seconds of the whole study, without interruptions.")
    rungs: float = Field(description="Seconds of all candidates.")
    final: float = Field(description="Seconds of the final evaluation and of writing the results.")


class FitEstimate(ResultModel):
    """An estimate of what more time would be likely to give."""

    minutes: float = Field(description="Minutes of more time.")
    gain: float = Field(description="Estimated gain in the score of the selection.")
    sentence: str = Field(description="The estimate and its assumptions.")


class FitFinding(Finding):
    """The finding of `headstart fit`."""

    study: Literal["fit"] = "fit"
    run: str = Field(description="Path of the folder of the chosen classifier.")
    metric: str = Field(description="Metric by which the choice was selected.")
    chosen: FitChoice = Field(description="The chosen classifier.")
    validation: PartScores = Field(
        description="Scores of the chosen classifier on the validation images that selected it."
    )
    validation_score: float = Field(
        description="Its score by the metric of the selection, on the images that selected it: "
        "those of `cross_validated` if there are folds, else the validation images; higher is "
        "better, so log-loss is negated."
    )
    folds: int | None = Field(
        default=None,
        description="Number of folds of the training and validation images; null if the choice "
        "rests on the validation images alone.",
    )
    cross_validated: PartScores | None = Field(
        default=None,
        description="Scores of the chosen classifier's recipe on the training and validation "
        "images together, by models of folds; null without folds.",
    )
    last_fit: LastFit | None = Field(
        default=None,
        description="Last fit of the classifier, on training and validation images together; null "
        "if it was trained on the training images alone.",
    )
    test: PartScores | None = Field(
        description="Scores of the chosen classifier on the test images; null if there are none."
    )
    test_score: float | None = Field(
        default=None,
        description="Its score on the test images by that metric, calibrated; null if there are "
        "none.",
    )
    runs: tuple[str, ...] = Field(
        description="Paths of the runs that read the test images, relative to the study folder."
    )
    tried: tuple[TriedRung, ...] = Field(
        description="All candidates, in the order in which they were considered."
    )
    history: tuple[FitProgress, ...] = Field(description="Progress after each finished candidate.")
    plan: tuple[str, ...] = Field(description="The plan as printed before the first run.")
    image_settings: ImageSettings | None = Field(
        default=None,
        description="The size and the shape that were chosen for the images; null if the defaults "
        "or the given options were used.",
    )
    more_time: FitEstimate | None = Field(
        default=None, description="What more time would be likely to give; null without evidence."
    )
    seconds: FitSeconds = Field(description="Time of the study.")
    sentences: tuple[str, ...] = Field(description="The finding in words, one sentence each.")

    def test_accuracies(self) -> tuple[float, ...]:
        """Return the accuracy of the chosen classifier on the test images."""
        return () if self.test is None else (self.test.accuracy,)
