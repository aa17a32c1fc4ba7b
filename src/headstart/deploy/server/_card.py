"""What a server says of its model: the facts that its run left, and what can be done with it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from headstart import store
from headstart.classifier import Classifier
from headstart.deploy._model import Model
from headstart.deploy.server._drawing import LEAST_SIDE_WITH_MARGIN_PX, can_be_drawn
from headstart.models.recipes import are_characters


def card(run: Path, model: Model) -> dict[str, Any]:
    """The card as plain values; what the run's folder does not hold, as where its classifier alone was copied, is null.

    Returns:
        `run`, `model`, `classes`, `image_shape`, `resize`, `parameters`, `seed`, `epochs`, `data` (`name`, `train_images`),
        `test` and `validation` (`accuracy`, `interval`, `n`), `drawing` ("mnist", "box" or null), `explains`.
    """
    metrics, data = (
        store.read_json_or(run / name, {}) if run.is_dir() else {}
        for name in ("metrics.json", "data.json")
    )
    known = model.metadata.training if isinstance(model, Classifier) else None
    train = (data.get("parts") or {}).get("train") or {}
    return {
        "run": run.name or str(run),
        "model": model.recipe.model if isinstance(model, Classifier) else metrics.get("model"),
        "classes": list(model.class_names),
        "image_shape": list(model.image_shape),
        "resize": model.preprocessing.resize,
        "parameters": metrics.get("parameters"),
        "seed": metrics.get("seed"),
        "epochs": known.epochs if known else metrics.get("epochs"),
        "data": {
            "name": known.dataset if known else data.get("name"),
            "train_images": known.train_images if known else train.get("images"),
        },
        "test": _score(metrics.get("test"), known.test_accuracy if known else None),
        "validation": _score(
            metrics.get("validation"), known.validation_accuracy if known else None
        ),
        "drawing": _drawing(model),
        "explains": isinstance(model, Classifier)
        and importlib.util.find_spec("captum") is not None,
    }


def _drawing(model: Model) -> str | None:
    if not can_be_drawn(model.image_shape):
        return None
    return (
        "mnist"
        if are_characters(model.class_names)
        and min(model.image_shape[:2]) >= LEAST_SIDE_WITH_MARGIN_PX
        else "box"
    )


def _score(found: dict[str, Any] | None, known: float | None) -> dict[str, Any] | None:
    if found is None and known is None:
        return None
    return {key: (found or {"accuracy": known}).get(key) for key in ("accuracy", "interval", "n")}
