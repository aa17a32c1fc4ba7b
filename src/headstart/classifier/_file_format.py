"""The schema of `classifier.json`: closed and versioned. No torch here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, field_validator, model_validator

from headstart.data import Resize
from headstart.errors import InputError
from headstart.models.recipes import Recipe, read_recipe

FORMAT = 3
READABLE_FORMATS = (2, 3)  # format 2 has no calibration, no OOD threshold and no training summary
ImageSize = Annotated[int, Field(ge=1, le=16384)]


class _Closed(BaseModel):
    """Base class of schemas that refuse unknown keys and numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Preprocessing(_Closed):
    """How images of any size become images of `image_shape`, as in training.

    Attributes:
        image_size: The requested image size in pixels; None if the training images determined it.
        resize: How images of another shape are fitted.
        pixel_max: Full brightness in a pixel CSV or in arrays; None for 255.
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


class OodThreshold(_Closed):
    """The energy score below which an image counts as out-of-distribution (OOD).

    Attributes:
        threshold: Energy score; see `energy_score`.
        quantile: Share of the validation images whose score is lower.
        images: Number of validation images.
    """

    threshold: float
    quantile: Annotated[float, Field(gt=0, lt=1)]
    images: int


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
    training: TrainingSummary | None = None

    @property
    def temperature(self) -> float:
        """The calibration temperature; 1 if the run had no validation images."""
        return 1.0 if self.calibration is None else self.calibration.temperature


class ClassifierFile(_Closed):
    """The content of `classifier.json`.

    Attributes:
        familiarity: The OOD threshold, under the name that it has had since format 3.
        headstart: The version that wrote the file.
        input_px: The image size to which a backbone resizes; None for the other networks.
    """

    preprocessing: Preprocessing = Preprocessing()
    calibration: Calibration | None = None
    familiarity: OodThreshold | None = None
    training: TrainingSummary | None = None
    format: Literal[2, 3]
    # Files of format 2 do not name the version that wrote them. Only 0.1.0 wrote that format.
    headstart: str = "0.1.0"
    model: str
    recipe: SerializeAsAny[Recipe]
    image_shape: tuple[ImageSize, ImageSize, Literal[1, 3]]
    class_names: Annotated[tuple[str, ...], Field(min_length=2, max_length=100_000)]
    mirror: bool
    input_px: ImageSize | None

    @property
    def metadata(self) -> InferenceMetadata:
        """The part of the file that is not the network."""
        return InferenceMetadata(
            preprocessing=self.preprocessing,
            calibration=self.calibration,
            ood_threshold=self.familiarity,
            training=self.training,
        )

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
            formats = " and ".join(map(str, READABLE_FORMATS))
            raise ValueError(f"this version of Headstart reads the formats {formats}")
        return value

    @model_validator(mode="after")
    def _check_consistency(self) -> ClassifierFile:
        if self.model != self.recipe.model:
            raise ValueError(f"model is {self.model}, but its recipe is for {self.recipe.model}")
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError("a class name occurs twice")
        return self
