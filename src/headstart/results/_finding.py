"""The parts that all findings share: dataset, budget, and scores over several seeds."""

from __future__ import annotations

from pydantic import Field

from headstart.results._base import (
    EvaluationPart,
    Fraction,
    Interval,
    ResultModel,
    VersionedModel,
)


class PartSummary(ResultModel):
    """The number of images in one part of a split."""

    images: int = Field(description="Number of images.")
    per_class: tuple[int, ...] = Field(
        description="Number of images of each class, in the order of `class_names`."
    )


class SplitParts(ResultModel):
    """The three parts of a split."""

    train: PartSummary = Field(description="The training images.")
    validation: PartSummary = Field(description="The validation images.")
    test: PartSummary = Field(description="The test images.")


class PlanSummary(ResultModel):
    """A plan that dropped and relabelled images of a dataset."""

    file: str = Field(description="Path of the plan.")
    sha256: str = Field(description="SHA-256 of the plan.")
    dropped: int = Field(description="Number of images that it dropped.")
    relabelled: int = Field(description="Number of images that it relabelled.")


class UnreadableImage(ResultModel):
    """An image that was left out because it could not be read."""

    name: str = Field(description="Name of the image.")
    reason: str = Field(description="Reason, which fits after the name.")
    part: EvaluationPart | None = Field(
        description="Part of the split that the data assign the image to; null for none."
    )


class DatasetSummary(ResultModel):
    """A dataset and its split, as in `data.json`."""

    name: str = Field(description="Short name of the dataset, such as fashion-mnist.")
    source: str | None = Field(
        description="Name or path that opens the dataset again; empty for arrays in memory."
    )
    options: dict[str, str | int | float | bool | None] = Field(
        description="Options with which the dataset was opened, such as image_size."
    )
    fingerprint: str = Field(description="SHA-256 of everything that training sees of the dataset.")
    images: int = Field(description="Number of images in the dataset.")
    image_shape: tuple[int, int, int] = Field(
        description="Height and width in pixels, and number of channels."
    )
    classes: int = Field(description="Number of classes.")
    class_names: tuple[str, ...] = Field(description="Names of the classes.")
    parts: SplitParts = Field(description="Numbers of images in each part of the split.")
    plan: PlanSummary | None = Field(
        default=None, description="Plan that was applied to the dataset; null if there is none."
    )
    duplicates_removed: int = Field(
        description="Number of images removed from training as copies of evaluation images."
    )
    split_seed: int = Field(description="Seed of the split.")
    split_fingerprint: str = Field(description="SHA-256 of the images and labels of the split.")
    warnings: tuple[str, ...] = Field(description="Warnings about the data and the split.")
    unreadable: tuple[UnreadableImage, ...] = Field(
        default=(), description="Images that `skip_bad` left out."
    )


class CrossValidation(ResultModel):
    """A repeated cross-validation: every image is a test image once per repeat."""

    folds: int = Field(description="Number of folds per repeat.")
    repeats: int = Field(description="Number of repeats, each with other folds and another seed.")
    images: int = Field(description="Number of images that are tested.")
    set_apart: int = Field(
        description="Number of test images that came with the data and are not used."
    )


class Budget(ResultModel):
    """The time and the seeds of a study."""

    time_limit: float | None = Field(
        description="Time limit of the study, in seconds; null if it has none."
    )
    seeds: tuple[int, ...] = Field(description="Seeds of the runs.")
    folds: int | None = Field(
        default=None,
        description="Number of folds per repeat of a cross-validation, which has one repeat per "
        "seed; null without cross-validation.",
    )
    seconds_per_contender: float | None = Field(
        default=None,
        description="Seconds that each contender may spend; null if there is no limit.",
    )
    seconds_spent: float = Field(description="Seconds that the study took.")


class EvaluationReuse(ResultModel):
    """How often the test images have been used, and the optimism that this allows."""

    fingerprint: str = Field(description="SHA-256 of the test images.")
    images: int = Field(description="Number of test images.")
    studies: int = Field(
        description="Number of studies and single runs evaluated on these images, with this one."
    )
    models: int = Field(description="Number of runs and baselines in all of these studies.")
    optimism: Fraction = Field(
        description="How far the best accuracy can lie above the true one by chance, at 95% "
        "confidence, if no study was planned with the scores of an earlier one."
    )
    optimism_with_feedback: Fraction = Field(
        description="The same if each study was planned with the scores of the earlier ones."
    )
    sentence: str = Field(description="The count and the optimism in words.")


class Finding(VersionedModel):
    """The part of `finding.json` that all studies share."""

    study: str = Field(description="Command that made the study, such as compare.")
    headstart: str = Field(description="Version of Headstart that made the study.")
    created: str = Field(description="Time at which the study began, in ISO 8601 and UTC.")
    command: str = Field(description="Command line that reproduces the study; empty if unknown.")
    dataset: DatasetSummary = Field(description="Dataset and split of the study.")
    report: str = Field(description="Path of the report, `report.html`.")
    evaluated_on: EvaluationPart = Field(
        description="Part of the split whose images evaluate the runs."
    )
    test_reads: int = Field(description="Number of runs that were evaluated on the test images.")
    evaluated_groups: int | None = Field(
        default=None,
        description="Number of groups of the evaluated images; null if no images belong together.",
    )
    budget: Budget = Field(description="Time and seeds of the study.")
    cross_validation: CrossValidation | None = Field(
        default=None,
        description="Folds and repeats, with which `dataset.parts` has the training images of one "
        "fold and the test images of all folds; null for a study on one split.",
    )
    reuse: EvaluationReuse | None = Field(
        default=None,
        description="Use of the test images by this and earlier studies; null without test images.",
    )

    @classmethod
    def study_name(cls) -> str:
        """Return the value of `study` in all findings of this class, such as "compare"."""
        name: str = cls.model_fields["study"].default
        return name

    def test_accuracies(self) -> tuple[float, ...]:
        """Return the accuracies on test images that the finding reports, one per entry."""
        return ()


class SeedSpread(ResultModel):
    """One score over several seeds."""

    mean: float = Field(description="Mean over seeds.")
    low: float = Field(
        description="Lower end: of the 95% interval for an accuracy, the lowest seed for a loss."
    )
    high: float = Field(
        description="Upper end: of the 95% interval for an accuracy, the highest seed for a loss."
    )
    per_seed: tuple[float, ...] = Field(description="Score of each seed.")


class SeedScores(ResultModel):
    """Accuracy and loss over several seeds."""

    accuracy: SeedSpread = Field(description="Accuracy, as a fraction.")
    loss: SeedSpread = Field(description="Mean cross-entropy per image, in nats.")


class Difference(ResultModel):
    """A difference in accuracy from another entry of the same study."""

    difference: float = Field(description="Difference in accuracy, as a fraction from -1 to 1.")
    interval: Interval = Field(
        description="95% interval of the difference, which holds together with those of the others."
    )
    p_adjusted: Fraction | None = Field(
        description="Two-sided p-value, corrected for all tests of the study; null where the "
        "images that selected the best entry evaluate it."
    )


class SeedFailure(ResultModel):
    """A run that failed."""

    seed: int = Field(description="Seed of the run.")
    message: str = Field(description="Reason of the failure.")
