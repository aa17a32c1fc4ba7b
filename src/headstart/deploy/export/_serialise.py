"""Serialisation of a classifier as ONNX or as a `torch.export` program, and how to run it."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import Dim

from headstart import __version__, progress
from headstart.classifier import ENSEMBLE_FORMAT, FORMAT, BaseClassifier, Classifier, Ensemble
from headstart.deploy.export._network import EnsembleNetwork, Network
from headstart.deploy.export._onnx import INPUT, OUTPUTS, missing_packages, open_session
from headstart.deploy.export._parity import Outputs, PredictFunction

OPSET = 20
_ATEN = torch.ops.aten
_NOT_IN_PLACE = {
    _ATEN.relu_.default: _ATEN.relu.default,
    _ATEN.relu6_.default: _ATEN.relu6.default,
    _ATEN.hardtanh_.default: _ATEN.hardtanh.default,
    _ATEN.silu_.default: _ATEN.silu.default,
    _ATEN.hardswish_.default: _ATEN.hardswish.default,
}


def to_onnx(classifier: BaseClassifier) -> bytes:
    """Return the content of an ONNX file.

    Raises:
        ResourceError: The packages for ONNX are not installed.
    """
    try:
        import onnxscript  # noqa: F401  # torch's exporter needs it, with a less clear error
    except ImportError:
        raise missing_packages() from None

    progress.say("translating the network to ONNX")
    with _quiet():
        exported = torch.onnx.export(
            _program(classifier),
            input_names=[INPUT],
            output_names=list(OUTPUTS),
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )
    assert exported is not None
    model = exported.model_proto
    _remove_notes(model.graph)
    for key, value in _metadata(classifier).items():
        model.metadata_props.add(key=key, value=value)
    content: bytes = model.SerializeToString()
    return content


def to_torch(classifier: BaseClassifier) -> bytes:
    """Return the content of a `torch.export` program."""
    program = _program(classifier)
    program.example_inputs = None  # torch would write them as a pickle
    files = {f"{key}.txt": value for key, value in _metadata(classifier).items()}
    buffer = io.BytesIO()
    with _quiet():
        torch.export.save(program, buffer, extra_files=files)
    return buffer.getvalue()


def predict_with_onnx(content: bytes, name: str) -> PredictFunction:
    """Return a function that predicts with the content of an ONNX file."""
    session = open_session(content, name)

    def predict(images: NDArray[np.uint8]) -> Outputs:
        probabilities, energy_scores = session.run(list(OUTPUTS), {INPUT: images})
        return Outputs(probabilities, energy_scores)

    return predict


def predict_with_torch(content: bytes) -> PredictFunction:
    """Return a function that predicts with the content of a `torch.export` program."""
    with _quiet():
        network = torch.export.load(io.BytesIO(content)).module()

    def predict(images: NDArray[np.uint8]) -> Outputs:
        with torch.no_grad():
            probabilities, energy_scores = network(torch.from_numpy(images))
        return Outputs(probabilities.numpy(), energy_scores.numpy())

    return predict


def _program(classifier: BaseClassifier) -> torch.export.ExportedProgram:
    """Return the classifier as a graph that accepts any number of images."""
    height, width, channels = classifier.image_shape
    images = torch.zeros(2, height, width, channels, dtype=torch.uint8)
    network: nn.Module
    if isinstance(classifier, Ensemble):
        network = EnsembleNetwork(classifier)
    else:
        assert isinstance(classifier, Classifier)
        network = Network(classifier)
    with torch.no_grad():
        program = torch.export.export(
            network.eval(), (images,), dynamic_shapes={"images": {0: Dim("batch")}}
        )
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # it names files of this machine
    _replace_in_place(program)
    return program


def _replace_in_place(program: torch.export.ExportedProgram) -> None:
    """Replace activations that overwrite their input by those that do not.

    The exporter takes long for the former: 19 seconds of processor time for EfficientNet-Lite0,
    instead of 5.
    """
    for node in program.graph.nodes:
        if node.target not in _NOT_IN_PLACE:
            continue
        source = node.args[0]
        is_fresh = isinstance(source.target, torch._ops.OpOverload) and all(
            returned.alias_info is None for returned in source.target._schema.returns
        )
        if is_fresh and len(source.users) == 1:  # nothing else would see the change
            node.target = _NOT_IN_PLACE[node.target]
    program.graph_module.recompile()


def _remove_notes(graph: Any) -> None:
    """Remove notes that name files of this machine, and call the first dimension `batch`."""
    for item in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""
    del graph.value_info[:]  # intermediate shapes, which runtimes infer
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def _metadata(classifier: BaseClassifier) -> dict[str, str]:
    """Return what a program needs besides the network; values are JSON or plain text."""
    metadata = classifier.metadata
    ood, set_scores, training = metadata.ood_threshold, metadata.set_scores, metadata.training
    optional = {} if ood is None else {"unfamiliar_limits": ood.model_dump_json()}
    if classifier.costs is not None:
        optional["costs"] = json.dumps(classifier.costs.tolist())
    return {
        **optional,
        "headstart": __version__,
        "format": str(ENSEMBLE_FORMAT if isinstance(classifier, Ensemble) else FORMAT),
        "model": classifier.model_name,
        "class_names": json.dumps(classifier.class_names, ensure_ascii=False),
        "image_shape": json.dumps(classifier.image_shape),
        "preprocessing": metadata.preprocessing.model_dump_json(),
        "temperature": json.dumps(metadata.temperature),
        "unfamiliar_below": json.dumps(None if ood is None else ood.threshold),
        "unfamiliar_outside_brightness": json.dumps(None if ood is None else ood.brightness),
        "prediction_sets": "null" if set_scores is None else set_scores.model_dump_json(),
        "training": "null" if training is None else training.model_dump_json(),
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide warnings and logs of the exporters: the parity check covers what matters to a user."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(logging.NOTSET)
