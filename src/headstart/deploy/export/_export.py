"""Export of a classifier as one file for other programs, written only if it reproduces the run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.classifier import BaseClassifier, Classifier, Ensemble, load_classifier
from headstart.data import SplitDataset, take
from headstart.deploy._model import Form
from headstart.deploy.export._int8 import CALIBRATION_IMAGES, quantise
from headstart.deploy.export._page import make_page
from headstart.deploy.export._parity import (
    Outputs,
    PredictFunction,
    check_parity,
    choose_images,
    measure_ms_per_image,
    predict_in_batches,
    predict_with_run,
    sample_images,
)
from headstart.deploy.export._runtime import open_runtime
from headstart.deploy.export._serialise import (
    predict_with_onnx,
    predict_with_torch,
    to_onnx,
    to_torch,
)
from headstart.deploy.server._card import model_card
from headstart.errors import InputError
from headstart.results import JsonObject


def export(
    run: Path,
    data: SplitDataset,
    out: Path,
    form: Form = "onnx",
    *,
    int8: bool = False,
    runtime: Path | None = None,
) -> JsonObject:
    """Write the classifier of a run as one file, with its SHA-256 beside it.

    The file maps uint8 images `(N, H, W, C)` to calibrated `probabilities` `(N, K)` and energy
    scores `(N,)`. The latter are called `familiarity` in the file. Preprocessing, the average over
    mirror images and the calibration are inside. The file is written only if it gives each of up to
    2,000 images the same class as the run.

    Args:
        run: A finished run.
        data: Its dataset and split, for these images.
        out: The file to write.
        form: onnx, torch for a program of `torch.export`, or page for a web page that classifies in
            the browser, with the ONNX file inside.
        int8: Also write an int8 ONNX file beside `out`. Its ranges are measured on training images.
        runtime: ONNX Runtime Web for a page; see `open_runtime`.

    Returns:
        `run`, `onnx`, `torch` or `page` (the file; the others are None), `bytes`, `parity`, and
        `int8` (None, or accuracy, size and speed of the int8 file).

    Raises:
        RunFailed: The file does not reproduce the run. Nothing is written.
        InputError: int8 is asked for an ensemble, `runtime` is another version, or the name of
            `out` is not UTF-8.
        ResourceError: Packages are missing, or ONNX Runtime Web cannot be fetched.
    """
    store.encode_text(str(out))  # The digest beside the file names it.
    store.note_if_unsealed(run)
    web_runtime = open_runtime(runtime) if form == "page" else None
    classifier = _in_float32(load_classifier(run))
    if int8 and isinstance(classifier, Ensemble):
        raise InputError(
            "--int8 needs a run of one network, and this one is an ensemble.",
            "Leave out --int8, or export one of the runs that the ensemble consists of.",
        )
    part, rows = choose_images(data)
    images = take(data.dataset.images, rows)
    expected = predict_with_run(classifier, images)

    if form == "torch":
        content = to_torch(classifier)
        predict = predict_with_torch(content)
    else:
        content = to_onnx(classifier)
        predict = predict_with_onnx(content, out.name)
    parity = check_parity(expected, predict, images, part)
    if web_runtime is None:
        store.write_with_digest(out, content)
    else:
        content = make_page(content, classifier, model_card(run, classifier), web_runtime)
        store.write_bytes(out, content)

    int8_report = None
    if int8:
        reference = _Reference(images, data.dataset.labels[rows], expected, predict)
        calibration = sample_images(data.dataset, data.split.train, CALIBRATION_IMAGES)
        path = out.with_name(f"{out.stem}-int8{out.suffix}")
        int8_report = _write_int8(content, path, calibration, reference)

    return {
        "run": str(run),
        "onnx": str(out) if form == "onnx" else None,
        "torch": str(out) if form == "torch" else None,
        "page": str(out) if form == "page" else None,
        "bytes": len(content),
        "parity": parity.as_json(),
        "int8": int8_report,
    }


def _in_float32(classifier: BaseClassifier) -> BaseClassifier:
    """Let a classifier compute in float32, as an exported file does."""
    parts = classifier.classifiers if isinstance(classifier, Ensemble) else [classifier]
    for part in parts:
        assert isinstance(part, Classifier)
        part.recipe = part.recipe.model_copy(update={"precision": "float32"})
    return classifier.cpu().float()


@dataclass(frozen=True)
class _Reference:
    """The images on which an int8 file is compared, and the float32 results for them."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    expected: Outputs
    predict: PredictFunction


def _write_int8(
    content: bytes, path: Path, calibration: NDArray[np.uint8], reference: _Reference
) -> JsonObject:
    """Write the int8 file; return its accuracy, size and speed beside those of the float32 file."""
    progress.say(f"measuring int8 ranges on {len(calibration):,} training images")
    quantised = quantise(content, calibration)
    predict = predict_with_onnx(quantised, path.name)
    outputs = predict_in_batches(predict, reference.images, "checking the int8 file")
    store.write_with_digest(path, quantised)

    predicted = outputs.probabilities.argmax(1)
    expected = reference.expected.probabilities.argmax(1)
    return {
        "onnx": str(path),
        "accuracy": float((predicted == reference.labels).mean()),
        "float_accuracy": float((expected == reference.labels).mean()),
        "top1_agreement": float((predicted == expected).mean()),
        "bytes": len(quantised),
        "ms_per_image": _measure_speed(predict, reference.images),
        "float_ms_per_image": _measure_speed(reference.predict, reference.images),
    }


def _measure_speed(predict: PredictFunction, images: NDArray[np.uint8]) -> JsonObject:
    """Return milliseconds per image by batch size."""
    return {str(size): round(measure_ms_per_image(predict, images, size), 4) for size in (1, 64)}
