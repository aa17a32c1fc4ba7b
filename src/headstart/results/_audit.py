"""The report of `audit`: what is wrong with a dataset, and how certain that is."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.results._base import Fraction, Interval, ResultModel
from headstart.results._finding import Finding

ImagePart = Literal["train", "validation", "test", "unused"]
Relation = Literal["exact", "same", "flipped", "cropped", "flipped and cropped"]


class AuditedImage(ResultModel):
    """One image of the dataset."""

    image: str = Field(description="Name of the image.")
    index: int = Field(description="Index of the image in the dataset, from 0.")
    label: str = Field(description="Class of the image in the data.")
    part: ImagePart = Field(description="Part of the split that holds the image.")


class UnreadableImage(ResultModel):
    """A file that was left out because it cannot be decoded."""

    image: str = Field(description="Name of the image.")
    reason: str = Field(description="What is wrong with the file.")
    part: ImagePart = Field(description="Part that the data assign the file to.")


class DuplicatePair(ResultModel):
    """Two images that show the same picture."""

    images: tuple[AuditedImage, AuditedImage] = Field(description="The two images.")
    relation: Relation = Field(
        description="How they differ: 'exact' for equal pixels, 'same' for encoding or brightness."
    )
    distance: float = Field(description="0 for equal pixels, 1 for nothing in common.")


class Leak(ResultModel):
    """A validation or test image whose picture is in an earlier part as well."""

    image: AuditedImage = Field(description="The validation or test image.")
    copy_of: AuditedImage = Field(description="The most similar image of the earlier part.")
    relation: Relation = Field(description="How the two images differ.")
    distance: float = Field(description="0 for equal pixels, 1 for nothing in common.")


class LeakEffect(ResultModel):
    """The accuracy of a linear probe on the evaluation images, with and without the leaks."""

    part: ImagePart = Field(description="Part of the split that was evaluated.")
    n: int = Field(description="Number of images.")
    accuracy: Fraction = Field(description="Accuracy on all of them, as a fraction.")
    interval: Interval = Field(description="95% Wilson interval of that accuracy.")
    n_without_leaks: int = Field(description="Number of images without leaks.")
    accuracy_without_leaks: Fraction | None = Field(
        description="Accuracy on the images without leaks; null if all leaked."
    )
    interval_without_leaks: Interval | None = Field(
        description="95% Wilson interval of that accuracy; null if all leaked."
    )
    accuracy_of_leaks: Fraction | None = Field(
        description="Accuracy on the leaked images; null if none leaked."
    )


class Suspect(ResultModel):
    """An image whose label is probably wrong."""

    image: str = Field(description="Name of the image.")
    index: int = Field(description="Index of the image in the dataset, from 0.")
    label: str = Field(description="Class of the image in the data.")
    part: ImagePart = Field(description="Part of the split that holds the image.")
    suggested: str = Field(description="Most probable class by out-of-fold prediction.")
    probability: Fraction = Field(description="Out-of-fold probability of the suggested class.")
    label_probability: Fraction = Field(description="Out-of-fold probability of the label.")
    wrong_probability: Fraction | None = Field(
        description="Estimated probability that the label is wrong; null if not estimated."
    )


class ExpectedWrong(ResultModel):
    """How many of the listed suspects are wrong, by an estimate that planted errors calibrate."""

    number: float | None = Field(
        description="Estimated number of wrong labels among the suspects; null if not estimated."
    )
    interval: Interval | None = Field(description="95% interval of that number.")
    suspects: int = Field(description="Number of suspects that the estimate is about.")
    copies: int = Field(
        description="Hidden copies of the labels with planted errors that calibrate the estimate."
    )
    sentence: str = Field(description="The estimate in words.")


class OddImage(ResultModel):
    """An image that probably belongs to no class."""

    image: str = Field(description="Name of the image.")
    index: int = Field(description="Index of the image in the dataset, from 0.")
    label: str = Field(description="Class of the image in the data.")
    part: ImagePart = Field(description="Part of the split that holds the image.")
    reason: str = Field(description="Such as placeholder, blank, near-constant or text.")
    detail: str = Field(description="The evidence in a few words.")
    score: float = Field(description="Rank from 0 to 1, which is not a probability.")


class QualityIssue(ResultModel):
    """An image of poor quality, measured against the others of its dataset."""

    image: str = Field(description="Name of the image.")
    index: int = Field(description="Index of the image in the dataset, from 0.")
    label: str = Field(description="Class of the image in the data.")
    part: ImagePart = Field(description="Part of the split that holds the image.")
    problem: str = Field(description="Such as dark, bright, blurred or tiny.")
    value: float = Field(description="Measured value.")
    threshold: float = Field(description="Value from which on an image is listed.")


class PropertyScore(ResultModel):
    """How well a property of the file, without its picture, predicts the class."""

    name: str = Field(description="Name of the property, such as file size.")
    accuracy: Fraction = Field(description="Cross-validated balanced accuracy, as a fraction.")
    interval: Interval = Field(description="95% interval of that accuracy.")
    p_value: Fraction = Field(description="P-value of a test against guessing.")
    is_shortcut: bool = Field(description="Whether it predicts the class well enough to worry.")
    detail: str = Field(description="A sentence with an example; may be empty.")


class ShortcutReport(ResultModel):
    """Properties that could replace looking at the picture."""

    guessing: Fraction = Field(description="Balanced accuracy of guessing, one per class.")
    properties: tuple[PropertyScore, ...] = Field(description="Properties, the best first.")
    joint: PropertyScore | None = Field(
        description="All properties together; null if there are none."
    )
    skipped: tuple[str, ...] = Field(description="Properties that could not be read.")


class InferredGroup(ResultModel):
    """Images that probably belong together."""

    images: tuple[AuditedImage, ...] = Field(description="First images of the group.")
    size: int = Field(description="Number of images in the group.")
    parts: tuple[ImagePart, ...] = Field(description="Parts of the split with images of the group.")


class GroupReport(ResultModel):
    """Groups of images that are not independent."""

    source: Literal["given", "inferred", "none"] = Field(
        description="'given' by the data, 'inferred' from names, times and copies, or 'none'."
    )
    groups: int = Field(description="Number of groups with at least two images.")
    images: int = Field(description="Number of images in those groups.")
    largest: int = Field(description="Number of images in the largest group.")
    divided: int = Field(description="Number of groups that the split divides.")
    divided_images: int = Field(
        description="Number of validation and test images whose group is in another part too."
    )
    evidence: tuple[str, ...] = Field(description="What the groups rest on, one sentence each.")
    examples: tuple[InferredGroup, ...] = Field(description="First divided groups.")


class ClassCount(ResultModel):
    """The number of images of one class."""

    name: str = Field(description="Name of the class.")
    images: int = Field(description="Number of images.")
    train: int = Field(description="Number of training images.")
    validation: int = Field(description="Number of validation images.")
    test: int = Field(description="Number of test images.")
    suspects: int = Field(description="Number of suspects with this label.")


class FileCounts(ResultModel):
    """The headers of the image files, each value with its number of files."""

    sizes: dict[str, int] = Field(description="Files by width and height in pixels, as stored.")
    modes: dict[str, int] = Field(description="Files by mode, such as RGB.")
    formats: dict[str, int] = Field(description="Files by format, such as JPEG.")
    cameras: dict[str, int] = Field(description="Files by camera.")


class AuditReport(Finding):
    """The report of `headstart audit`."""

    study: Literal["audit"] = "audit"
    images: int = Field(description="Number of images that were read.")
    classes: int = Field(description="Number of classes.")
    unreadable: tuple[UnreadableImage, ...] = Field(description="Files that cannot be decoded.")
    duplicates: tuple[DuplicatePair, ...] = Field(
        description="Pairs of images that show the same picture, the most alike first."
    )
    leaks: tuple[Leak, ...] = Field(description="Images that are in two parts of the split.")
    leak_effect: LeakEffect | None = Field(
        description="Accuracy with and without the leaks; null if it was not computed."
    )
    label_conflicts: tuple[DuplicatePair, ...] = Field(
        description="Those of the pairs whose images have different labels."
    )
    suspects: tuple[Suspect, ...] = Field(
        description="Probably wrong labels, the most probable first."
    )
    expected_wrong: ExpectedWrong = Field(description="How many of the suspects are wrong.")
    no_class: tuple[OddImage, ...] = Field(description="Images that probably have no class.")
    shortcuts: ShortcutReport | None = Field(
        description="Properties of files that predict the class; null if not computed."
    )
    quality: tuple[QualityIssue, ...] = Field(description="Images of poor quality.")
    groups: GroupReport = Field(description="Images that are not independent.")
    class_counts: tuple[ClassCount, ...] = Field(description="Number of images of each class.")
    imbalance: float = Field(description="Images of the largest class per image of the smallest.")
    files: FileCounts | None = Field(description="Headers of the files; null without files.")
    plan: str | None = Field(description="Path of the plan that was written; null if none was.")
    next_command: str = Field(description="Command to type next.")
    notes: tuple[str, ...] = Field(description="Checks that were left out, and why.")
