"""The hyper-parameters that a search varies by default, beside the recipes that it starts from. Plain data: no torch here.

Written as users write their own: a list of choices, or a range {low, high} with `log = true` for an even spread of magnitudes.
"""

from __future__ import annotations

from typing import Any

from headstart.errors import InputError, suggest_name
from headstart.models import CnnOptions
from headstart.models.recipes._recipe import Recipe, keys_of

_RATE = {"low": 1e-4, "high": 1e-1, "log": True}
_OPTIMIZERS = ["adam", "sgd", "rmsprop"]
_L2 = [0.0, 1e-5, 1e-4, 1e-3]
_DROPOUT = [0.0, 0.1, 0.2, 0.3, 0.5]
_NODES = [32, 64, 128, 256, 512]
_ACTIVATIONS = ["relu", "tanh", "gelu"]
# Learning rate, depth, width, activation, L2, dropout, optimizer and batch: what the usual notebooks on digits and clothes vary.
_SPACES: dict[str, dict[str, Any]] = {
    "mlp": {
        "lr": {**_RATE, "high": 1.0},  # muon's own is 0.08
        "layers": {"low": 1, "high": 4},
        "nodes": _NODES,
        "activation": _ACTIVATIONS,
        "dropout": _DROPOUT,
        "l2": _L2,
        "optimizer": ["muon", *_OPTIMIZERS],
        "batch": [32, 64, 128, 256],
    },
    "cnn": {
        "lr": {**_RATE, "high": 1.0},  # muon's own is 0.12
        "nodes": [16, *_NODES],
        "activation": _ACTIVATIONS,
        "dropout": _DROPOUT,
        "l2": _L2,
        "optimizer": ["muon", *_OPTIMIZERS],
        "batch": [64, 128, 256, 512],
    },
}
_OF_HEADS: dict[str, Any] = {
    "lr": _RATE,
    "dropout": _DROPOUT,
    "l2": _L2,
    "optimizer": _OPTIMIZERS,
    "batch": [64, 128, 256, 512],
}
_OF_WHOLE_BACKBONES: dict[str, Any] = {
    "lr": {"low": 1e-4, "high": 1e-2, "log": True},
    "layer_decay": [0.5, 0.6, 0.7, 0.8, 0.9, 1.0],
    "dropout": _DROPOUT,
    "shift": [0.0, 0.06, 0.12],
    "label_smoothing": [0.0, 0.1],
}
_OF_OTHERS: dict[str, Any] = {
    "lr": _RATE,
    "dropout": _DROPOUT,
    "l2": _L2,
    "optimizer": _OPTIMIZERS,
    "batch": [32, 64, 128, 256],
}
_EXTRAS: dict[str, dict[str, Any]] = {
    "augmentation": {
        "shift": [0.0, 0.05, 0.1],
        "rotation": [0.0, 5.0, 10.0, 15.0],
        "zoom": [0.0, 0.1],
        "cutout": [0.0, 0.25, 0.4],
    },
    "label_smoothing": {"label_smoothing": [0.0, 0.05, 0.1, 0.2]},
}


def default_space(recipe: Recipe, extras: tuple[str, ...] = ()) -> dict[str, Any]:
    """What a search around this recipe varies unless told otherwise; lists of choices hold the recipe's own value.

    Args:
        recipe: where the depth of a cnn is left open, it is not varied: `with_depth`.
        extras: "augmentation", "label_smoothing": varied on request.

    Raises:
        InputError: no such extra, or one that means nothing for this model.
    """
    model = recipe.model
    known = keys_of(model, recipe.net.model_dump())
    found = dict(_space_of(recipe))
    if (
        isinstance(recipe.net, CnnOptions)
        and recipe.net.layers is not None
        and recipe.net.layers > 1
    ):
        found["layers"] = {"low": max(1, recipe.net.layers - 2), "high": recipe.net.layers}
    for extra in extras:
        if extra not in _EXTRAS:
            raise InputError(
                f"there is nothing called '{extra}' to search: {suggest_name(extra, list(_EXTRAS))}",
                "Example: --also augmentation",
            )
        if not set(_EXTRAS[extra]) <= known:
            raise InputError(
                f"model {model} takes no {extra.replace('_', ' ')}.", "Leave it out of --also."
            )
        found |= _EXTRAS[extra]
    flat = recipe.flat()
    return {key: _with_own(choice, flat.get(key)) for key, choice in found.items()}


def _space_of(recipe: Recipe) -> dict[str, Any]:
    if recipe.net.is_backbone:
        learns_alike = recipe.net.is_scratch_control  # all layers at one rate
        whole = {
            key: choice
            for key, choice in _OF_WHOLE_BACKBONES.items()
            if not (learns_alike and key == "layer_decay")
        }
        return _OF_HEADS if recipe.on_features else whole
    return _SPACES.get(recipe.model, _OF_OTHERS)


def _with_own(choice: Any, own: Any) -> Any:
    if not isinstance(choice, list) or own is None or own in choice:
        return choice
    return sorted([*choice, own]) if isinstance(own, int | float) else [*choice, own]
