"""The verbs as Python functions: same words, same keys, same results as the command line's `--json`.

Does not belong here: anything that decides what a verb means; this room opens data, names folders and calls the room that knows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.api._common import load, seconds, split
from headstart.api._datasets import datasets, get_dataset
from headstart.api._explain import explain
from headstart.api._results import Backbones, Comparison, Effects, LabelCurves, Rates, Run, Search
from headstart.api._runs import load_classifier, network, repeat, runs, train
from headstart.api._serve import serve
from headstart.api._studies import DEFAULT_MODELS, backbones, compare, effects, labels, lr, report, tune
from headstart.api._use import export, predict, submit

if TYPE_CHECKING:
    from headstart.api._estimator import ImageClassifier

__all__ = [
    "DEFAULT_MODELS",
    "Backbones",
    "Comparison",
    "Effects",
    "ImageClassifier",
    "LabelCurves",
    "Rates",
    "Run",
    "Search",
    "backbones",
    "compare",
    "datasets",
    "effects",
    "explain",
    "export",
    "get_dataset",
    "labels",
    "load",
    "load_classifier",
    "lr",
    "network",
    "predict",
    "repeat",
    "report",
    "runs",
    "seconds",
    "serve",
    "split",
    "submit",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    if name == "ImageClassifier":  # with scikit-learn: a second
        from headstart.api._estimator import ImageClassifier

        return ImageClassifier
    raise AttributeError(f"module 'headstart.api' has no attribute '{name}'")
