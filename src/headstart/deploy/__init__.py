"""The way out: a finished run predicts, for files, tables and other programs, and says why.

Belongs here: opening what is to be judged as the training images were opened, predictions, exports, the server. Does not: what a
network computes (training, models), decoders (data), how an answer looks on a terminal or a page (report).

Nothing heavy is imported before it is needed; torch not at all where an ONNX file predicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart._lazy import door
from headstart.deploy._images import named_sources, open_images
from headstart.deploy._model import Form, Model, Predictions, RunModel, need_classifier, open_model
from headstart.deploy._predict import predict, predict_pixels, write_predictions
from headstart.deploy._submit import submit

if TYPE_CHECKING:
    from headstart.deploy._explain import Explanation, explain
    from headstart.deploy._export import export
    from headstart.deploy._serve import serve
    from headstart.deploy._worst_errors import explain_errors

_LAZY = {  # these need torch
    "Explanation": "_explain",
    "explain": "_explain",
    "explain_errors": "_worst_errors",
    "export": "_export",
    "serve": "_serve",
}

__all__ = [
    "Explanation",
    "Form",
    "Model",
    "Predictions",
    "RunModel",
    "explain",
    "explain_errors",
    "export",
    "named_sources",
    "need_classifier",
    "open_images",
    "open_model",
    "predict",
    "predict_pixels",
    "serve",
    "submit",
    "write_predictions",
]

__getattr__ = door(__name__, _LAZY)
