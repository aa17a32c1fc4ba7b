"""The results of one run: the content of `metrics.json`, and the summary that scripts read."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from headstart.results._augmentation import AugmentationCheck
from headstart.results._base import Fraction, Interval, JsonObject, ResultModel, VersionedModel
from headstart.results._last_fit import LastFit
from headstart.results._starting_point import StartingPoint


class ClassScores(ResultModel):
    """Precision, recall and F1 of one class."""

    precision: Fraction = Field(
        description="Fraction of the images predicted as this class that belong to it; 0 if none."
    )
    recall: Fraction = Field(
        description="Fraction of the images of this class that are predicted as it; 0 if none."
    )
    f1: Fraction = Field(description="Harmonic mean of precision and recall; 0 if both are 0.")
    support: int = Field(description="Number of images of this class.")


class MetricScore(ResultModel):
    """A score by the metric of a recipe."""

    name: str = Field(description="Name of the metric, such as macro-f1.")
    score: float = Field(
        description="Score of the probabilities before calibration; higher is better."
    )


class PartScores(ResultModel):
    """Scores of one run on the validation or test images."""

    accuracy: Fraction = Field(description="Fraction of the images that are correctly classified.")
    interval: Interval = Field(
        description="95% Wilson interval of the accuracy over images, or over groups of images if "
        "there are ten or more, as lower and upper end."
    )
    groups: int | None = Field(
        default=None,
        description="Number of groups of the images; null if no images belong together.",
    )
    interval_over_images: Interval | None = Field(
        default=None,
        description="Interval that takes images as independent; null unless `interval` is one over "
        "groups.",
    )
    n: int = Field(description="Number of images.")
    unreadable: int = Field(
        default=0,
        description="Number of further images of this part that could not be read and do not "
        "count: those that `skip_bad` left out.",
    )
    loss: float = Field(description="Mean cross-entropy per image, in nats.")
    macro_f1: Fraction = Field(
        description="Mean F1 over the classes that occur among labels or predictions."
    )
    metric: MetricScore | None = Field(
        default=None,
        description="Score by the metric of the recipe; null if that is the loss or the accuracy.",
    )


class CostScores(ResultModel):
    """The cost of predictions that minimise the expected cost by calibrated probabilities."""

    mean: float = Field(description="Mean cost per image, in the unit of the costs.")
    interval: Interval | None = Field(
        description="95% t interval of the mean over images, or over groups of images; null for "
        "one image."
    )
    most_probable: float = Field(
        description="Mean cost per image if the most probable class were predicted instead."
    )
    n: int = Field(description="Number of images.")


class PartMetrics(PartScores):
    """Scores and tables of one run on the validation or test images."""

    per_class: tuple[ClassScores, ...] = Field(
        description="Scores of each class, in the order of `class_names`."
    )
    confusion: tuple[tuple[int, ...], ...] = Field(
        description="Numbers of images: one row per true class, one column per predicted class."
    )
    class_names: tuple[str, ...] = Field(description="Names of the classes.")
    cost: CostScores | None = Field(
        default=None, description="Cost of the predictions; null if the recipe has no costs."
    )

    def scores(self) -> PartScores:
        """Return the scores without the tables."""
        return PartScores(**{name: getattr(self, name) for name in PartScores.model_fields})


class RunSeconds(ResultModel):
    """The time that a run, or all runs of a contender, took."""

    train: float = Field(description="Seconds of training, preparation included.")
    prepare: float = Field(description="Seconds of computing backbone features before training.")
    total: float = Field(description="Seconds of training and evaluation.")


class BackboneUse(ResultModel):
    """The pretrained backbone of a run, and the images that it receives."""

    weights: str | None = Field(description="Digest of the weights; null for random weights.")
    input_px: int = Field(description="Image size that the backbone receives, in pixels.")
    features: int = Field(description="Number of features per image.")
    input_note: str = Field(
        description="Sentence about the image size that the backbone receives, and the reason."
    )


class LayerSummary(ResultModel):
    """One layer of a network, for one image."""

    name: str = Field(description="Name of the layer inside its network.")
    kind: str = Field(description="Class of the layer, such as Conv2d.")
    output_shape: tuple[int, ...] = Field(
        description="Shape of the output: channels, height and width, or the number of features."
    )
    parameters: int = Field(description="Number of parameters.")
    trainable: bool = Field(description="True if any parameter is trained.")
    multiply_adds: int = Field(description="Number of multiply-adds per image.")


class MemberRun(ResultModel):
    """One run of an ensemble."""

    run: str = Field(description="Name of the folder of the run.")
    model: str = Field(description="Name of its model, such as cnn.")
    seed: int = Field(description="Its seed.")
    weight: Fraction = Field(description="Weight of its probabilities; all weights sum to 1.")
    validation_accuracy: Fraction | None = Field(
        description="Its own accuracy on the validation images; null if there are none."
    )
    recipe: JsonObject = Field(description="Its recipe with every open value decided.")


def count_solved_heads(recipe: JsonObject, members: Sequence[JsonObject] = ()) -> int:
    """Return the number of heads that L-BFGS solved for, in one step that counts as one epoch.

    Args:
        recipe: The recipe of a run, with every open value decided.
        members: The recipes of the runs of an ensemble, which replace `recipe`.
    """
    recipes = members or [recipe]
    return sum(one_recipe.get("optimizer") == "lbfgs" for one_recipe in recipes)


class RunMetrics(VersionedModel):
    """The results of a finished run: the content of `metrics.json`."""

    model: str = Field(description="Name of the model, such as cnn.")
    command: str = Field(description="Command line that reproduces the run; empty if unknown.")
    seed: int = Field(description="Seed of the initial weights, image order and augmentation.")
    epochs: int | float = Field(description="Number of passes over the training images.")
    steps: int = Field(description="Number of optimizer steps.")
    recipe: JsonObject = Field(
        description="Recipe with every open value decided, as in `recipe.json`."
    )
    members: tuple[MemberRun, ...] = Field(
        default=(),
        description="Runs of an ensemble, the largest weight first; empty for one network, and "
        "otherwise epochs, steps and seconds are sums over them.",
    )
    parameters: int = Field(description="Number of parameters, those of a backbone included.")
    trainable_parameters: int = Field(description="Number of parameters that are trained.")
    multiply_adds: int = Field(description="Number of multiply-adds per image.")
    seconds: RunSeconds = Field(description="Time that the run took.")
    predict_ms_per_image: float | None = Field(
        description="Milliseconds per image of prediction; null if no image was predicted."
    )
    backbone: BackboneUse | None = Field(description="Backbone of the run; null if it has none.")
    augmentation: AugmentationCheck | None = Field(
        default=None,
        description="Check that decided on horizontal flips; null if the recipe did.",
    )
    start: StartingPoint | None = Field(
        default=None,
        description="Starting point of fine-tuning; null if training did not start from one.",
    )
    last_fit: LastFit | None = Field(
        default=None,
        description="Last fit, on training and validation images together; null for a run that was "
        "trained on the training images alone.",
    )
    stop_reason: str = Field(
        description="Reason why training ended; 'schedule done' if it took all planned steps."
    )
    resumed: bool = Field(
        default=False, description="True if the run was interrupted and resumed from a checkpoint."
    )
    validation: PartMetrics | None = Field(
        description="Metrics on the validation images; null if there are none."
    )
    test: PartMetrics | None = Field(
        description="Metrics on the test images; null if there are none."
    )
    architecture: tuple[LayerSummary, ...] = Field(
        description="Layers of the network in the order in which they run."
    )
    warnings: tuple[str, ...] = Field(default=(), description="Warnings about the run.")

    @property
    def solved_heads(self) -> int:
        """Number of heads that were solved for in one step, without epochs."""
        return count_solved_heads(self.recipe, [member.recipe for member in self.members])

    def part(self, name: str) -> PartMetrics | None:
        """Return the metrics on one part of the split.

        Args:
            name: "validation" or "test".
        """
        return self.validation if name == "validation" else self.test


class RunSummary(VersionedModel):
    """The summary of a finished run: what `headstart train --json` prints."""

    run: str = Field(description="Path of the run folder.")
    model: str = Field(description="Name of the model, such as cnn.")
    seed: int = Field(description="Seed of the initial weights, image order and augmentation.")
    epochs: int | float = Field(description="Number of passes over the training images.")
    solved_heads: int = Field(
        default=0,
        description="Number of heads that were solved for in one step, each of which counts as one "
        "epoch.",
    )
    parameters: int = Field(description="Number of parameters, those of a backbone included.")
    trainable_parameters: int = Field(description="Number of parameters that are trained.")
    multiply_adds: int = Field(description="Number of multiply-adds per image.")
    seconds: RunSeconds = Field(description="Time that the run took.")
    predict_ms_per_image: float | None = Field(
        description="Milliseconds per image of prediction; null if no image was predicted."
    )
    stop_reason: str = Field(
        description="Reason why training ended; 'schedule done' if it took all planned steps."
    )
    resumed: bool = Field(
        description="True if the run was interrupted and resumed from a checkpoint."
    )
    reused: bool = Field(description="True if the run was already finished before this command.")
    validation: PartScores | None = Field(
        description="Scores on the validation images; null if there are none."
    )
    test: PartScores | None = Field(
        description="Scores on the test images; null if there are none."
    )
    warnings: tuple[str, ...] = Field(description="Warnings about the run and its data.")

    @classmethod
    def from_metrics(
        cls, metrics: RunMetrics, folder: str, *, reused: bool, warnings: tuple[str, ...] = ()
    ) -> RunSummary:
        """Return the summary of a run.

        Args:
            metrics: The metrics of the run.
            folder: The path of the run folder.
            reused: True if the run was already finished before.
            warnings: Warnings in addition to those of the metrics, such as those about the data.
        """
        return cls(
            run=folder,
            model=metrics.model,
            seed=metrics.seed,
            epochs=metrics.epochs,
            solved_heads=metrics.solved_heads,
            parameters=metrics.parameters,
            trainable_parameters=metrics.trainable_parameters,
            multiply_adds=metrics.multiply_adds,
            seconds=metrics.seconds,
            predict_ms_per_image=metrics.predict_ms_per_image,
            stop_reason=metrics.stop_reason,
            resumed=metrics.resumed,
            reused=reused,
            validation=None if metrics.validation is None else metrics.validation.scores(),
            test=None if metrics.test is None else metrics.test.scores(),
            warnings=(*metrics.warnings, *warnings),
        )
