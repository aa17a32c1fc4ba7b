"""What a server says of its model: the facts that its run left, and what can be done with it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from headstart import store
from headstart.deploy._drawing import can_be_drawn
from headstart.deploy._model import Model, RunModel
from headstart.training import are_characters


def card(run: Path, model: Model) -> dict[str, Any]:
    """The card as plain values; what the run's folder no longer holds is null.

    Returns:
        `run`, `model`, `classes`, `image_shape`, `resize`, `parameters`, `seed`, `epochs`, `data` (`name`, `train_images`),
        `test` and `validation` (`accuracy`, `interval`, `n`), `drawing` ("mnist", "box" or null), `explains`.
    """
    metrics, data = (store.read_json_or(run / name, {}) for name in ("metrics.json", "data.json"))
    train = (data.get("parts") or {}).get("train") or {}
    height, width, _ = model.image_shape
    drawing = (
        ("mnist" if are_characters(model.class_names) and min(height, width) >= 20 else "box")
        if can_be_drawn(model.image_shape)
        else None
    )
    return {
        "run": run.name or str(run),
        "model": metrics.get("model"),
        "classes": list(model.class_names),
        "image_shape": list(model.image_shape),
        "resize": model.resize,
        "parameters": metrics.get("parameters"),
        "seed": metrics.get("seed"),
        "epochs": metrics.get("epochs"),
        "data": {"name": data.get("name"), "train_images": train.get("images")},
        "test": _score(metrics.get("test")),
        "validation": _score(metrics.get("validation")),
        "drawing": drawing,
        "explains": isinstance(model, RunModel) and importlib.util.find_spec("captum") is not None,
    }


def _score(found: dict[str, Any] | None) -> dict[str, Any] | None:
    return found and {key: found.get(key) for key in ("accuracy", "interval", "n")}
