"""The effects study: one knob at a time around a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.data import Dataset, Split, SplitDataset
from headstart.errors import InputError
from headstart.models import MODELS
from headstart.models.recipes import make_recipe, resolve, with_depth
from headstart.studies import EffectStudy, _effects, effects
from headstart.studies._grid import Variant
from headstart.studies._knobs import changed_recipe, changes_of, knobs_of


def quick(*of: str, **changes: Any) -> EffectStudy:
    given: dict[str, Any] = {
        "model": "mlp",
        "of": of,
        "seeds": 2,
        "values": {"epochs": 3.0, "batch": 32, "nodes": 64},
    }
    return EffectStudy(**{**given, **changes})


def test_a_knob_that_hurts_is_found_and_each_turn_changes_nothing_else(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    finding = effects(
        quick(
            "dropout",
            "nodes",
            values={"epochs": 12.0, "batch": 16, "nodes": 8, "lr": 0.01, "optimizer": "adam"},
        ),
        SplitDataset(digits, small),
        tmp_path / "study",
    )
    assert finding == json.loads((tmp_path / "study" / "finding.json").read_text())
    found = {one["label"]: one for one in finding["effects"]}
    assert list(found) == ["dropout 0.0", "dropout 0.5", "nodes 4", "nodes 16"]
    assert found["dropout 0.5"]["kind"] == found["nodes 4"]["kind"] == "hurts"
    assert found["nodes 4"]["difference"] < 0 and found["nodes 4"]["interval"][1] < 0
    assert "nodes 4" in finding["sentence"].split(" hurt")[0]
    for one in finding["effects"]:
        recipe = json.loads((tmp_path / "study" / one["runs"][0] / "recipe.json").read_text())[
            "recipe"
        ]
        flat, base = (
            {**of, **of["net"], "net": None} for of in (recipe, finding["baseline"]["recipe"])
        )
        assert [key for key in base if flat[key] != base[key]] == [one["knob"]]


@pytest.mark.parametrize("model", MODELS)
def test_every_turn_of_every_model_is_a_recipe(model: str) -> None:
    base = with_depth(
        resolve(make_recipe(model, {"epochs": 2.0}), 5000, ("shirt", "coat")), (28, 28, 1)
    )
    for knob in knobs_of(model, None):
        for _, _, change in changes_of(base, knob):
            recipe = changed_recipe(base, change, {"epochs": 2.0}, "balanced")
            assert set(recipe.changes_from(base)) >= set(change), knob
            assert recipe.epochs == base.epochs


def test_another_optimizer_comes_with_its_own_usual_rate() -> None:
    base = resolve(make_recipe("cnn"), 5000, ("1", "2"))
    assert changed_recipe(base, {"optimizer": "adam"}, {"lr": 0.3}, "balanced").lr == 1e-3
    assert changed_recipe(base, {"dropout": 0.2}, {"lr": 0.3}, "balanced").lr == 0.3


def test_a_depth_that_was_left_open_is_turned_from_what_it_comes_to(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    asked = EffectStudy("cnn", ("layers",), 1, None, {"epochs": 1.0, "nodes": 8})
    finding = effects(asked, SplitDataset(digits, small), tmp_path / "study")
    assert [(one["label"], one["baseline_value"]) for one in finding["effects"]] == [
        ("layers 2", 1)
    ], "one is the least"
    assert any("One seed" in note for note in finding["notes"])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (quick("dropuot"), "did you mean 'dropout'"),
        (EffectStudy("efficientnet-lite0", ("layers",)), "has no layers"),
        (quick(), "--of is empty"),
        (quick("dropout", seeds=0), "--seeds is 0"),
        (
            quick("dropout", values={"nodes": -3}),
            "invalid nodes: expected a value greater than or equal to 1, got -3",
        ),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_work(asked: EffectStudy, message: str) -> None:
    with pytest.raises(InputError, match=message):
        asked.check()


def test_curves_of_seeds_that_stopped_at_different_epochs_are_read_as_far_as_all_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    columns = ("train_accuracy", "validation_accuracy", "validation_loss")

    def curves(run: Path) -> dict[str, Any]:
        epochs = int(run.name)
        return {"epoch": np.arange(epochs), **{name: np.full(epochs, 0.5) for name in columns}}

    monkeypatch.setattr(_effects, "read_curves", curves)
    fit = _effects._fit(Variant("one", make_recipe("mlp"), runs={0: Path("3"), 1: Path("5")}))
    assert fit is not None and fit["train_accuracy"] == 0.5
