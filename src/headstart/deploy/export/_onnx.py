"""An exported classifier in ONNX Runtime; no torch here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from headstart.classifier import Predictions, Preprocessing
from headstart.data import check_pixels
from headstart.errors import InputError, ResourceError
from headstart.machine import usable_cores

INPUT, OUTPUTS = "images", ("probabilities", "familiarity")


class OnnxModel:
    """A `Model` whose weights are in an `.onnx` file that Headstart exported."""

    def __init__(self, content: bytes, name: str) -> None:
        self.session = open_session(content, name)
        about = self.session.get_modelmeta().custom_metadata_map
        try:
            self.class_names: tuple[str, ...] = tuple(json.loads(about["class_names"]))
            height, width, channels = json.loads(about["image_shape"])
            self.image_shape: tuple[int, int, int] = (height, width, channels)
            self.preprocessing = Preprocessing.model_validate_json(about["preprocessing"])
            self.threshold: float | None = json.loads(about["unfamiliar_below"])
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise InputError(
                f"{name} is an ONNX file, but not one that Headstart exported: its metadata lack {error}.",
                "Make one: headstart export RUN -o model.onnx",
            ) from error

    def predict(self, images: NDArray[np.uint8]) -> Predictions:
        check_pixels(images, self.image_shape)
        probabilities, familiar = self.session.run(
            list(OUTPUTS), {INPUT: np.ascontiguousarray(images)}
        )
        return Predictions(
            self.class_names,
            probabilities,
            familiar,
            self.threshold,
        )


def open_onnx(path: Path) -> OnnxModel:
    """The model in an exported file. It is read whole first: ONNX Runtime then follows no reference to another file.

    Raises:
        InputError: no such file, or not one of ours; ResourceError: ONNX Runtime is not installed.
    """
    try:
        return OnnxModel(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}.",
            "Make one: headstart export RUN -o model.onnx",
        ) from error


def open_session(content: bytes, name: str) -> Any:
    """An ONNX Runtime session on the processor, with the cores that this process may use."""
    try:
        import onnxruntime
    except ImportError:
        raise without_extra() from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = usable_cores(), 3
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own exceptions have no common class
        raise InputError(
            f"{name} cannot be opened: {str(error).splitlines()[0][:200]}.",
            "Make one: headstart export RUN -o model.onnx",
        ) from error


def without_extra() -> ResourceError:
    """The error where the packages for ONNX are missing."""
    return ResourceError(
        "ONNX needs packages that are not installed.", "pip install 'headstart[onnx]'"
    )
