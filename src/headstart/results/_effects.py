"""The finding of `effects`: changes of one hyper-parameter at a time."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, JsonValue

from headstart.results._base import Interval, JsonObject, ResultModel
from headstart.results._finding import Finding, SeedSpread


class FitDiagnosis(ResultModel):
    """A diagnosis of overfitting or underfitting, from the mean curves of the runs."""

    summary: str = Field(description="Diagnosis in words.")
    train_accuracy: float = Field(
        description="Accuracy of the trained model on training images, without dropout and "
        "augmentation."
    )
    validation_accuracy: float = Field(description="Validation accuracy after the last epoch.")
    gap: float = Field(description="Training accuracy minus validation accuracy, as a fraction.")


class UnchangedRecipe(ResultModel):
    """The recipe that every change starts from, and its results."""

    recipe: JsonObject = Field(description="Recipe with every open value decided.")
    accuracy: SeedSpread = Field(description="Accuracy over seeds, as a fraction.")
    loss: SeedSpread = Field(description="Mean cross-entropy per image over seeds, in nats.")
    runs: tuple[str, ...] = Field(
        description="Paths of the run folders, relative to the study folder."
    )
    fit: FitDiagnosis | None = Field(
        description="Overfitting or underfitting; null without validation images."
    )


class EffectResult(ResultModel):
    """The results of one change of one hyper-parameter."""

    hyperparameter: str = Field(description="Name of the hyper-parameter, such as dropout.")
    value: JsonValue = Field(description="Value after the change.")
    label: str = Field(description="The change in words, such as 'dropout 0.5'.")
    baseline_value: JsonValue = Field(description="Value in the unchanged recipe.")
    accuracy: SeedSpread | None = Field(
        description="Accuracy over seeds, as a fraction; null if every run failed."
    )
    loss: SeedSpread | None = Field(
        description="Mean cross-entropy per image over seeds, in nats; null if every run failed."
    )
    difference: float | None = Field(
        description="Accuracy minus that of the unchanged recipe; null if a run failed."
    )
    interval: Interval | None = Field(description="95% interval of the difference.")
    p_adjusted: float | None = Field(
        description="Two-sided p-value after Holm's correction over all changes."
    )
    smallest_detectable: float | None = Field(
        description="Minimum detectable effect at 80% power, as a fraction."
    )
    outcome: Literal["helps", "hurts", "undecided", "failed"] = Field(
        description="'helps' or 'hurts' if significant, 'failed' if a run failed."
    )
    runs: tuple[str, ...] = Field(
        description="Paths of the finished run folders, relative to the study folder."
    )
    failures: tuple[str, ...] = Field(description="One sentence per failed run.")
    fit: FitDiagnosis | None = Field(
        description="Overfitting or underfitting; null without validation images or runs."
    )


class Effects(Finding):
    """The finding of `headstart effects`."""

    study: Literal["effects"] = "effects"
    seeds: tuple[int, ...] = Field(description="Seeds of each recipe.")
    model: str = Field(description="Name of the model, such as cnn.")
    epochs: float | None = Field(
        description="Number of passes over the training images of the unchanged recipe."
    )
    baseline: UnchangedRecipe = Field(description="The unchanged recipe.")
    effects: tuple[EffectResult, ...] = Field(description="Results of each change.")
    sentence: str = Field(description="The finding in words.")
    notes: tuple[str, ...] = Field(description="Further observations, one sentence each.")

    def test_accuracies(self) -> tuple[float, ...]:
        """Return the mean test accuracies of the unchanged and the changed recipes."""
        if self.evaluated_on != "test":
            return ()
        spreads = [self.baseline.accuracy, *(effect.accuracy for effect in self.effects)]
        return tuple(spread.mean for spread in spreads if spread is not None)
