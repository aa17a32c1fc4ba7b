"""Headstart: how well does a plain CNN do on my images, how should it be tuned, and what is a pretrained head start worth?

    import headstart
    finding = headstart.compare("photos/", time_limit="5m")
    print(finding["verdict"]["sentence"])

The functions and the command line have the same verbs and the same keys; nothing heavy is imported before it is needed. The verb
`report` is `headstart.api.report`, because `headstart.report` is the room of that name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headstart import api as api
    from headstart import data as data
    from headstart import deploy as deploy
    from headstart import errors as errors
    from headstart import progress as progress
    from headstart import report as report
    from headstart.api import (
        ImageClassifier,
        backbones,
        compare,
        effects,
        explain,
        export,
        labels,
        load,
        load_classifier,
        lr,
        predict,
        repeat,
        runs,
        serve,
        split,
        submit,
        train,
        tune,
    )

__all__ = [
    "ImageClassifier",
    "backbones",
    "compare",
    "effects",
    "explain",
    "export",
    "labels",
    "load",
    "load_classifier",
    "lr",
    "predict",
    "repeat",
    "runs",
    "serve",
    "split",
    "submit",
    "train",
    "tune",
]

_ROOMS = ("api", "data", "deploy", "errors", "progress", "report")  # those that are used by name, as headstart.progress


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in __all__:
        return getattr(import_module("headstart.api"), name)
    if name in _ROOMS:
        return import_module(f"headstart.{name}")
    raise AttributeError(f"module 'headstart' has no attribute '{name}'")
