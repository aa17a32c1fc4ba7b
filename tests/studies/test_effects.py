"""The study of effects: one hyper-parameter of a recipe changes at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest

from headstart.data import Dataset, Split, SplitDataset
from headstart.errors import InputError
from headstart.models import MODELS
from headstart.models.recipes import make_recipe, resolve, with_depth
from headstart.results import EffectResult, read_finding
from headstart.studies import EffectsConfig, _effects, run_study
from headstart.studies._grid import Variant
from headstart.studies._knobs import changed_recipe, changes_of, knobs_of
from headstart.training import read_curves


def quick(*names: str, **changes: Any) -> EffectsConfig:
    config: dict[str, Any] = {
        "model": "mlp",
        "hyperparameters": names,
        "seeds": 2,
        "values": {"epochs": 3.0, "batch": 32, "nodes": 64},
    }
    return EffectsConfig(**{**config, **changes})


def test_a_change_that_hurts_is_significant_and_changes_nothing_else(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    values = {"epochs": 12.0, "batch": 16, "nodes": 8, "lr": 0.01, "optimizer": "adam"}
    data = SplitDataset(digits, small)
    finding = run_study(quick("dropout", "nodes", values=values), data, tmp_path / "study")
    assert finding == read_finding(tmp_path / "study")

    effects = {effect.label: effect for effect in finding.effects}
    assert list(effects) == ["dropout 0.0", "dropout 0.5", "nodes 4", "nodes 16"]
    # With two runs at 63% and 76%, the baseline is too uncertain to also show that dropout hurts.
    assert effects["nodes 4"].outcome == "hurts"
    assert (effects["dropout 0.5"].difference or 0.0) < -0.2
    fewer_nodes = effects["nodes 4"]
    assert fewer_nodes.difference is not None
    assert fewer_nodes.interval is not None
    assert fewer_nodes.difference < 0
    assert fewer_nodes.interval[1] < 0
    assert "nodes 4" in finding.sentence.split(" hurt")[0]

    # Half of the nodes are dropped in training, but not where the fit is diagnosed.
    run = tmp_path / "study" / effects["dropout 0.5"].runs[0]
    during_training = read_curves(run)["train_accuracy"][-1]
    fit = effects["dropout 0.5"].fit
    assert fit is not None
    assert fit.train_accuracy > during_training + 0.05

    base = flat(finding.baseline.recipe)
    for effect in finding.effects:
        path = tmp_path / "study" / effect.runs[0] / "recipe.json"
        recipe = flat(json.loads(path.read_text())["recipe"])
        changed = [key for key in base if recipe[key] != base[key]]
        assert changed == [effect.hyperparameter]


def flat(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a recipe and its network on one level."""
    return {**recipe, **recipe["net"], "net": None}


@pytest.mark.parametrize("model", MODELS)
def test_every_change_of_every_model_is_a_recipe(model: str) -> None:
    recipe = resolve(make_recipe(model, {"epochs": 2.0}), 5000)
    base = with_depth(recipe, (28, 28, 1))
    for name in knobs_of(model, None):
        for change in changes_of(base, name):
            changed = changed_recipe(base, change.keys, {"epochs": 2.0}, "balanced")
            assert set(changed.changes_from(base)) >= set(change.keys), name
            assert changed.epochs == base.epochs


def test_another_optimizer_comes_with_its_own_usual_rate() -> None:
    base = resolve(make_recipe("cnn"), 5000)
    assert changed_recipe(base, {"optimizer": "adam"}, {"lr": 0.3}, "balanced").lr == 1e-3
    assert changed_recipe(base, {"dropout": 0.2}, {"lr": 0.3}, "balanced").lr == 0.3


