"""An exported classifier in ONNX Runtime. No torch here."""

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

# Names in the file. `familiarity` is the energy score; programs rely on the name.
INPUT, OUTPUTS = "images", ("probabilities", "familiarity")
_HOW_TO_EXPORT = "Export one: headstart export RUN -o model.onnx"


class OnnxModel:
    """A `Model` with its weights in an `.onnx` file that Headstart exported."""

    def __init__(self, content: bytes, name: str) -> None:
        self.session = open_session(content, name)
        metadata = self.session.get_modelmeta().custom_metadata_map
        try:
            self.class_names: tuple[str, ...] = tuple(json.loads(metadata["class_names"]))
            height, width, channels = json.loads(metadata["image_shape"])
            self.image_shape: tuple[int, int, int] = (height, width, channels)
            self.preprocessing = Preprocessing.model_validate_json(metadata["preprocessing"])
            self.ood_threshold: float | None = json.loads(metadata["unfamiliar_below"])
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise InputError(
                f"{name} is an ONNX file that Headstart did not export: invalid metadata {error}.",
                _HOW_TO_EXPORT,
            ) from error

    def predict(self, images: NDArray[np.uint8]) -> Predictions:
        """Predict images `(N, H, W, C)` uint8; the file calibrates the probabilities."""
        check_pixels(images, self.image_shape)
        probabilities, energy_scores = self.session.run(
            list(OUTPUTS), {INPUT: np.ascontiguousarray(images)}
        )
        return Predictions(self.class_names, probabilities, energy_scores, self.ood_threshold)


def open_onnx(path: Path) -> OnnxModel:
    """Open an exported file.

    The file is read into memory first, so that ONNX Runtime does not follow references to other
    files.

    Raises:
        InputError: There is no such file, or Headstart did not export it.
        ResourceError: ONNX Runtime is not installed.
    """
    try:
        return OnnxModel(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.", _HOW_TO_EXPORT) from error


def open_session(content: bytes, name: str) -> Any:
    """Open an ONNX Runtime session on the CPU, with the cores that this process may use.

    Raises:
        InputError: The content is not a valid ONNX file.
        ResourceError: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime
    except ImportError:
        raise missing_packages() from None

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_cores()
    options.log_severity_level = 3  # errors only
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the exceptions of onnxruntime have no common class
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"cannot open {name}: {reason}.", _HOW_TO_EXPORT) from error


def missing_packages() -> ResourceError:
    """Return the error for missing ONNX packages."""
    return ResourceError(
        "ONNX needs packages that are not installed.",
        "Install them: pip install 'headstart[onnx]'",
    )
