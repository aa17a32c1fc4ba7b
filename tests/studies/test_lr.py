"""The learning-rate study: which rates are as good, where training breaks, and what a time limit costs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.data import Dataset, Split, SplitDataset, make_split
from headstart.errors import InputError, RunFailed
from headstart.studies import RateStudy, lr
from headstart.studies._grid import Grid, Variant
from headstart.studies._lr import PUBLISHED_RATES

SMALL = {"epochs": 3.0, "batch": 32, "nodes": 64}


def quick(*rates: float, **changes: Any) -> RateStudy:
    given: dict[str, Any] = {
        "model": "mlp",
        "rates": rates,
        "seeds": 2,
        "values": {"optimizer": "adam", **SMALL},
    }
    return RateStudy(**{**given, **changes})


def test_the_grid_always_holds_the_published_rates_and_the_recipes_own() -> None:
    for model, own in (("mlp", 0.08), ("cnn", 0.12), ("cnn-scenes", 1e-4)):
        rates = RateStudy(model).all_rates()
        assert set(PUBLISHED_RATES) <= set(rates)
        assert min(abs(math.log10(rate / own)) for rate in rates) < 0.1
        assert max(rates) > own
    assert RateStudy("mlp", values={"lr": 0.02}).all_rates().count(0.02) == 1


def test_the_best_rate_is_chosen_on_validation_and_the_others_are_tested_against_it(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    finding = lr(quick(1e-5, 1e-2, 2e-2), SplitDataset(digits, small), tmp_path / "study")
    assert finding == json.loads((tmp_path / "study" / "finding.json").read_text())
    low, middle, high = finding["rates"]
    losses = [rate["validation"]["loss"]["mean"] for rate in finding["rates"]]
    assert finding["best"] == finding["rates"][losses.index(min(losses))]["lr"]
    assert (
        not low["as_good"]
        and low["difference"]["difference"] < -0.2
        and low["difference"]["p_adjusted"] < 0.05
    )
    assert middle["as_good"] and high["as_good"] and finding["good"]["decades"] == 0.3
    assert len(low["test"]["accuracy"]["per_seed"]) == 2
    assert (
        low["test"]["accuracy"]["low"]
        <= low["test"]["accuracy"]["mean"]
        <= low["test"]["accuracy"]["high"]
    )
    assert finding["test_reads"] == 6
    assert f"is {finding['best']:g}" in finding["sentence"]
    assert len(finding["range_test"]["repeats"]) == 3


def test_rates_that_break_training_are_the_border(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    values = {"epochs": 3.0, "batch": 32, "optimizer": "sgd", "momentum": 0.9}
    finding = lr(
        quick(0.05, 30.0, 90.0, values=values), SplitDataset(digits, small), tmp_path / "study"
    )
    assert (finding["best"], finding["diverges_from"]) == (0.05, 30.0)
    broken = finding["rates"][2]
    assert broken["broke"] and (
        broken["diverged"] or broken["validation"]["loss"]["mean"] > math.log(10)
    )
    assert "from 30 on training breaks down" in finding["sentence"]


def test_where_no_rate_learns_it_says_so(digits: Dataset, small: Split, tmp_path: Path) -> None:
    finding = lr(quick(1e-9, 1e-8, seeds=1), SplitDataset(digits, small), tmp_path / "study")
    assert finding["best"] is None and "learnt nothing" in finding["sentence"]
    values = {"epochs": 3.0, "optimizer": "sgd", "momentum": 0.99, "batch": 16}
    with pytest.raises(RunFailed, match="no run of the study finished"):
        lr(
            quick(99.0, 100.0, seeds=1, values=values),
            SplitDataset(digits, small),
            tmp_path / "none",
        )


def test_runs_of_another_study_are_taken_over(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    lr(quick(1e-3, 1e-2), SplitDataset(digits, small), tmp_path / "one")
    finding = lr(quick(1e-3, 1e-2, 3e-2), SplitDataset(digits, small), tmp_path / "two")
    old, new = (
        tmp_path / of / "runs" / "lr-0.001-seed1" / "environment.json" for of in ("one", "two")
    )
    assert new.read_bytes() == old.read_bytes()
    assert new.stat().st_mtime >= old.stat().st_mtime and not new.is_symlink()
    assert len(finding["rates"]) == 3


def test_a_time_limit_costs_seeds_first_then_half_decades_then_length(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.studies._grid.expected_seconds", lambda *_: 10.0)
    monkeypatch.setattr("headstart.studies._grid._REPORT_SECONDS", 0.0)
    grids = []

    def stop(grid: Any, *_: Any) -> None:
        grids.append(grid)
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.studies._lr.run_grid", stop)
    for number, limit in enumerate((400, 170, 120, 60, 30)):
        asked = RateStudy("mlp", None, 3, float(limit), {"epochs": 4.0, "optimizer": "adam"})
        with pytest.raises(KeyboardInterrupt):
            lr(asked, SplitDataset(digits, small), tmp_path / str(number))
    shown = [
        (len(grid.seeds), len(grid.variants), grid.variants[0].recipe.epochs) for grid in grids
    ]
    assert [row[:2] for row in shown] == [(3, 7), (2, 7), (2, 4), (1, 4), (1, 4)]
    assert [row[2] for row in shown[:4]] == [4.0] * 4 and 1 < shown[4][2] < 4
    assert (
        "allows 2 seeds of 3" in grids[1].notes[0]
        and "Left out for the time limit" in grids[2].notes[1]
    )
    with pytest.raises(InputError, match=r"leaves .* epochs for each of 4 runs"):
        lr(
            RateStudy("mlp", None, 3, 5.0, {"epochs": 4.0, "optimizer": "adam"}),
            SplitDataset(digits, small),
            tmp_path / "short",
        )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (quick(0.1), "needs two or more"),
        (quick(0.1, 0.01, seeds=0), "--seeds is 0"),
        (quick(0.1, 1000.0), "invalid lr: expected a value less than or equal to 100, got 1000"),
        (quick(0.1, 0.01, model="mpl"), "no model 'mpl'"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_any_work(asked: RateStudy, message: str) -> None:
    with pytest.raises(InputError, match=message):
        asked.check()


def test_validation_judges_where_there_is_no_test(digits: Dataset, tmp_path: Path) -> None:
    finding = lr(
        quick(1e-3, 1e-2, seeds=1),
        SplitDataset(digits, make_split(digits, test=0, train_images=300)),
        tmp_path / "study",
    )
    assert (finding["judged_on"], finding["test_reads"], finding["rates"][0]["test"]) == (
        "validation",
        0,
        None,
    )
    assert any("One seed" in note for note in finding["notes"])


def test_a_study_that_takes_over_an_unanswered_one_makes_its_own_plan(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("headstart.studies._lr.run_grid", stop)
        lr(quick(1e-5, 1e-4), SplitDataset(digits, small), tmp_path / "study")
    finding = lr(quick(1e-2, 2e-2), SplitDataset(digits, small), tmp_path / "study")
    assert [rate["lr"] for rate in finding["rates"]] == [0.01, 0.02]


def test_a_rate_that_failed_with_one_seed_costs_the_others_no_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.studies._grid.read_correct", lambda *_: np.ones(5, bool))
    recipe = quick(0.1).recipe()
    whole, broken = Variant("whole", recipe), Variant("broken", recipe, failures={1: "not finite"})
    whole.runs, broken.runs = {0: tmp_path, 1: tmp_path}, {0: tmp_path}
    correct = Grid([whole, broken], (0, 1)).correct("test")
    assert list(correct) == ["whole"] and correct["whole"].shape == (2, 5)
