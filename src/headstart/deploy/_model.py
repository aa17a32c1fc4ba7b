"""What predicts, whatever holds its weights, and what it answers."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation import apply_temperature

if TYPE_CHECKING:
    from headstart.classifier import Classifier, Preprocessing

Form = Literal["onnx", "torch"]  # of an exported file


@dataclass(frozen=True)
class Predictions:
    """Answers about N images.

    Attributes:
        class_names: K names.
        probabilities: `(N, K)` float32, in the order of `class_names`; calibrated on validation images, if the run had any.
        is_unfamiliar: `(N,)` whether an image looks unlike the training data: less familiar to the network than all but one in a
            hundred validation images. None where that is not known: a run with fewer than 100 validation images, or an old one.
    """

    class_names: tuple[str, ...]
    probabilities: NDArray[np.float32]
    is_unfamiliar: NDArray[np.bool_] | None = None

    @property
    def labels(self) -> list[str]:
        """The likeliest class of each image."""
        return [self.class_names[best] for best in self.probabilities.argmax(1)]

    def as_json(self, names: Sequence[str], top: int | None = None) -> list[dict[str, Any]]:
        """One object an image: `image`, `label`, `probabilities` by class name (the likeliest first), `unfamiliar`.

        Args:
            names: of the N images.
            top: how many classes each; None for all.
        """
        found = []
        unfamiliar = (
            [None] * len(names) if self.is_unfamiliar is None else self.is_unfamiliar.tolist()
        )
        for name, label, row, strange in zip(
            names, self.labels, self.probabilities, unfamiliar, strict=True
        ):
            order = np.argsort(-row, kind="stable")[:top]
            chances = {self.class_names[index]: round(float(row[index]), 6) for index in order}
            found.append(
                {"image": name, "label": label, "probabilities": chances, "unfamiliar": strange}
            )
        return found


def together(parts: list[Predictions]) -> Predictions:
    """Answers about several batches as one; at least one batch."""
    unfamiliar = [part.is_unfamiliar for part in parts if part.is_unfamiliar is not None]
    return Predictions(
        parts[0].class_names,
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate(unfamiliar) if unfamiliar else None,
    )


class Model(Protocol):
    """What predicts.

    Attributes:
        class_names: K names.
        image_shape: (height, width, channels) of the images it takes.
        preprocessing: how images of another shape become that one.
    """

    class_names: tuple[str, ...]
    image_shape: tuple[int, int, int]
    preprocessing: Preprocessing

    def predict(self, images: NDArray[np.uint8]) -> Predictions:
        """Answers about images `(N, H, W, C)` uint8 of `image_shape`; one call at a time."""


class RunModel:
    """A run's classifier in torch."""

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier
        self.class_names, self.image_shape = classifier.class_names, classifier.image_shape
        self.preprocessing = classifier.use.preprocessing

    def predict(self, images: NDArray[np.uint8]) -> Predictions:
        use = self.classifier.use
        probabilities, familiar = self.classifier.judge(images)
        unfamiliar = None if use.familiarity is None else familiar < use.familiarity.threshold
        return Predictions(
            self.class_names, apply_temperature(probabilities, use.temperature), unfamiliar
        )


def open_model(run: Path) -> Model:
    """What a finished run left for use, or an `.onnx` file that was exported from one.

    Raises:
        InputError: neither is there, or its files are damaged; ResourceError: ONNX Runtime is not installed.
    """
    if run.suffix.lower() == ".onnx" and not run.is_dir():
        from headstart.deploy.export._onnx import open_onnx

        return open_onnx(run)
    from headstart.classifier import load_classifier

    need_classifier(run)
    return RunModel(load_classifier(run))


def need_classifier(run: Path) -> None:
    """Raise InputError, with the reason, if no finished run with its weights is there."""
    if not (run / "classifier.json").exists():
        raise _no_classifier(run)


def _no_classifier(run: Path) -> InputError:
    if not run.exists():
        return InputError(
            f"{run} is no run folder: it does not exist.",
            "`headstart runs` lists the runs; `headstart train` makes one.",
        )
    if not run.is_dir():
        return InputError(
            f"{run} is a file, but wanted is a run folder or an .onnx file.",
            "Make one: headstart export RUN -o model.onnx",
        )
    if (run / "metrics.json").exists():
        return InputError(
            f"{run} is a finished run, but its weights were removed: a search keeps those of its winner.",
            f"Train it again: headstart train --repeat {shlex.quote(str(run))}",
        )
    if (run / "recipe.json").exists():
        return InputError(
            f"{run} is a run that is not finished.",
            "Run the command that began it again; it goes on from there.",
        )
    return InputError(
        f"{run} is no run folder: it holds no classifier.json.",
        "Of a study, name one of its runs; `headstart runs` lists them.",
    )
