"""The schemas of `classifier.json`: closed and versioned. No torch here."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, field_validator, model_validator

from headstart.classifier._image_statistics import image_statistics
from headstart.data import Resize, take
from headstart.errors import InputError
from headstart.evaluation import QUANTILES, SetCalibration
from headstart.models import BackboneOptions
from headstart.models.recipes import Recipe, read_recipe

FORMAT = 3
READABLE_FORMATS = (2, 3)  # format 2 has no calibration, no OOD threshold and no training summary
ENSEMBLE_FORMAT = "ensemble-1"
MOST_MEMBERS = 100
_WEIGHT_TOLERANCE = 1e-6
_LEAST_SPREAD = 1e-6  # between the median and the limit of a score, where all images are alike
ImageSize = Annotated[int, Field(ge=1, le=16384)]
ImageShape = tuple[ImageSize, ImageSize, Literal[1, 3]]
ClassNames = Annotated[tuple[str, ...], Field(min_length=2, max_length=100_000)]


class _Closed(BaseModel):
    """Base class of schemas that refuse unknown keys and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Preprocessing(_Closed):
    """How images of any size become images of `image_shape`, as in training.

    Attributes:
        image_size: The requested image size in pixels; None if the training images determined it.
        resize: How images of another shape are fitted.
        pixel_max: Full brightness in a pixel CSV, in arrays, or in images of more than 8 bits. None
            for 255 in a CSV or arrays, and for 65535 in images.
    """

    image_size: ImageSize | None = None
    resize: Resize = "pad"
    pixel_max: Annotated[float, Field(gt=0)] | None = None


class Calibration(_Closed):
    """The temperature fitted on the validation images; see `evaluation.fit_temperature`.

    Attributes:
        temperature: Above 1, the network was overconfident.
        images: Number of validation images.
        loss: Mean cross-entropy of these images before calibration, in nats.
        calibrated_loss: The same after calibration.
    """

    temperature: Annotated[float, Field(ge=0.01, le=100)]
    images: int
    loss: float
    calibrated_loss: float