def test_a_depth_that_was_left_open_is_changed_from_its_default(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    config = EffectsConfig("cnn", ("layers",), 1, None, {"epochs": 1.0, "nodes": 8})
    finding = run_study(config, SplitDataset(digits, small), tmp_path / "study")
    changes = [(effect.label, effect.baseline_value) for effect in finding.effects]
    assert changes == [("layers 2", 1)], "one layer is the minimum"
    assert any("One seed" in note for note in finding.notes)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (quick("dropuot"), "did you mean 'dropout'"),
        (EffectsConfig("efficientnet-lite0", ("layers",)), "has no layers"),
        (quick(), "--of is empty"),
        (quick("dropout", seeds=0), "invalid --seeds 0"),
        (quick("dropout", values={"nodes": -3}), "nodes"),
    ],
)
def test_an_invalid_configuration_is_refused_before_any_work(
    config: EffectsConfig, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        config.check()


def test_curves_of_different_lengths_are_read_as_far_as_the_shortest_goes(
    digits: Dataset, small: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = ("validation_accuracy", "validation_loss")

    def curves(run: Path) -> dict[str, Any]:
        epochs = int(run.name)
        return {"epoch": np.arange(epochs), **{name: np.full(epochs, 0.5) for name in columns}}

    monkeypatch.setattr(_effects, "read_curves", curves)
    halves = np.array([True, False])
    monkeypatch.setattr(_effects, "training_correct", lambda *_: halves)
    variant = Variant("one", make_recipe("mlp"), runs={0: Path("3"), 1: Path("5")})
    diagnosis = _effects._diagnosis(variant, SplitDataset(digits, small))
    assert diagnosis is not None
    assert diagnosis.train_accuracy == 0.5


def test_the_sentence_says_what_each_change_does() -> None:
    effects = [
        effect_result("dropout 0.5", "hurts", -0.08),
        effect_result("nodes 16", "helps", 0.03),
        effect_result("l2 0.1", "undecided", 0.001, interval=(-0.009, 0.011)),
        effect_result("l2 0.2", "undecided", -0.005, interval=(-0.023, 0.013)),
        effect_result("batch 8", "failed", None),
    ]
    assert _effects._sentence(effects, make_recipe("mlp"), "test") == (
        "Changes of the mlp recipe, on test images: nodes 16 (+3.0 points) helps; "
        "dropout 0.5 (-8.0 points) hurts; no significant effect of l2 0.1, l2 0.2 (95% intervals: "
        "at most 2.3 points in either direction); batch 8 failed."
    )


@pytest.mark.parametrize(
    ("intervals", "note"),
    [
        ([(-0.009, 0.011), (-0.02, 0.0)], []),
        ([(-0.051, -0.0007), (-0.02, 0.0)], ["l2 0 is undecided"]),
        ([(-0.051, -0.0007), (0.001, 0.02)], ["l2 0 and l2 1 are undecided"]),
    ],
)
def test_an_undecided_change_without_zero_in_its_interval_is_explained(
    intervals: Sequence[tuple[float, float]], note: Sequence[str]
) -> None:
    effects = [
        effect_result(f"l2 {number}", "undecided", 0.01, interval)
        for number, interval in enumerate(intervals)
    ]
    effects.append(effect_result("batch 8", "failed", None))
    notes = _effects._correction_note(effects)
    assert [text.partition(",")[0] for text in notes] == note
    assert all(text.endswith("corrected for all 3 changes.") for text in notes)


def test_the_sentence_says_that_nothing_was_changed() -> None:
    assert _effects._sentence([], make_recipe("mlp"), "test") == (
        "The time limit left no time for a change of the mlp recipe."
    )


def effect_result(
    label: str,
    outcome: Literal["helps", "hurts", "undecided", "failed"],
    difference: float | None,
    interval: tuple[float, float] | None = None,
) -> EffectResult:
    return EffectResult(
        hyperparameter=label.split()[0],
        value=1,
        label=label,
        baseline_value=0,
        accuracy=None,
        loss=None,
        difference=difference,
        interval=interval,
        p_adjusted=None,
        smallest_detectable=None,
        outcome=outcome,
        runs=(),
        failures=(),
        fit=None,
    )
