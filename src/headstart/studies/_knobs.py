"""The knobs of a recipe, and what each may be turned to, one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from headstart.errors import InputError, did_you_mean
from headstart.models import is_backbone
from headstart.models.recipes import Recipe, keys_of, make_recipe

Change = tuple[str, Any, dict[str, Any]]  # label, value, and the keys that change


def _choices(key: str, values: tuple[Any, ...]) -> Callable[[Recipe], list[Change]]:
    def found(recipe: Recipe) -> list[Change]:
        usual = value_of(recipe, key)
        return [(f"{key} {value}", value, {key: value}) for value in values if value != usual]

    return found


def _steps(key: str, least: int, *, double: bool) -> Callable[[Recipe], list[Change]]:
    """One step down and one up: half and double, or one less and one more."""

    def found(recipe: Recipe) -> list[Change]:
        usual = value_of(recipe, key)
        beside = (usual // 2, usual * 2) if double else (usual - 1, usual + 1)
        return [(f"{key} {value}", value, {key: value}) for value in beside if value >= least]

    return found


def _augmentation(recipe: Recipe) -> list[Change]:
    some = {"shift": 0.08, "rotation": 8.0, "zoom": 0.08}
    is_on = any(value_of(recipe, key) for key in some)
    shift: Change = ("shift, rotation, zoom", "some", some)
    if is_on:
        shift = ("no shift, rotation or zoom", "none", dict.fromkeys(some, 0.0))
    cutout = 0.0 if recipe.cutout else 0.3
    flip = not recipe.flip
    return [
        shift,
        (f"cutout {cutout:g}", cutout, {"cutout": cutout}),
        ("mirrored" if flip else "not mirrored", flip, {"flip": flip}),
    ]


KNOBS: dict[str, Callable[[Recipe], list[Change]]] = {
    "dropout": _choices("dropout", (0.0, 0.2, 0.5)),
    "l2": _choices("l2", (0.0, 1e-4, 1e-3)),
    "layers": _steps("layers", 1, double=False),
    "nodes": _steps("nodes", 4, double=True),
    "activation": _choices("activation", ("relu", "tanh", "gelu")),
    "batch": _steps("batch", 8, double=True),
    "optimizer": _choices("optimizer", ("adam", "sgd", "rmsprop", "muon")),
    "augmentation": _augmentation,
    "label_smoothing": _choices("label_smoothing", (0.0, 0.1)),
    "schedule": _choices("schedule", ("constant", "cosine", "linear")),
}
USUAL_KNOBS = (
    "dropout",
    "l2",
    "layers",
    "nodes",
    "activation",
    "batch",
    "optimizer",
    "augmentation",
)


def value_of(recipe: Recipe, key: str) -> Any:
    """Of the recipe or its network; None where neither has it."""
    return (
        getattr(recipe, key, None)
        if key in type(recipe).model_fields
        else getattr(recipe.net, key, None)
    )


def knobs_of(model: str, names: tuple[str, ...] | None) -> tuple[str, ...]:
    """The knobs that this model has, of those named; all usual ones where none are.

    Raises:
        InputError: an unknown knob, or one that this model lacks.
    """
    known = keys_of(model, {"optimizer": "sgd"})
    has = [
        name
        for name in KNOBS
        if name in known or (name == "augmentation" and not is_backbone(model))
    ]
    if names is None:
        return tuple(name for name in USUAL_KNOBS if name in has)
    for name in names:
        if name not in KNOBS:
            raise InputError(
                f"there is no knob '{name}'{did_you_mean(name, list(KNOBS))}",
                f"Knobs: {', '.join(KNOBS)}.",
            )
        if name not in has:
            raise InputError(f"model {model} has no {name}.", f"Its knobs: {', '.join(has)}.")
    if not names:
        raise InputError(
            "--of is empty, but wanted are knobs.", f"Knobs of {model}: {', '.join(has)}."
        )
    return tuple(dict.fromkeys(names))


def turned(recipe: Recipe, change: dict[str, Any], given: dict[str, Any], preset: str) -> Recipe:
    """The recipe with some keys changed, all else as decided for it: another optimizer comes with its own usual rate.

    Args:
        recipe: with everything decided.
        given: the values that the user gave.
    """
    decided = {"batch": recipe.batch, "epochs": recipe.epochs, "flip": recipe.flip}
    own = {key: value for key, value in given.items() if value is not None}
    if "optimizer" in change:
        own = {key: value for key, value in own.items() if key not in ("lr", "momentum")}
    known = keys_of(recipe.model, {"optimizer": "sgd", "transfer": value_of(recipe, "transfer")})
    return make_recipe(
        recipe.model,
        {key: value for key, value in {**decided, **own, **change}.items() if key in known},
        preset,
    )
