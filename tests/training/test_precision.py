"""The precision of a run is decided once, recorded in its plan, and followed ever after."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headstart.classifier import DecidedPrecision, load_network
from headstart.data import Dataset, Split, SplitDataset
from headstart.models.recipes import Recipe, make_recipe
from headstart.training import TrainingJob, train
from headstart.training._checkpoints import Checkpoints
from headstart.training._state import TrainingState


class Killed(BaseException):
    """Stands for a kill: nothing that follows runs."""


@pytest.fixture
def recipe() -> Recipe:
    return make_recipe("cnn", {"epochs": 1, "batch": 64, "nodes": 8})


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def plan(run: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((run / "plan.json").read_text())
    return content


def let_machine_decide(precision: DecidedPrecision, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "headstart.training._planned_run.decide_precision",
        lambda requested: precision if requested == "auto" else requested,
    )


def kill_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """End training as a kill would, after so many steps; every step is checkpointed."""
    left = [steps]

    def save_then_die(self: Checkpoints, state: TrainingState) -> None:
        self.save(state)
        left[0] -= 1
        if not left[0]:
            raise Killed

    monkeypatch.setattr(Checkpoints, "save_if_due", save_then_die)


@pytest.mark.parametrize(("first", "later"), [("bfloat16", "float32"), ("float32", "bfloat16")])
def test_a_resumed_run_keeps_the_precision_of_its_plan(
    first: DecidedPrecision,
    later: DecidedPrecision,
    recipe: Recipe,
    digits: Dataset,
    small: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = SplitDataset(digits, small)
    let_machine_decide(first, monkeypatch)
    train(TrainingJob(recipe, data, 0, tmp_path / "whole"))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(2, patch)
        train(TrainingJob(recipe, data, 0, tmp_path / "killed"))

    let_machine_decide(later, monkeypatch)
    assert train(TrainingJob(recipe, data, 0, tmp_path / "killed")).resumed
    train(TrainingJob(recipe, data, 0, tmp_path / "repeated", repeat=tmp_path / "whole"))
    train(TrainingJob(recipe, data, 0, tmp_path / "other"))
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    assert weights(tmp_path / "repeated") == weights(tmp_path / "whole")
    assert weights(tmp_path / "other") != weights(tmp_path / "whole")
    assert [plan(tmp_path / run)["precision"] for run in ("killed", "repeated", "other")] == [
        first,
        first,
        later,
    ]


def test_a_study_decides_for_its_runs(
    recipe: Recipe,
    digits: Dataset,
    small: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    let_machine_decide("float32", monkeypatch)
    data = SplitDataset(digits, small)
    train(TrainingJob(recipe, data, 0, tmp_path / "run", precision="bfloat16"))
    assert plan(tmp_path / "run")["precision"] == "bfloat16"
    explicit = make_recipe("cnn", {"epochs": 1, "batch": 64, "nodes": 8, "precision": "bfloat16"})
    train(TrainingJob(explicit, data, 0, tmp_path / "explicit"))
    assert weights(tmp_path / "run") == weights(tmp_path / "explicit")


def test_a_recipe_that_names_its_precision_is_not_overruled(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    recipe = make_recipe("mlp", {"epochs": 1, "precision": "float32"})
    job = TrainingJob(recipe, SplitDataset(digits, small), 0, tmp_path, precision="bfloat16")
    train(job)
    assert plan(tmp_path)["precision"] == "float32"


def test_results_keep_the_precision_that_was_requested(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    recipe = make_recipe("mlp", {"epochs": 1})
    train(TrainingJob(recipe, SplitDataset(digits, small), 0, tmp_path, precision="bfloat16"))
    assert load_network(tmp_path).recipe.precision == "auto"
    assert read_recipe_precision(tmp_path / "recipe.json") == "auto"


def read_recipe_precision(path: Path) -> str:
    precision: str = json.loads(path.read_text())["recipe"]["precision"]
    return precision
