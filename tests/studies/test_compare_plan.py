"""A comparison with a plan: each contender is trained with it and without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import headstart
from headstart.api._runs import reopen_run
from headstart.data import Dataset, PlanRow, load, make_split, write_plan

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def source(digits: Dataset, tmp_path: Path) -> Path:
    """Return an .npz with 120 digits, some of them with wrong labels, and a plan beside it."""
    labels = digits.labels[:120].copy()
    wrong = np.arange(0, 120, 9)
    labels[wrong] = (labels[wrong] + 1) % 10
    path = tmp_path / "digits.npz"
    np.savez(path, images=digits.images[:120], labels=labels)

    dataset = load(path)
    rows = [
        PlanRow(dataset.image_names[row], "relabel", str(labels[row]), str(digits.labels[row]))
        for row in wrong.tolist()
    ]
    rows.append(PlanRow(dataset.image_names[1], "drop", str(labels[1])))
    write_plan(tmp_path / "plan.csv", rows)
    return path


def test_compare_trains_with_and_without_the_plan(source: Path, headstart: Command) -> None:
    plan = source.with_name("plan.csv")
    words = ("compare", source, "--models", "mlp", "--seeds", 2, "--epochs", 1)
    options = ("--time-limit", "none", "--plan", plan, "--out", "study", "--json")
    status, printed, err = headstart(*words, *options)
    assert status == 0, err
    finding = json.loads(printed)

    names = {contender["name"]: contender for contender in finding["contenders"]}
    assert set(names) == {"mlp", "mlp (without the plan)"}
    assert {finding["verdict"]["pairs"][0][side] for side in "ab"} == set(names)
    assert any("without the plan" in note for note in finding["verdict"]["notes"])
    assert finding["dataset"]["plan"]["relabelled"] == 14
    assert "images are left out of the evaluation, because plan.csv changes them" in err

    folder = Path("study")
    with_plan, without = (
        [json.loads((folder / run / "data.json").read_text()) for run in names[name]["runs"]]
        for name in ("mlp", "mlp (without the plan)")
    )
    assert [about["plan"]["dropped"] for about in with_plan] == [1, 1]
    assert [about["plan"] for about in without] == [None, None]
    for part in ("test", "validation"):
        assert with_plan[0]["parts"][part] == without[0]["parts"][part]
    trained = [about[0]["parts"]["train"]["images"] for about in (with_plan, without)]
    assert trained[1] - trained[0] in (0, 1)

    def test_rows(run: str) -> list[list[str]]:
        lines = (folder / run / "predictions.csv").read_text().splitlines()
        return [line.split(",")[1:4] for line in lines]  # image, part, label

    assert test_rows(names["mlp"]["runs"][0]) == test_rows(
        names["mlp (without the plan)"]["runs"][0]
    )


def test_runs_of_both_sides_can_be_opened_again(source: Path, tmp_path: Path) -> None:
    plan = str(source.with_name("plan.csv"))
    result = headstart.compare(
        source, models="mlp", seeds=1, epochs=1, time_limit=None, plan=plan, out=tmp_path / "study"
    )
    for contender in result.finding.contenders:
        _, opened = reopen_run(result.folder / contender.runs[0], None)
        assert (opened.dataset.plan is None) == ("without" in contender.name)


def test_a_plan_that_removes_a_class_is_compared_without_the_other_side(
    source: Path, tmp_path: Path
) -> None:
    dataset = load(source)
    rows = np.flatnonzero(dataset.labels == 3).tolist()
    plan = tmp_path / "drop.csv"
    write_plan(plan, [PlanRow(dataset.image_names[row], "drop") for row in rows])
    result = headstart.compare(
        source, models="mlp", seeds=1, epochs=1, time_limit=None, plan=str(plan), out=tmp_path / "s"
    )
    assert [contender.name for contender in result.finding.contenders] == ["mlp"]
    assert result.finding.dataset.classes == 9


def test_without_a_plan_the_identity_of_a_comparison_is_what_it_was(digits: Dataset) -> None:
    from headstart.data import SplitDataset
    from headstart.studies import ComparisonConfig

    config = ComparisonConfig(("mlp",), (0,), None, {})
    assert set(config.as_json()) == {"models", "seeds", "time_limit", "values"}
    data = SplitDataset(digits, make_split(digits))
    changed = ComparisonConfig(("mlp",), (0,), None, {}, data)
    assert changed.as_json()["without_plan"] == data.split.fingerprint
