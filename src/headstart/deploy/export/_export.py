"""A classifier as a file for other programs, published only when it says what the run says."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import Dim

from headstart import progress, store
from headstart.classifier import Classifier, describe_classifier, load_classifier
from headstart.data import SplitDataset, take
from headstart.deploy._model import Form
from headstart.deploy.export._int8 import CALIBRATION_IMAGES, quantise
from headstart.deploy.export._network import Network
from headstart.deploy.export._onnx import INPUT, OUTPUTS, open_session, without_extra
from headstart.deploy.export._parity import (
    Answer,
    Answers,
    answer_all,
    as_trained,
    check_parity,
    milliseconds,
    real_images,
    sample_of,
)

OPSET = 20


def export(
    run: Path, data: SplitDataset, out: Path, form: Form = "onnx", *, int8: bool = False
) -> dict[str, Any]:
    """Write a run's classifier as one file: uint8 `(N, H, W, C)` in, probabilities `(N, K)` and familiarity `(N,)` out.

    Preprocessing, the average over mirror images and the calibration are inside. Before the file appears it is asked about real
    images, and must give each the class that the run gives it.

    Args:
        run: a finished run; dataset, split: its data, for those images.
        out: the file to write.
        form: onnx, or torch for a program of `torch.export`.
        int8: also write an ONNX file with eight bits, beside `out`, its ranges measured on training images.

    Returns:
        `run`, `onnx` or `torch` (the file; the other is None), `bytes`, `parity`, and `int8` (None, or what it costs and brings).

    Raises:
        RunFailed: the file disagrees with the run; nothing is written then. ResourceError: packages are missing.
    """
    classifier = load_classifier(run).cpu().float()
    classifier.recipe = classifier.recipe.model_copy(
        update={"precision": "float32"}
    )  # as the file computes
    part, rows = real_images(data)
    images = take(data.dataset.images, rows)
    wanted = as_trained(classifier, images)
    content = _as_onnx(classifier) if form == "onnx" else _as_torch(classifier)
    answer = _of_onnx(content, out.name) if form == "onnx" else _of_torch(content)
    parity = check_parity(wanted, answer, images, part)
    store.write_bytes(out, content)
    smaller = None
    if int8:
        smaller = _in_eight_bits(
            content,
            out,
            answer,
            wanted[0],
            images,
            data.dataset.labels[rows],
            sample_of(data.dataset, data.split.train, CALIBRATION_IMAGES),
        )
    return {
        "run": str(run),
        "onnx": str(out) if form == "onnx" else None,
        "torch": str(out) if form == "torch" else None,
        "bytes": len(content),
        "parity": parity.as_json(),
        "int8": smaller,
    }


def _program(classifier: Classifier) -> torch.export.ExportedProgram:
    """The classifier as a graph that takes any number of images."""
    height, width, channels = classifier.image_shape
    images = torch.zeros(2, height, width, channels, dtype=torch.uint8)
    with torch.no_grad():
        found = torch.export.export(
            Network(classifier).eval(), (images,), dynamic_shapes={"images": {0: Dim("batch")}}
        )
    for node in found.graph.nodes:
        node.meta.pop("stack_trace", None)  # names files of this machine
    return found


def _as_onnx(classifier: Classifier) -> bytes:
    try:
        import onnxscript  # noqa: F401  # torch's exporter needs it, and says so less clearly
    except ImportError:
        raise without_extra() from None
    progress.say("translating the network to ONNX")
    with _quiet():
        found = torch.onnx.export(
            _program(classifier),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    assert found is not None
    model = found.model_proto
    _tidy(model.graph)
    for key, value in _metadata(classifier).items():
        model.metadata_props.add(key=key, value=value)
    content: bytes = model.SerializeToString()
    return content


def _tidy(graph: Any) -> None:
    """Leave out the exporter's notes, which name files of this machine, and call the number of images `batch`."""
    for each in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del each.metadata_props[:]
        each.doc_string = ""
    del graph.value_info[:]  # shapes in between, which runtimes infer
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def _metadata(classifier: Classifier) -> dict[str, str]:
    """What a program needs to know besides the numbers; texts are JSON."""
    about = describe_classifier(classifier)
    ood = classifier.metadata.ood_threshold
    return {
        "headstart": about.headstart,
        "format": str(about.format),
        "model": about.model,
        "class_names": json.dumps(about.class_names, ensure_ascii=False),
        "image_shape": json.dumps(about.image_shape),
        "preprocessing": about.preprocessing.model_dump_json(),
        "temperature": json.dumps(classifier.metadata.temperature),
        "unfamiliar_below": json.dumps(None if ood is None else ood.threshold),
        "training": "null" if about.training is None else about.training.model_dump_json(),
    }


def _as_torch(classifier: Classifier) -> bytes:
    program = _program(classifier)
    program.example_inputs = None  # torch would write them as a pickle
    buffer = io.BytesIO()
    with _quiet():
        torch.export.save(
            program,
            buffer,
            extra_files={f"{key}.txt": value for key, value in _metadata(classifier).items()},
        )
    return buffer.getvalue()


def _of_onnx(content: bytes, name: str) -> Answer:
    session = open_session(content, name)

    def answer(images: NDArray[np.uint8]) -> Answers:
        probabilities, familiar = session.run(list(OUTPUTS), {INPUT: images})
        return probabilities, familiar

    return answer


def _of_torch(content: bytes) -> Answer:
    with _quiet():
        network = torch.export.load(io.BytesIO(content)).module()

    def answer(images: NDArray[np.uint8]) -> Answers:
        with torch.no_grad():
            probabilities, familiar = network(torch.from_numpy(images))
        return probabilities.numpy(), familiar.numpy()

    return answer


def _in_eight_bits(
    content: bytes,
    out: Path,
    answer: Answer,
    wanted: NDArray[np.float32],
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    calibration: NDArray[np.uint8],
) -> dict[str, Any]:
    """Write the file of eight bits, and say what it loses and gains against the float one on the same images."""
    progress.say(f"measuring ranges for eight bits on {len(calibration):,} training images")
    path = out.with_name(f"{out.stem}-int8{out.suffix}")
    small = quantise(content, calibration)
    quick = _of_onnx(small, path.name)
    found, _ = answer_all(quick, images, "checking the file of eight bits")
    store.write_bytes(path, small)
    accuracy, before = ((one.argmax(1) == labels).mean() for one in (found, wanted))
    return {
        "onnx": str(path),
        "accuracy": float(accuracy),
        "float_accuracy": float(before),
        "top1_agreement": float((found.argmax(1) == wanted.argmax(1)).mean()),
        "bytes": len(small),
        "ms_per_image": {
            str(batch): round(milliseconds(quick, images, batch), 4) for batch in (1, 64)
        },
        "float_ms_per_image": {
            str(batch): round(milliseconds(answer, images, batch), 4) for batch in (1, 64)
        },
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporters' remarks about themselves are not for the user; what matters is checked afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
