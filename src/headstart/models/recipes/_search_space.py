"""The default search space of `tune`, from the metadata of the recipe's fields.

It is written as users write their own: a list of choices, or a range {low, high}, with `log = true`
to draw the logarithm uniformly.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.errors import InputError, suggest_name
from headstart.models._option_metadata import Option, Range, Space
from headstart.models.recipes._option_list import recipe_options
from headstart.models.recipes._recipe import Recipe
from headstart.models.recipes._resolve import keys_of

# The order in which values are drawn decides what a seed draws. Keys that are not listed come last.
_ORDER = (
    "lr",
    "layers",
    "layer_decay",
    "nodes",
    "activation",
    "dropout",
    "shift",
    "rotation",
    "zoom",
    "cutout",
    "label_smoothing",
    "l2",
    "optimizer",
    "batch",
)


def default_space(recipe: Recipe, extras: tuple[str, ...] = ()) -> dict[str, object]:
    """Return what a search around this recipe varies by default.

    Choices include the recipe's own value.

    Args:
        recipe: The recipe to start from. A depth that it leaves open is not varied: see
            `with_depth`.
        extras: Groups that are varied on request: "augmentation", "label_smoothing".

    Raises:
        InputError: An extra is unknown, or the model does not have its options.
    """
    options = recipe_options(recipe.model)
    own = recipe.flat()
    kind = _search_kind(recipe)

    fixed: dict[str, Space | None] = {}
    relative: dict[str, Space | None] = {}
    for key in sorted(options, key=_position):
        search = options[key].search
        if isinstance(search, Mapping):
            fixed[key] = search.get(kind)
        elif callable(search):
            relative[key] = search(own[key])
        else:
            fixed[key] = search

    spaces = {key: space for key, space in {**fixed, **relative}.items() if space is not None}
    for extra in extras:
        spaces |= _extra_spaces(extra, recipe, options)
    return {key: _as_json(space, own.get(key)) for key, space in spaces.items()}


def _position(key: str) -> int:
    return _ORDER.index(key) if key in _ORDER else len(_ORDER)


def _search_kind(recipe: Recipe) -> str:
    """Return the kind of model by which `Option.search` distinguishes."""
    if not recipe.net.is_backbone:
        return recipe.model if recipe.model in ("mlp", "cnn") else "published"
    return "head" if recipe.on_features else str(recipe.flat()["transfer"])


def _extra_spaces(extra: str, recipe: Recipe, options: Mapping[str, Option]) -> dict[str, Space]:
    """Return the spaces of one group of options that are varied on request.

    Raises:
        InputError: The group is unknown, or the model does not have its options.
    """
    groups: dict[str, dict[str, Space]] = {}
    for key in sorted(options, key=_position):
        also = options[key].also
        if also is not None:
            group, choices = also
            groups.setdefault(group, {})[key] = choices

    if extra not in groups:
        raise InputError(
            f"unknown group '{extra}' to search: {suggest_name(extra, list(groups))}",
            "Example: --also augmentation",
        )
    if not set(groups[extra]) <= keys_of(recipe.model, recipe.net.model_dump()):
        raise InputError(
            f"model {recipe.model} does not use {extra.replace('_', ' ')}.",
            "Leave it out of --also.",
        )
    return groups[extra]


def _as_json(space: Space, own: Any) -> Any:
    """Return a space as users write it; choices include the recipe's own value."""
    if isinstance(space, Range):
        return space.as_json()
    choices = list(space)
    if own is None or own in choices:
        return choices
    with_own = [*choices, own]
    return sorted(with_own) if isinstance(own, int | float) else with_own
