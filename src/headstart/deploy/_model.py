"""Models: the interface of everything that predicts, and how to open a run or an exported file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.classifier import Predictions
from headstart.errors import InputError

if TYPE_CHECKING:
    from headstart.classifier import Preprocessing, SetScores

Form = Literal["onnx", "torch", "page"]  # of an exported file


class Model(Protocol):
    """Anything that predicts the classes of images: a `Classifier`, or an exported file."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """K names, in the order of the probabilities."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images that the model accepts."""

    @property
    def preprocessing(self) -> Preprocessing:
        """How images of another shape become images of `image_shape`."""

    @property
    def set_scores(self) -> SetScores | None:
        """The scores that calibrate prediction sets; None without validation images."""

    def predict(self, images: NDArray[np.uint8]) -> Predictions:
        """Predict images, with calibrated probabilities.

        Safe for several threads after a first call.

        Args:
            images: uint8 array of shape (N, H, W, C), of `image_shape`.

        Returns:
            Class names, probabilities of shape (N, K) and energy scores of shape (N,).

        Raises:
            InputError: The images have another shape, or are not uint8.
        """


def open_model(run: str | Path) -> Model:
    """Open the classifier of a finished run, or an `.onnx` file that was exported from one.

    Args:
        run: A run folder, or the path of an `.onnx` file.

    Returns:
        The model, which predicts one batch at a time.

    Raises:
        InputError: The path holds neither, or its files are damaged.
        ResourceError: ONNX Runtime is not installed.
    """
    path = Path(run)
    need_model(path)
    if _is_exported(path):
        from headstart.deploy.export._onnx import open_onnx

        return open_onnx(path)

    from headstart.classifier import load_classifier

    store.note_if_unsealed(path)
    return load_classifier(path)


def need_model(path: Path) -> None:
    """Raise InputError unless a path can be a model. Imports neither PyTorch nor ONNX Runtime.

    Args:
        path: A folder, which must hold a finished run with its weights; or an `.onnx` file, which
            `open_model` checks.
    """
    if not _is_exported(path):
        need_classifier(path)


def need_classifier(run: Path) -> None:
    """Raise InputError unless the folder holds a finished run with its weights.

    Args:
        run: A folder.

    Raises:
        InputError: Something else is there. The message says what, and the next command.
    """
    if not (run / "classifier.json").exists():
        raise _no_classifier(run)


def _is_exported(path: Path) -> bool:
    return path.suffix.lower() == ".onnx" and not path.is_dir()


def _no_classifier(run: Path) -> InputError:
    if not run.exists():
        return InputError(
            f"{run} does not exist.",
            "List the runs with `headstart runs`, or create one with `headstart train`.",
        )
    if not run.is_dir():
        return InputError(
            f"invalid run {run}: expected a run folder or an .onnx file, got another file.",
            "Export an .onnx file: headstart export RUN -o model.onnx",
        )
    if (run / "metrics.json").exists():
        return InputError(
            f"{run} is a finished run, but its weights were removed: "
            "a search keeps only the weights of its winner.",
            f"Train it again: headstart train --repeat {shlex.quote(str(run))}",
        )
    if (run / "recipe.json").exists():
        return InputError(
            f"{run} is a run that is not finished.",
            "Repeat the command that started it. It resumes from the last checkpoint.",
        )
    return InputError(
        f"{run} is not a run folder: it holds no classifier.json.",
        "List the runs with `headstart runs`, or create one with `headstart train`.",
    )
