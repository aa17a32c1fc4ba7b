"""Contenders by name: a model, model:preset, a recipe in a JSON file, or a finished run."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart import store
from headstart.errors import InputError
from headstart.models import MODELS, TRANSFER_MODES, is_backbone
from headstart.models.recipes import Recipe, keys_of, make_recipe
from headstart.training import read_recipe_file, read_run


@dataclass(frozen=True)
class FinishedRun:
    """A finished run that enters a comparison.

    Attributes:
        folder: The run folder.
        seed: The seed of the run.
    """

    folder: Path
    seed: int


@dataclass(frozen=True)
class NamedContender:
    """A recipe under a name.

    Attributes:
        name: The name, unique among the contenders.
        recipe: The recipe.
        run: The finished run that the name refers to; None if the recipe is still to be trained.
    """

    name: str
    recipe: Recipe
    run: FinishedRun | None = None


def make_contenders(names: Sequence[str], values: Mapping[str, Any]) -> list[NamedContender]:
    """Return the contenders with these names.

    Args:
        names: Models, `model:preset`, paths of recipe files, or folders of finished runs.
        values: Recipe values for all contenders. A value that only some models have applies to
            those.

    Raises:
        InputError: A name is missing, repeated or unknown, a value is invalid, a run is not
            finished, or a file does not hold a recipe.
    """
    if len(set(names)) < len(names) or not names:
        raise InputError(
            f"invalid --models {','.join(names) or '(empty)'}: each contender must appear once.",
            "Example: --models cnn,mlp",
        )

    models = [name for name in names if _is_model(name)]
    contenders = [_make_contender(name, values, models) for name in names]
    folders = [folder_name(contender.name) for contender in contenders]
    if len(set(folders)) < len(folders):
        repeated = max(folders, key=folders.count)
        raise InputError(
            f"two contenders have the name {repeated}.", "Rename one of their folders."
        )
    return contenders


def check_models(names: Sequence[str], values: Mapping[str, Any]) -> None:
    """Check the names of models and the recipe values, without reading a file or a run.

    Args:
        names: Names of contenders, as `make_contenders` takes them. Paths are left to it.
        values: Recipe values for all contenders.

    Raises:
        InputError: A model is unknown, or a value is invalid.
    """
    models = [name for name in names if _is_model(name)]
    for name in models:
        _make_contender(name, values, models)


def folder_name(name: str) -> str:
    """Return the name of a contender in a form that is valid as a file name."""
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", name).strip("-")


def _is_model(name: str) -> bool:
    """Return True if the name is that of a model, not a path.

    A folder with the name of a model is written with its path, such as ./cnn.
    """
    if has_model_name(name):
        return True
    return not ((Path(name) / "recipe.json").exists() or name.endswith(".json"))


def has_model_name(name: str) -> bool:
    """Return whether a contender has the name of a known model, such as cnn or cnn:fast."""
    model = name.partition(":")[0]
    return model in MODELS or is_backbone(model)


def _make_contender(name: str, values: Mapping[str, Any], models: list[str]) -> NamedContender:
    if _is_model(name):
        model, _, preset = name.partition(":")
        recipe = make_recipe(model, _applicable_values(name, values, models), preset or "balanced")
        return NamedContender(name, recipe)

    path = Path(name)
    if path.is_dir():
        run = read_run(path)
        if not (path / "metrics.json").exists():
            raise InputError(
                f"the run in {path} is not finished.", "Finish it first, or enter its recipe.json."
            )
        store.require_intact(path, "comparisons")
        store.note_if_unsealed(path)
        return NamedContender(_run_name(path), run.recipe, FinishedRun(path, run.seed))

    # The study decides how long its runs take, not the recipe of an earlier run.
    recipe = read_recipe_file(path).model_copy(update={"time_limit": None})
    parent = path.parent.name if path.name == "recipe.json" else ""
    return NamedContender(parent or path.stem, recipe)


def _run_name(run: Path) -> str:
    """Return the name of a run: its folder, or that of the `fit` whose classifier it is."""
    is_of_fit = run.name == "classifier" and (run.parent / "study.json").exists()
    return run.resolve().parent.name if is_of_fit else run.name


def _applicable_values(
    name: str, values: Mapping[str, Any], models: list[str]
) -> dict[str, object]:
    """Return the values that this contender has.

    A key that no contender has is kept, so that `make_recipe` raises an error that names it.
    """
    own = _keys(name, values)
    known = set[str]().union(*(_keys(model, values) for model in models))
    return {key: value for key, value in values.items() if key in own or key not in known}


def _keys(name: str, values: Mapping[str, Any]) -> set[str]:
    model, _, way = name.partition(":")
    return keys_of(model, {**values, "transfer": way} if way in TRANSFER_MODES else values)
