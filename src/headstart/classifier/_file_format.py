"""What `classifier.json` says: a closed schema, versioned; written and read here alone. No torch here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, field_validator, model_validator

from headstart.data import Resize
from headstart.errors import InputError
from headstart.models.recipes import Recipe, read_recipe

FORMAT = 3
READS = (2, 3)  # 2 had no calibration, familiarity or training summary
Side = Annotated[int, Field(ge=1, le=16384)]


class _Closed(BaseModel):
    """A key that is not listed is an error, as is a number that is none."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Preprocessing(_Closed):
    """How an image of any size becomes one of `image_shape`: as the training images were opened.

    Attributes:
        image_size: side in pixels that was asked for; None where the images decided.
        resize: how other shapes become that one.
        pixel_max: full brightness in a pixel CSV or arrays; None for 255.
    """

    image_size: Side | None = None
    resize: Resize = "pad"
    pixel_max: Annotated[float, Field(gt=0)] | None = None


class Calibration(_Closed):
    """The temperature at which the probabilities fit the validation images best; see `evaluation.fit_temperature`.

    Attributes:
        images: validation images it was fitted on.
        loss, calibrated_loss: mean cross-entropy of those images, in nats, before and after.
    """

    temperature: Annotated[float, Field(ge=0.01, le=100)]
    images: int
    loss: float
    calibrated_loss: float


class Familiarity(_Closed):
    """Below `threshold`, an image looks unlike the training data; see `Classifier.judge`.

    Attributes:
        quantile: share of the validation images that lie below it.
        images: validation images it was measured on.
    """

    threshold: float
    quantile: Annotated[float, Field(gt=0, lt=1)]
    images: int


class Training(_Closed):
    """Where the classifier comes from, for people. Accuracies are those of the run; None where there were no such images."""

    dataset: str
    train_images: int
    epochs: float
    seconds: float
    validation_accuracy: float | None
    test_accuracy: float | None


class Use(_Closed):
    """What a classifier needs besides its network to be used."""

    preprocessing: Preprocessing = Preprocessing()
    calibration: Calibration | None = None
    familiarity: Familiarity | None = None
    training: Training | None = None

    @property
    def temperature(self) -> float:
        """1 where there were no validation images."""
        return 1.0 if self.calibration is None else self.calibration.temperature


class ClassifierFile(Use):
    """`classifier.json`.

    Attributes:
        headstart: version that wrote it.
        input_px: side to which a backbone resizes images; None for the other networks.
    """

    format: Literal[2, 3]
    # Files of format 2 do not name the version that wrote them. Only 0.1.0 wrote that format.
    headstart: str = "0.1.0"
    model: str
    recipe: SerializeAsAny[Recipe]
    image_shape: tuple[Side, Side, Literal[1, 3]]
    class_names: Annotated[tuple[str, ...], Field(min_length=2, max_length=100_000)]
    mirror: bool
    input_px: Side | None

    @field_validator("recipe", mode="before")
    @classmethod
    def _recipe(cls, written: Any) -> Recipe:
        try:
            return written if isinstance(written, Recipe) else read_recipe(written)
        except (InputError, KeyError, TypeError) as error:
            raise ValueError(f"{type(error).__name__} {error}") from error

    @field_validator("format", mode="before")
    @classmethod
    def _known(cls, written: Any) -> Any:
        if written not in READS:
            raise ValueError(f"this Headstart reads the formats {' and '.join(map(str, READS))}")
        return written

    @model_validator(mode="after")
    def _agrees(self) -> ClassifierFile:
        if self.model != self.recipe.model:
            raise ValueError(f"model is {self.model}, but its recipe is of {self.recipe.model}")
        if len(set(self.class_names)) < len(self.class_names):
            raise ValueError("a class name stands twice")
        return self
