"""Contenders by name: a model, model:preset, a recipe in a JSON file, or a finished run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.errors import InputError
from headstart.models import MODELS, TRANSFER_MODES, is_backbone
from headstart.models.recipes import Recipe, keys_of, make_recipe
from headstart.training import read_recipe_file, read_run


@dataclass(frozen=True)
class Contender:
    """A recipe under a name; `run` is the folder and seed of the finished run that it is, if it is one."""

    name: str
    recipe: Recipe
    run: tuple[Path, int] | None = None


def contenders(names: Sequence[str], values: Mapping[str, Any]) -> list[Contender]:
    """What these names name.

    Args:
        values: recipe keys for all models; a key that only some have goes to those.

    Raises:
        InputError: none, one twice, an unknown model or preset, a key that no model has, a bad value, an unfinished run,
            a file that holds no recipe.
    """
    if len(set(names)) < len(names) or not names:
        raise InputError(
            f"--models is {','.join(names) or 'empty'}, but each contender must appear once.",
            "Example: --models cnn,mlp",
        )
    models = [name for name in names if _is_model(name)]
    found = [_contender(name, values, models) for name in names]
    called = [folder_name(one.name) for one in found]
    if len(set(called)) < len(called):
        raise InputError(
            f"two contenders are called {max(called, key=called.count)}.",
            "Rename one of the folders.",
        )
    return found


def folder_name(name: str) -> str:
    """A contender's name, fit for a file name."""
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", name).strip("-")


def _is_model(name: str) -> bool:
    """Whether a contender's name names a model, not a path. A folder called as a model is ./cnn."""
    model = name.partition(":")[0]
    return (
        model in MODELS
        or is_backbone(model)
        or not ((Path(name) / "recipe.json").exists() or name.endswith(".json"))
    )


def _contender(name: str, values: Mapping[str, Any], models: list[str]) -> Contender:
    model, _, preset = name.partition(":")
    if _is_model(name):
        return Contender(
            name, make_recipe(model, _values_for(name, values, models), preset or "balanced")
        )
    path = Path(name)
    if path.is_dir():
        about = read_run(path)
        if not (path / "metrics.json").exists():
            raise InputError(
                f"{path} holds a run that is not finished.",
                "Finish it first, or enter its recipe.json.",
            )
        return Contender(path.name, about.recipe, (path, about.seed))
    called = path.parent.name if path.name == "recipe.json" else ""
    recipe = read_recipe_file(path).model_copy(
        update={"time_limit": None}
    )  # the study decides how long its runs are
    return Contender(called or path.stem, recipe)


def _values_for(name: str, values: Mapping[str, Any], models: list[str]) -> dict[str, Any]:
    """The given values that this contender has. One that no contender has is an error, raised by `make_recipe`."""
    own, known = _keys(name, values), set.union(*(_keys(each, values) for each in models))
    return {key: value for key, value in values.items() if key in own or key not in known}


def _keys(name: str, values: Mapping[str, Any]) -> set[str]:
    model, _, way = name.partition(":")
    return keys_of(model, {**values, **({"transfer": way} if way in TRANSFER_MODES else {})})
