"""Search spaces: from files and functions, checked before anything is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headstart.errors import InputError
from headstart.models import MODELS
from headstart.models.recipes import (
    PRESETS,
    default_space,
    make_iterative_recipe,
    resolve,
    with_depth,
)
from headstart.studies import read_space
from headstart.studies.tune._space import DefaultSampler, make_space

TOML = (
    "lr = {low = 1e-4, high = 1e-1, log = true}\nnodes = [32, 64]\nlayers = {low = 1, high = 3}\n"
)
YAML = "lr: {low: 0.0001, high: 0.1, log: true}\nnodes: [32, 64]\nlayers: {low: 1, high: 3}\n"


@pytest.mark.parametrize(
    ("name", "text"), [("space.toml", TOML), ("space.yaml", YAML), ("space.yml", YAML)]
)
def test_a_space_is_read_from_a_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert read_space(tmp_path / name) == {
        "lr": {"low": 1e-4, "high": 0.1, "log": True},
        "nodes": [32, 64],
        "layers": {"low": 1, "high": 3},
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("space.json", "{}", "expected a .toml or .yaml file, got '.json'"),
        ("space.toml", "lr = [", "cannot read"),
        ("space.yaml", "- 1\n- 2\n", "contains no hyper-parameters"),
        ("space.toml", "", "contains no hyper-parameters"),
    ],
)
def test_a_file_that_is_no_space_is_an_error(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_space(tmp_path / name)
    with pytest.raises(InputError, match=r"cannot read .*: No such file"):
        read_space(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"learning_rte": [0.1]}, "model mlp has no hyper-parameter 'learning_rte' to search"),
        ({"epochs": [1, 2]}, "all recipes of a study get the same budget"),
        ({"nodes": [32, -1]}, "invalid nodes: expected a value greater than or equal to 1, got -1"),
        ({"lr": {"low": 0.1, "high": 0.01}}, "invalid range of 'lr'"),
        ({"lr": {"low": 0, "high": 0.1, "log": True}}, "invalid range of 'lr'"),
        ({"lr": {"low": 0.01, "top": 0.1}}, "invalid range of 'lr'"),
        ({"optimizer": []}, "invalid choices of 'optimizer'"),
        ({"batch": [32]}, "both fixed at 64 and in the search space"),
    ],
)
def test_a_bad_space_is_refused_before_any_work(given: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_space("mlp", given, {"batch": 64})


@pytest.mark.parametrize("model", MODELS)
def test_every_model_has_a_space_of_its_own_that_holds_what_the_usual_notebooks_vary(
    model: str,
) -> None:
    space: dict[str, Any] = default_space(with_depth(make_iterative_recipe(model), (28, 28, 1)))
    make_space(model, space, {})
    assert space["lr"]["low"] <= 1e-4 and space["lr"]["high"] >= 1e-1
    assert {"adam", "sgd", "rmsprop"} <= set(space["optimizer"])
    if model in ("mlp", "cnn"):
        assert {32, 64, 128, 256, 512} <= set(space["nodes"]) and {"relu", "tanh", "gelu"} <= set(
            space["activation"]
        )
        assert {"layers", "l2", "dropout", "batch"} <= set(space)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "model", ["mlp", "cnn", "efficientnet-lite0", "cnn-fashion", "cnn-fashion-small", "cnn-scenes"]
)
def test_the_models_own_space_holds_the_very_recipe_that_the_search_starts_from(
    model: str, preset: str
) -> None:
    if preset != "balanced" and model.startswith("cnn-"):
        pytest.skip("published networks have no presets")
    recipe = with_depth(resolve(make_iterative_recipe(model, None, preset), 50_000), (28, 28, 1))
    extras = () if model == "efficientnet-lite0" else ("augmentation", "label_smoothing")
    space, defaults = make_space(model, default_space(recipe, extras), {}), DefaultSampler(recipe)
    assert space.draw(defaults) == {key: recipe.flat()[key] for key in defaults.drawn}


def test_extras_come_on_request_where_the_model_has_them() -> None:
    assert {"shift", "rotation", "label_smoothing"} <= set(
        default_space(make_iterative_recipe("mlp"), ("augmentation", "label_smoothing"))
    )
    with pytest.raises(InputError, match="does not use augmentation"):
        default_space(make_iterative_recipe("efficientnet-lite0"), ("augmentation",))
    with pytest.raises(InputError, match="did you mean 'augmentation'"):
        default_space(make_iterative_recipe("mlp"), ("augmentatoin",))


def test_the_defaults_are_drawn_as_near_as_the_space_allows() -> None:
    recipe = make_iterative_recipe("mlp", {"batch": 100})
    space = make_space(
        "mlp",
        {
            "lr": {"low": 0.01, "high": 0.1},
            "batch": [32, 128],
            "nodes": [64, 1024],
            "activation": ["tanh"],
        },
        {},
    )
    defaults = DefaultSampler(recipe)
    assert (
        space.draw(defaults)
        == defaults.drawn
        == {"lr": 0.08, "batch": 128, "nodes": 64, "activation": "tanh"}
    )