class ImageDistribution(_Closed):
    """The distribution of the statistics of training images; see `image_statistics`.

    Attributes:
        mean: The d means, as one line of text.
        whitening: The lower triangle of a matrix of shape (d, d), one line of text per row. It
            makes the statistics of the training images uncorrelated, with a variance of 1.
        images: Number of training images.
        median: Median distance of the validation images; see `distances`.
        limit: The largest usual distance.
    """

    mean: str
    whitening: tuple[str, ...]
    images: int
    median: float
    limit: float

    def distances(
        self, images: NDArray[np.uint8], rows: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Return the Mahalanobis distance of each image from the training images.

        Args:
            images: Uint8 array of shape (N, H, W, C).
            rows: Indices of n images; None for all.

        Returns:
            Float64 array of shape (n,).
        """
        mean, whitening = _read_distribution(self.mean, self.whitening)
        centred = image_statistics(images if rows is None else take(images, rows)) - mean
        distances: NDArray[np.float64] = np.sqrt(((centred @ whitening) ** 2).sum(1))
        return distances

    @model_validator(mode="after")
    def _check_numbers(self) -> ImageDistribution:
        mean, whitening = _read_distribution(self.mean, self.whitening)
        if not (np.isfinite(mean).all() and np.isfinite(whitening).all()):
            raise ValueError("a number is not finite")
        return self


@lru_cache(maxsize=16)  # reading the numbers takes longer than using them
def _read_distribution(
    mean_line: str, lines: tuple[str, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean (d,) and the whitening matrix (d, d) of an `ImageDistribution`."""
    mean = np.array(mean_line.split(), np.float64)
    if len(lines) != len(mean):
        raise ValueError("mean and whitening have different lengths")
    whitening = np.zeros((len(mean), len(mean)))
    for row, line in enumerate(lines):
        whitening[row, : row + 1] = np.array(line.split(), np.float64)
    return mean, whitening


class OodThreshold(_Closed):
    """The limits beyond which an image counts as out-of-distribution (OOD).

    Attributes:
        threshold: The lowest energy score; see `energy_score`.
        quantile: Share of the validation images that are beyond the limit of the energy score or of
            the image statistics.
        images: Number of validation images.
        brightness: The lowest and highest mean of an image's pixels, from 0 to 1. None in files
            that were written before it was measured.
        energy_median: Median energy score of the validation images.
        image_distribution: The distribution of image statistics. None, as the median, in files that
            were written before it was measured. In these, `quantile` is that of the energy score.
    """

    threshold: float
    quantile: Annotated[float, Field(gt=0, lt=1)]
    images: int
    brightness: tuple[float, float] | None = None
    energy_median: float | None = None
    image_distribution: ImageDistribution | None = None

    def scores(
        self,
        energy_scores: NDArray[np.float32],
        images: NDArray[np.uint8],
        rows: NDArray[np.int64] | None = None,
    ) -> NDArray[np.float64] | None:
        """Return the OOD scores of images; None if the file holds no image statistics.

        The score is 0 for typical images and 1 at the limit. It is the larger of two: that of the
        energy score, and that of the distance of the image statistics.

        Args:
            energy_scores: The energy score of each image, float32 of shape (n,).
            images: Uint8 array of shape (N, H, W, C).
            rows: Indices of the n images; None for all.

        Returns:
            Float64 array of shape (n,).
        """
        distribution, median = self.image_distribution, self.energy_median
        if distribution is None or median is None:
            return None
        by_energy = (median - energy_scores) / max(median - self.threshold, _LEAST_SPREAD)
        spread = max(distribution.limit - distribution.median, _LEAST_SPREAD)
        by_image = (distribution.distances(images, rows) - distribution.median) / spread
        scores: NDArray[np.float64] = np.maximum(by_energy, by_image)
        return scores


class SetScores(_Closed):
    """The scores of the validation images, from which prediction sets are calibrated.

    One line of text per class keeps the file readable.

    Attributes:
        scores: For each class, the calibrated probability of that class for each of its images. It
            is 1 where the class is the most probable one; see `evaluation.set_scores`.
        expected: For each class, quantiles of the scores that the probabilities predict for it.
        groups: For each class, the number of the group of each of its images. None if the images
            are independent.
    """

    scores: tuple[str, ...]
    expected: tuple[str, ...]
    groups: tuple[str, ...] | None = None

    @classmethod
    def from_calibration(cls, calibration: SetCalibration) -> SetScores:
        """Write the scores as text, with five significant digits."""
        scores, groups = [], []
        for label in range(calibration.classes):
            images = calibration.labels == label
            scores.append(as_line(calibration.scores[images]))
            if calibration.groups is not None:
                groups.append(" ".join(map(str, calibration.groups[images])))
        has_groups = calibration.groups is not None
        return cls(
            scores=tuple(scores),
            expected=tuple(map(as_line, calibration.expected)),
            groups=tuple(groups) if has_groups else None,
        )

    @property
    def calibration(self) -> SetCalibration:
        """The scores, labels and groups of all images, ordered by class."""
        counts = [len(line.split()) for line in self.scores]
        return SetCalibration(
            labels=np.repeat(np.arange(len(counts)), counts),
            scores=np.array(" ".join(self.scores).split(), np.float64),
            expected=np.array([line.split() for line in self.expected], np.float64),
            groups=_read_groups(self.groups),
        )

    @model_validator(mode="after")
    def _check_numbers(self) -> SetScores:
        calibration = self.calibration
        for values in (calibration.scores, calibration.expected):
            if not ((values >= 0) & (values <= 1)).all():
                raise ValueError("a score is not between 0 and 1")
        if calibration.expected.shape != (len(self.scores), QUANTILES):
            raise ValueError(f"expected {QUANTILES} quantiles for each class")
        if self.groups is not None:
            counts = [len(line.split()) for line in self.scores]
            if counts != [len(line.split()) for line in self.groups]:
                raise ValueError("scores and groups have different lengths")
        return self


def as_line(values: NDArray[np.float64]) -> str:
    """Return values as text, with five significant digits and spaces between them."""
    return " ".join(f"{value:.5g}" for value in values)


def _read_groups(lines: tuple[str, ...] | None) -> NDArray[np.int64] | None:
    return None if lines is None else np.array(" ".join(lines).split(), np.int64)


class TrainingSummary(_Closed):
    """The training of a classifier, for people. An accuracy is None without such images."""

    dataset: str
    train_images: int
    epochs: float
    seconds: float
    validation_accuracy: float | None
    test_accuracy: float | None


class InferenceMetadata(_Closed):
    """Everything that predictions need besides the network."""

    preprocessing: Preprocessing = Preprocessing()
    calibration: Calibration | None = None
    ood_threshold: OodThreshold | None = None
    set_scores: SetScores | None = None
    training: TrainingSummary | None = None

    @property
    def temperature(self) -> float:
        """The calibration temperature; 1 if the run had no validation images."""
        return 1.0 if self.calibration is None else self.calibration.temperature


class _MetadataFields(_Closed):
    """The part of `classifier.json` that is not about the network.

    Attributes:
        familiarity: The OOD threshold, under the name that it has had since format 3.
        set_scores: None in files that were written before prediction sets were added, and without
            validation images.
    """

    preprocessing: Preprocessing = Preprocessing()
    calibration: Calibration | None = None
    familiarity: OodThreshold | None = None
    set_scores: SetScores | None = None
    training: TrainingSummary | None = None

    @property
    def metadata(self) -> InferenceMetadata:
        """The part of the file that is not the network."""
        return InferenceMetadata(
            preprocessing=self.preprocessing,
            calibration=self.calibration,
            ood_threshold=self.familiarity,
            set_scores=self.set_scores,
            training=self.training,
        )


class ClassifierFile(_MetadataFields):
    """The content of `classifier.json` for one network.

    Attributes:
        headstart: The version that wrote the file.
        input_px: The image size to which a backbone resizes; None for the other networks.
    """

    format: Literal[2, 3]
    # Files of format 2 do not name the version that wrote them. Only 0.1.0 wrote that format.
    headstart: str = "0.1.0"
    model: str
    recipe: SerializeAsAny[Recipe]
    image_shape: ImageShape
    class_names: ClassNames
    mirror: bool
    input_px: ImageSize | None

    @field_validator("recipe", mode="before")
    @classmethod
    def _read_recipe(cls, value: Any) -> Recipe:
        try:
            return value if isinstance(value, Recipe) else read_recipe(value)
        except (InputError, KeyError, TypeError) as error:
            raise ValueError(f"{type(error).__name__} {error}") from error

    @field_validator("format", mode="before")
    @classmethod
    def _check_format(cls, value: Any) -> Any:
        if value not in READABLE_FORMATS:
            formats = ", ".join(map(str, READABLE_FORMATS))
            raise ValueError(
                f"this version of Headstart reads the formats {formats} and {ENSEMBLE_FORMAT}"
            )
        return value

    @model_validator(mode="after")
    def _check_consistency(self) -> ClassifierFile:
        if self.model != self.recipe.model:
            raise ValueError(f"model is {self.model}, but its recipe is for {self.recipe.model}")
        if isinstance(self.recipe.net, BackboneOptions) and self.input_px is None:
            raise ValueError("input_px is missing, and a backbone needs an image size")
        _check_classes(self.class_names, self.set_scores)
        return self


class MemberFile(_Closed):
    """One member of an ensemble.

    Attributes:
        folder: Its folder inside that of the ensemble, with a `classifier.json` of its own.
        weight: Its part in the mean of the probabilities. All weights sum to 1.
        energy_mean: Mean of its energy scores for the validation images.
        energy_std: Standard deviation of the same.
    """

    folder: Annotated[str, Field(pattern=r"^members/[0-9]{2}$")]
    weight: Annotated[float, Field(gt=0, le=1)]
    energy_mean: float = 0.0
    energy_std: Annotated[float, Field(gt=0)] = 1.0


class EnsembleFile(_MetadataFields):
    """The content of `classifier.json` for an ensemble.

    Versions of Headstart that know no ensembles refuse its format by name.

    Attributes:
        headstart: The version that wrote the file.
        members: The members, of which the first has the largest weight.
    """

    format: Literal["ensemble-1"]
    headstart: str
    image_shape: ImageShape
    class_names: ClassNames
    members: Annotated[tuple[MemberFile, ...], Field(min_length=1, max_length=MOST_MEMBERS)]

    @model_validator(mode="after")
    def _check_consistency(self) -> EnsembleFile:
        folders = [member.folder for member in self.members]
        if len(set(folders)) < len(folders):
            raise ValueError("a member occurs twice")
        if abs(sum(member.weight for member in self.members) - 1) > _WEIGHT_TOLERANCE:
            raise ValueError("the weights of the members do not sum to 1")
        _check_classes(self.class_names, self.set_scores)
        return self


def _check_classes(class_names: tuple[str, ...], set_scores: SetScores | None) -> None:
    if len(set(class_names)) < len(class_names):
        raise ValueError("a class name occurs twice")
    if set_scores and len(set_scores.scores) != len(class_names):
        raise ValueError("set_scores has another number of classes than class_names")
