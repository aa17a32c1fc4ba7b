"""An exported classifier in ONNX Runtime. No torch here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from headstart import store
from headstart.classifier import (
    OOD_QUANTILE,
    OodThreshold,
    Predictions,
    Preprocessing,
    SetScores,
    find_odd_brightness,
)
from headstart.data import check_pixels
from headstart.errors import InputError, ResourceError
from headstart.machine import usable_cores

# Names in the file. `familiarity` is the energy score; programs rely on the name.
INPUT, OUTPUTS = "images", ("probabilities", "familiarity")
_LARGEST_BYTES = 2 << 30  # of a file of protocol buffers
# Images per call of ONNX Runtime. All activations of a call are in memory at the same time, and the
# file does not tell how large they are: a backbone enlarges its images inside the network.
_BATCH_SIZE = 64
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
            self.ood = _read_ood_threshold(metadata)
            costs = json.loads(metadata.get("costs", "null"))
            self.costs = None if costs is None else np.array(costs, np.float64)
            # Files that were exported before prediction sets were added have no such entry.
            scores = json.loads(metadata.get("prediction_sets", "null"))
            self.set_scores: SetScores | None = scores and SetScores.model_validate(scores)
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise InputError(
                f"{name} is an ONNX file that Headstart did not export: invalid metadata {error}.",
                _HOW_TO_EXPORT,
            ) from error

    def predict(self, images: NDArray[np.uint8]) -> Predictions:
        """Predict images `(N, H, W, C)` uint8; the file calibrates the probabilities."""
        check_pixels(images, self.image_shape)
        probabilities, energy_scores = self._run_in_batches(images)
        if self.ood is None:
            return Predictions(self.class_names, probabilities, energy_scores, costs=self.costs)
        return Predictions(
            self.class_names,
            probabilities,
            energy_scores,
            self.ood.threshold,
            find_odd_brightness(images, self.ood.brightness),
            self.ood.scores(energy_scores, images),
            self.costs,
        )

    def _run_in_batches(
        self, images: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return probabilities `(N, K)` and energy scores `(N,)`."""
        probabilities = np.empty((len(images), len(self.class_names)), np.float32)
        energy_scores = np.empty(len(images), np.float32)
        for start in range(0, len(images), _BATCH_SIZE):
            batch = slice(start, start + _BATCH_SIZE)
            probabilities[batch], energy_scores[batch] = self.session.run(
                list(OUTPUTS), {INPUT: np.ascontiguousarray(images[batch])}
            )
        return probabilities, energy_scores


def _read_ood_threshold(metadata: dict[str, str]) -> OodThreshold | None:
    """Return the limits that the metadata of a file hold; None if they hold none."""
    if "unfamiliar_limits" in metadata:
        return OodThreshold.model_validate_json(metadata["unfamiliar_limits"])

    # Files of earlier versions. The first ones have no brightness.
    threshold = json.loads(metadata["unfamiliar_below"])
    if threshold is None:
        return None
    brightness = json.loads(metadata.get("unfamiliar_outside_brightness", "null"))
    return OodThreshold(threshold=threshold, quantile=OOD_QUANTILE, images=0, brightness=brightness)


def open_onnx(path: Path) -> OnnxModel:
    """Open an exported file.

    The file is read into memory first, so that ONNX Runtime does not follow references to other
    files.

    Raises:
        InputError: There is no such file, Headstart did not export it, or it has changed since.
        ResourceError: ONNX Runtime is not installed.
    """
    try:
        return OnnxModel(store.read_with_digest(path, _LARGEST_BYTES), str(path))
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
    # Threads that spin while they wait take the core that the other work of a server needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
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
