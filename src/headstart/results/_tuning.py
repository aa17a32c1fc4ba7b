"""The finding of `tune`: the trials of a search, and its best recipe against the defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from headstart.results._base import Fraction, Interval, JsonObject, ResultModel
from headstart.results._comparison import ContenderFinding, ContenderScores


class ValidationScores(ResultModel):
    """Scores of the final runs of the best recipe on the validation images."""

    accuracy: Fraction = Field(description="Mean accuracy over seeds, as a fraction.")
    loss: float = Field(description="Mean cross-entropy per image over seeds, in nats.")


class Optimism(ResultModel):
    """The optimism of selecting the best recipe on validation images."""

    best_validation: Fraction = Field(
        description="Validation accuracy with which the recipe was selected, as a fraction."
    )
    test: Fraction = Field(description="Test accuracy of the final runs, as a fraction.")
    gap: float = Field(description="The first minus the second, as a fraction.")
    interval: Interval | None = Field(
        default=None,
        description="95% interval of the gap, over validation images, test images and seeds.",
    )


class TrialRung(ResultModel):
    """The result of a trial at one rung of successive halving."""

    epochs: float = Field(description="Number of passes over the training images so far.")
    loss: float = Field(description="Validation loss: mean cross-entropy per image, in nats.")
    accuracy: Fraction = Field(description="Validation accuracy, as a fraction.")
    score: float | None = Field(
        default=None,
        description="Score by the metric of the search on the validation images, higher is better; "
        "null if the loss selects.",
    )
    seconds: float = Field(description="Seconds of training.")
    run: str = Field(description="Path of the run folder, relative to the study folder.")


class Trial(ResultModel):
    """One recipe of the search."""

    number: int = Field(description="Number of the trial, from 0.")
    values: JsonObject = Field(description="Values of the hyper-parameters.")
    state: Literal["done", "failed", "unfinished"] = Field(description="State of the trial.")
    reason: str | None = Field(description="Kind of failure; null if the trial did not fail.")
    message: str = Field(description="Message of the failure; empty if the trial did not fail.")
    rungs: tuple[TrialRung, ...] = Field(description="Results at each rung that was reached.")
    is_tie: bool = Field(
        description="True if the trial was not significantly worse than the best one."
    )
    is_best: bool = Field(description="True for the trial with the best validation metric.")
    is_default: bool = Field(description="True if the values are those of the default recipe.")


class TuningProgress(ResultModel):
    """The best result after one more finished run."""

    seconds: float = Field(description="Seconds since the start of the study.")
    epochs: float = Field(description="Number of epochs of all runs so far.")
    best_validation: Fraction = Field(
        description="Highest validation accuracy so far, as a fraction."
    )
    best_loss: float = Field(description="Lowest validation loss so far, in nats.")
    best_score: float | None = Field(
        default=None,
        description="Highest score so far by the metric of the search; null if the loss selects.",
    )
    trial: int = Field(description="Number of the trial that finished.")


class Rung(ResultModel):
    """One rung of successive halving."""

    epochs: float = Field(description="Number of epochs after which trials are compared.")
    trials: int = Field(description="Number of trials that reached the rung.")


class TuningSeconds(ResultModel):
    """The time of a search."""

    total: float = Field(description="Seconds of the whole study.")
    search: float = Field(description="Seconds until the last trial finished.")
    final: float = Field(description="Seconds of the final runs, with those of the defaults.")


class TunedFold(ResultModel):
    """The search outside one fold, and the runs that test the fold."""

    fold: int = Field(description="Number of the fold, from 1.")
    images: int = Field(description="Number of images of the fold, which the search did not use.")
    trials: int = Field(description="Number of trials of the search.")
    chosen: JsonObject = Field(description="Values of the recipe that the search chose.")
    defaults: JsonObject = Field(
        default={},
        description="Values of the default recipe for the same keys; the batch size depends on the "
        "number of training images outside the fold.",
    )
    is_default: bool = Field(description="True if the default recipe was kept.")
    validation: Fraction = Field(
        description="Accuracy of the chosen recipe on the validation images of the search."
    )
    test: Fraction = Field(description="Accuracy of the chosen recipe on the fold.")
    test_of_defaults: Fraction | None = Field(
        description="Accuracy of the default recipe on the fold; null if its run failed."
    )
    seconds: float = Field(description="Seconds of the search and of the final runs.")
    notes: tuple[str, ...] = Field(
        default=(), description="Why the defaults were kept, if not for their accuracy."
    )


class ChosenValue(ResultModel):
    """How often the searches of the folds chose a value."""

    setting: str = Field(description="Name of the hyper-parameter.")
    value: JsonValue = Field(description="The value.")
    folds: int = Field(description="Number of folds whose search chose it.")


class Tuning(ContenderFinding):
    """The finding of `headstart tune`."""

    study: Literal["tune"] = "tune"
    model: str = Field(description="Name of the model, such as cnn.")
    metric: str = Field(default="log-loss", description="The metric that selected the best recipe.")
    best: JsonObject = Field(description="Values of the best trial.")
    defaults: JsonObject = Field(description="Values of the default recipe for the same keys.")
    run: str = Field(
        description="Path of the best recipe's representative run, relative to the study folder; "
        "with folds, of one more search on all images, without a test score of its own."
    )
    validation: ValidationScores = Field(
        description="Scores of the best recipe on the validation images, over new seeds."
    )
    test: ContenderScores | None = Field(
        description="Scores of the best recipe on the test images; null if there are none; with "
        "folds, of the recipes that the searches chose, each on the fold that its search did not "
        "use."
    )
    optimism: Optimism | None = Field(
        description="Optimism of the selection; null if there are no test images, and with folds."
    )
    trials: tuple[Trial, ...] = Field(
        description="All trials; with folds, those of the search on all images."
    )
    folds: tuple[TunedFold, ...] = Field(
        default=(), description="The searches of a nested cross-validation; empty for one split."
    )
    chosen_values: tuple[ChosenValue, ...] = Field(
        default=(),
        description="How often each value was chosen in the folds; empty for one split.",
    )
    history: tuple[TuningProgress, ...] = Field(
        description="Progress of the search after each finished run."
    )
    importance: dict[str, float] = Field(
        description="Fraction of the variance of the log loss that each hyper-parameter explains."
    )
    space: JsonObject = Field(
        description="Search space: choices or ranges of each hyper-parameter."
    )
    rungs: tuple[Rung, ...] = Field(description="Rungs of successive halving.")
    seconds: TuningSeconds = Field(description="Time of the study.")
    sentences: tuple[str, ...] = Field(description="The finding in words, one sentence each.")

    @property
    def further_metric(self) -> str | None:
        """The metric that selected; None for the loss and the accuracy, which are always shown."""
        return None if self.metric in ("log-loss", "accuracy") else self.metric
