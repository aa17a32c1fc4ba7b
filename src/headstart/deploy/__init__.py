"""The way out: a finished run predicts, for files, tables and other programs.

Belongs here: opening what is to be judged as the training images were opened, predictions, exports. Does not: what a network
computes (training, models), decoders (data), how an answer looks on a terminal or a page (report).

Nothing heavy is imported before it is needed; torch not at all where an ONNX file predicts.
"""

from typing import TYPE_CHECKING, Any

from headstart.deploy._images import named_sources, open_images
from headstart.deploy._model import Form, Model, Predictions, need_classifier, open_model
from headstart.deploy._predict import predict, write_predictions
from headstart.deploy._submit import submit

if TYPE_CHECKING:
    from headstart.deploy._export import export

__all__ = [
    "Form",
    "Model",
    "Predictions",
    "export",
    "named_sources",
    "need_classifier",
    "open_images",
    "open_model",
    "predict",
    "submit",
    "write_predictions",
]


def __getattr__(name: str) -> Any:
    if name == "export":  # it needs torch
        from headstart.deploy._export import export

        return export
    raise AttributeError(name)
