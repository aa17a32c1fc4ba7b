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


def __getattr__(name: str) -> Any:
    if name in __all__:
        from importlib import import_module

        return getattr(import_module("headstart.api"), name)
    raise AttributeError(f"module 'headstart' has no attribute '{name}'")
