"""The JSON objects that the server answers with, for its OpenAPI description."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


class Prediction(BaseModel):
    """The answer of `/predict`."""

    label: str = Field(description="Predicted class.")
    probabilities: dict[str, float] = Field(
        description="Calibrated probability of each class, from 0 to 1."
    )
    unfamiliar: bool | None = Field(
        description="True for an out-of-distribution image; null if that is unknown."
    )


class EvidenceMap(BaseModel):
    """Evidence for a class at each place of a grid over the image."""

    layer: str | None = Field(default=None, description="Layer of the feature map, of Grad-CAM.")
    unit: str = Field(description="Unit of the values.")
    values: list[list[float]] = Field(
        description="Rows from top to bottom. Positive values support the class."
    )


class Explanation(BaseModel):
    """The answer of `/explain`."""

    label: str = Field(description="Class that is explained.")
    probability: float = Field(description="Its calibrated probability, from 0 to 1.")
    predicted: str = Field(description="Predicted class.")
    grad_cam: EvidenceMap | None = Field(
        description="Grad-CAM; null if the network has no feature map."
    )
    occlusion: EvidenceMap = Field(description="Log-odds lost where the image is covered.")
    seen: str = Field(description="The image as the model receives it: a data URI of a PNG.")


class Scores(BaseModel):
    """Scores on one part of the data. What is unknown is null."""

    accuracy: float | None = Field(description="Accuracy, from 0 to 1.")
    interval: list[float] | None = Field(description="95% interval of the accuracy.")
    n: int | None = Field(description="Number of images.")
    groups: int | None = Field(description="Number of groups of images, if there are some.")


class TrainingData(BaseModel):
    """The data that the model was trained on."""

    name: str | None = Field(description="Name of the dataset.")
    train_images: int | None = Field(description="Number of training images.")


class ModelCard(BaseModel):
    """The answer of `/model`. What is not in the run folder is null."""

    run: str = Field(description="Name of the run.")
    model: str | None = Field(description="Name of the model, such as cnn.")
    classes: list[str] = Field(description="Names of the classes.")
    image_shape: list[int] = Field(description="Height, width and channels of the images.")
    resize: str | None = Field(description="How images of other shapes are resized.")
    parameters: int | None = Field(description="Number of parameters.")
    seed: int | None = Field(description="Seed of the run.")
    epochs: float | None = Field(description="Epochs of training.")
    training: str | None = Field(description="Length of training in words, with the seed of a run.")
    data: TrainingData = Field(description="The data that the model was trained on.")
    test: Scores | None = Field(description="Scores on test images.")
    validation: Scores | None = Field(description="Scores on validation images.")
    drawing: Literal["mnist", "box"] | None = Field(
        description="How drawings are placed; null if they are not offered."
    )
    explains: bool = Field(description="Whether `/explain` works.")


class Health(BaseModel):
    """The answer of `/health`."""

    status: Literal["ok"] = Field(description="Always ok.")


class Problem(BaseModel):
    """The answer to a request that is refused or fails."""

    error: str = Field(description="What is wrong.")
    hint: str = Field(description="What to do.")


Responses = dict[int | str, dict[str, Any]]
_PROBLEMS: Responses = {
    400: {"model": Problem, "description": "The request is invalid."},
    413: {"model": Problem, "description": "The body is too large."},
    422: {"model": Problem, "description": "The image cannot be read."},
    503: {"model": Problem, "description": "The server is busy; see Retry-After."},
}


def responses(answer: type[BaseModel], *, reads_image: bool = False) -> Responses:
    """Return the description of the answers of a path for FastAPI.

    Args:
        answer: The model of the answer with status 200.
        reads_image: True for a path that receives an image.
    """
    successful: Responses = {200: {"model": answer}}
    return successful | _PROBLEMS if reads_image else successful
