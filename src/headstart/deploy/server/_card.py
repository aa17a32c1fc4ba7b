"""The model card: the facts that `/model` and the page show."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from headstart import store
from headstart.classifier import BaseClassifier
from headstart.deploy._model import Model
from headstart.deploy.server._drawing import SMALLEST_WITH_MARGIN_PX, accepts_drawings
from headstart.formatting import training_length
from headstart.models.recipes import are_characters
from headstart.results import JsonObject, count_solved_heads


def model_card(run: Path, model: Model) -> JsonObject:
    """Return the card as plain values.

    Facts that are not in the run folder are null, for example if only the classifier was copied.

    Returns:
        `run`, `model`, `classes`, `image_shape`, `resize`, `parameters`, `seed`, `epochs`,
        `training` (the length in words), `data` (`name`, `train_images`), `test` and `validation`
        (`accuracy`, `interval`, `n`, `groups`), `drawing` ("mnist", "box" or null), `explains`.
    """
    metrics: dict[str, Any] = {}
    data: dict[str, Any] = {}
    if run.is_dir():
        metrics = store.read_json_or(run / "metrics.json", {})
        data = store.read_json_or(run / "data.json", {})
    name = metrics.get("model")
    epochs = metrics.get("epochs")
    dataset = data.get("name")
    train_images = ((data.get("parts") or {}).get("train") or {}).get("images")
    test_accuracy = validation_accuracy = None

    # A classifier knows its own training, also without the rest of its run.
    if isinstance(model, BaseClassifier):
        name = model.model_name
        training = model.metadata.training
        if training is not None:
            epochs = training.epochs
            dataset, train_images = training.dataset, training.train_images
            test_accuracy = training.test_accuracy
            validation_accuracy = training.validation_accuracy

    return {
        "run": run.name or str(run),
        "model": name,
        "classes": list(model.class_names),
        "image_shape": list(model.image_shape),
        "resize": model.preprocessing.resize,
        "parameters": metrics.get("parameters"),
        "seed": metrics.get("seed"),
        "epochs": epochs,
        "training": _training_words(epochs, metrics),
        "data": {"name": dataset, "train_images": train_images},
        "test": _scores(metrics.get("test"), test_accuracy),
        "validation": _scores(metrics.get("validation"), validation_accuracy),
        "drawing": _drawing_kind(model),
        "explains": isinstance(model, BaseClassifier) and _is_captum_installed(),
    }


def _training_words(epochs: float | None, metrics: dict[str, Any]) -> str | None:
    """Return the length of training and the seed in words; an ensemble has no seed of its own."""
    if epochs is None:
        return None
    members = metrics.get("members") or []
    recipes = [member["recipe"] for member in members]
    solved_heads = count_solved_heads(metrics.get("recipe") or {}, recipes)
    length = training_length(epochs, solved_heads)
    return length if members or metrics.get("seed") is None else f"{length}, seed {metrics['seed']}"


def _is_captum_installed() -> bool:
    return importlib.util.find_spec("captum") is not None


def _drawing_kind(model: Model) -> str | None:
    """Return how drawings are placed: "mnist" with a margin, "box" without, None if refused."""
    if not accepts_drawings(model.image_shape):
        return None
    has_margin = min(model.image_shape[:2]) >= SMALLEST_WITH_MARGIN_PX
    return "mnist" if has_margin and are_characters(model.class_names) else "box"


def _scores(metrics: JsonObject | None, accuracy: float | None) -> JsonObject | None:
    """Return the scores of a split, or only its accuracy if there are no metrics."""
    if metrics is None and accuracy is None:
        return None
    scores = metrics or {"accuracy": accuracy}
    return {key: scores.get(key) for key in ("accuracy", "interval", "n", "groups")}
