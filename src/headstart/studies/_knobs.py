"""The hyper-parameters that `effects` changes one at a time, and the values it changes them to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from headstart.errors import InputError, did_you_mean
from headstart.models import Neighbours, is_backbone
from headstart.models.recipes import Recipe, all_options, keys_of, make_recipe, recipe_options

AUGMENTATION = "augmentation"
# Changed by default, in this order.
USUAL_KNOBS = (
    "dropout",
    "l2",
    "layers",
    "nodes",
    "activation",
    "batch",
    "optimizer",
    AUGMENTATION,
)
_SOME_AUGMENTATION = {"shift": 0.08, "rotation": 8.0, "zoom": 0.08}
_SOME_CUTOUT = 0.3


class Change(NamedTuple):
    """One change of a recipe."""

    label: str
    value: Any
    keys: Mapping[str, object]


def changes_of(recipe: Recipe, knob: str) -> list[Change]:
    """Return the changes of one hyper-parameter around a recipe.

    Args:
        recipe: The recipe, with everything decided.
        knob: A name that `knobs_of` returned for its model.
    """
    if knob == AUGMENTATION:
        return _augmentation(recipe)
    effects = recipe_options(recipe.model)[knob].effects
    usual = value_of(recipe, knob)
    if isinstance(effects, Neighbours):
        neighbours = (usual // 2, usual * 2) if effects.doubled else (usual - 1, usual + 1)
        values = [value for value in neighbours if value >= effects.least]
    else:
        values = [value for value in effects or () if value != usual]
    return [Change(f"{knob} {value}", value, {knob: value}) for value in values]


def _augmentation(recipe: Recipe) -> list[Change]:
    """Return augmentation as a whole switched on or off, and cutout and mirroring one at a time."""
    is_on = any(value_of(recipe, key) for key in _SOME_AUGMENTATION)
    if is_on:
        off = dict.fromkeys(_SOME_AUGMENTATION, 0.0)
        shift = Change("no shift, rotation or zoom", "none", off)
    else:
        shift = Change("shift, rotation, zoom", "some", dict(_SOME_AUGMENTATION))
    cutout = 0.0 if recipe.cutout else _SOME_CUTOUT
    flip = not recipe.flip
    return [
        shift,
        Change(f"cutout {cutout:g}", cutout, {"cutout": cutout}),
        Change("mirrored" if flip else "not mirrored", flip, {"flip": flip}),
    ]


def value_of(recipe: Recipe, key: str) -> Any:
    """Return an option of the recipe or its network; None where neither has it."""
    if key in type(recipe).model_fields:
        return getattr(recipe, key, None)
    return getattr(recipe.net, key, None)


def knobs_of(model: str, names: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the named hyper-parameters, or without names the usual ones that this model has.

    Raises:
        InputError: A name is unknown, or this model does not have the hyper-parameter.
    """
    own = _own_knobs(model)
    if names is None:
        return tuple(name for name in USUAL_KNOBS if name in own)
    if not names:
        raise InputError(
            "--of is empty: expected one or more hyper-parameters.",
            f"Use some of {', '.join(own)}.",
        )
    for name in names:
        if name not in _all_knobs():
            raise InputError(
                f"unknown hyper-parameter '{name}'{did_you_mean(name, _all_knobs())}",
                f"Use some of {', '.join(own)}.",
            )
        if name not in own:
            raise InputError(f"model {model} has no {name}.", f"Use some of {', '.join(own)}.")
    return tuple(dict.fromkeys(names))


def _all_knobs() -> list[str]:
    """Return the name of every hyper-parameter that the study can change: the usual ones first."""
    others = [key for key, option in all_options().items() if option.effects is not None]
    return list(dict.fromkeys([*USUAL_KNOBS, *others]))


def _own_knobs(model: str) -> list[str]:
    known = keys_of(model, {"optimizer": "sgd"})
    if not is_backbone(model):
        known.add(AUGMENTATION)
    return [name for name in _all_knobs() if name in known]


def changed_recipe(
    recipe: Recipe, change: Mapping[str, object], given: Mapping[str, object], preset: str
) -> Recipe:
    """Return the recipe with some keys changed and everything else as it was decided.

    Another optimizer comes with its own usual learning rate.

    Args:
        recipe: The recipe, with everything decided.
        change: The keys that change, and their values.
        given: The values that the user gave.
        preset: The preset that the user gave.
    """
    decided = {"batch": recipe.batch, "epochs": recipe.epochs, "flip": recipe.flip}
    explicit = {key: value for key, value in given.items() if value is not None}
    if "optimizer" in change:
        for key in ("lr", "momentum"):
            explicit.pop(key, None)
    transfer = value_of(recipe, "transfer")
    known = keys_of(recipe.model, {"optimizer": "sgd", "transfer": transfer})
    values = {**decided, **explicit, **change}
    return make_recipe(
        recipe.model,
        {key: value for key, value in values.items() if key in known},
        preset,
    )
