"""The study of learning rates: the good range, where training diverges, and time limits."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.data import Dataset, Split, SplitDataset, make_split
from headstart.errors import InputError, RunFailed
from headstart.results import LearningRateRange, LearningRateResult, read_finding
from headstart.studies import LearningRatesConfig, run_study
from headstart.studies._grid import Grid, Variant
from headstart.studies._lr import PUBLISHED_RATES
from headstart.studies._lr_range_tests import summarise_range_tests
from headstart.studies._lr_sentences import _divergence_sentence, _range_sentence
from headstart.training import RangeTest

SMALL = {"epochs": 3.0, "batch": 32, "nodes": 64}


def quick(*rates: float, **changes: Any) -> LearningRatesConfig:
    config: dict[str, Any] = {
        "model": "mlp",
        "rates": rates,
        "seeds": 2,
        "values": {"optimizer": "adam", **SMALL},
    }
    return LearningRatesConfig(**{**config, **changes})


@pytest.fixture
def data(digits: Dataset, small: Split) -> SplitDataset:
    return SplitDataset(digits, small)


def test_the_grid_always_holds_the_published_rates_and_the_recipes_own() -> None:
    for model, own in (("mlp", 0.08), ("cnn", 0.12), ("cnn-scenes", 1e-4)):
        rates = LearningRatesConfig(model).all_rates()
        assert set(PUBLISHED_RATES) <= set(rates)
        assert min(abs(math.log10(rate / own)) for rate in rates) < 0.1
        assert max(rates) > own
    assert LearningRatesConfig("mlp", values={"lr": 0.02}).all_rates().count(0.02) == 1


def test_the_best_rate_is_selected_on_validation_and_the_others_are_tested_against_it(
    data: SplitDataset, tmp_path: Path
) -> None:
    finding = run_study(quick(3e-4, 1e-2, 2e-2, seeds=3), data, tmp_path / "study")
    assert finding == read_finding(tmp_path / "study")
    losses = [rate.validation.loss.mean for rate in finding.rates if rate.validation]
    assert finding.best == finding.rates[losses.index(min(losses))].lr

    low, middle, high = finding.rates
    assert low.difference is not None
    assert not low.as_good
    assert low.difference.difference < -0.2
    assert low.difference.p_adjusted is not None
    assert low.difference.p_adjusted < 0.05
    assert low.difference.interval[1] < 0
    assert middle.as_good
    assert high.as_good
    assert finding.good is not None
    assert (finding.good.low, finding.good.high, finding.good.decades) == (0.01, 0.02, 0.3)
    assert finding.good.largest_loss is not None
    assert "Rates from 0.01 to 0.02 are not significantly worse (0.3 decades)" in finding.sentence
    loss = r"(they lose at most|a loss of up to) [\d.]+ points (cannot be excluded )?\(95%\)"
    assert re.search(loss, finding.sentence)
    assert re.search(r"95% interval [\d.]+ to [\d.]+%, corrected for", finding.sentence)
    assert finding.best_interval is not None
    best = middle if middle.is_best else high
    assert best.test is not None
    assert finding.best_interval[0] < best.test.accuracy.mean < finding.best_interval[1]

    assert low.test is not None
    accuracy = low.test.accuracy
    assert len(accuracy.per_seed) == 3
    assert accuracy.low <= accuracy.mean <= accuracy.high
    assert finding.test_reads == 9
    assert f"is {finding.best:g}" in finding.sentence
    assert finding.range_test is not None
    assert len(finding.range_test.repeats) == 3


def test_the_lowest_rate_that_diverges_is_the_border(data: SplitDataset, tmp_path: Path) -> None:
    values = {"epochs": 3.0, "batch": 32, "optimizer": "sgd", "momentum": 0.9}
    finding = run_study(quick(0.05, 30.0, 90.0, values=values), data, tmp_path / "study")
    assert (finding.best, finding.diverges_from) == (0.05, 30.0)
    diverged = finding.rates[2]
    assert diverged.diverged_seeds == (0, 1)
    assert diverged.failures or (
        diverged.validation is not None and diverged.validation.loss.mean > math.log(10)
    )
    assert "At 30, training diverges with every seed." in finding.sentence


def test_a_rate_that_diverges_with_one_seed_is_the_border_and_the_finding_says_which(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headstart.execution._job import Outcome, attempt

    def fail_once(job: Any, visible: SplitDataset) -> Outcome:
        if job.name == "lr-0.02, seed 1":
            return Outcome(job, None, "not finite", "the loss became nan")
        return attempt(job, visible)

    monkeypatch.setattr("headstart.execution._executors.attempt", fail_once)
    finding = run_study(quick(1e-2, 2e-2), data, tmp_path / "study")
    assert (finding.best, finding.diverges_from) == (0.01, 0.02)
    diverged = finding.rates[1]
    assert diverged.diverged_seeds == (1,)
    assert not diverged.diverged_everywhere
    assert [failure.seed for failure in diverged.failures] == [1]
    assert "At 0.02, training diverges with 1 of 2 seeds." in finding.sentence


def test_where_no_rate_learns_none_is_said_to_diverge(data: SplitDataset, tmp_path: Path) -> None:
    finding = run_study(quick(1e-9, 1e-8, seeds=1), data, tmp_path / "study")
    assert (finding.best, finding.good, finding.range_test) == (None, None, None)
    assert finding.diverges_from is None
    assert "learned nothing at any of the 2 learning rates from 1e-09 to 1e-08" in finding.sentence


def test_where_every_run_fails_the_study_fails(data: SplitDataset, tmp_path: Path) -> None:
    values = {"epochs": 3.0, "optimizer": "sgd", "momentum": 0.99, "batch": 16}
    with pytest.raises(RunFailed, match=r"study finished: the .* finite") as error:
        run_study(quick(99.0, 100.0, seeds=1, values=values), data, tmp_path / "study")
    assert "\n" not in error.value.message
    assert error.value.hint.startswith("Try a lower learning rate")


def test_a_suggestion_beyond_the_grid_is_said_to_be_beyond_it(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suggested = RangeTest([0.1, 0.2], [2.3, 2.0], steepest=0.21, minimum=0.3)
    monkeypatch.setattr("headstart.studies._lr.range_test", lambda *_: suggested)
    finding = run_study(quick(1e-2, 1e-3, seeds=1), data, tmp_path / "study")
    assert finding.range_test is not None
    assert finding.range_test.beyond_grid
    assert not finding.range_test.agrees
    assert "falls most steeply. This is beyond the rates of this study " in (
        finding.range_test.sentence
    )
    assert "(0.001 to 0.01)" in finding.range_test.sentence


@pytest.mark.parametrize(
    ("steepest", "agrees", "position"),
    [
        (1.1e-2, True, "among the rates that are not significantly worse"),
        (1e-3, False, "below the rates that are not significantly worse"),
        (1e-1, False, "above the rates that are not significantly worse"),
        (2e-1, False, "beyond the rates of this study (0.001 to 0.1)"),
        (1e-4, False, "beyond the rates of this study (0.001 to 0.1)"),
    ],
)
def test_a_suggestion_is_placed_against_the_good_range(
    steepest: float, agrees: bool, position: str
) -> None:
    rates = [rate_result(1e-3), rate_result(1e-2, as_good=True), rate_result(1e-1)]
    good = LearningRateRange(low=1e-2, high=1e-2, decades=0.0)
    tests = [RangeTest([steepest], [1.0], steepest, steepest)]
    summary = summarise_range_tests(tests, rates, good)
    assert summary.agrees is agrees
    assert summary.sentence.endswith(f"falls most steeply. This is {position}.")


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (0.008, "not significantly worse (0.48 decades): they lose at most 0.8 points (95%)."),
        (0.762, "(0.48 decades), but a loss of up to 76.2 points cannot be excluded (95%)."),
        (1.0, "(0.48 decades), but so few runs exclude no loss (95%)."),
    ],
)
def test_few_runs_promise_nothing_about_the_other_good_rates(loss: float, expected: str) -> None:
    good = LearningRateRange(low=1e-3, high=3e-3, decades=0.48, largest_loss=loss)
    assert _range_sentence(good).endswith(expected)


def test_the_divergence_of_one_seed_of_one_is_said_plainly() -> None:
    rate = rate_result(0.1, runs=("runs/lr-0.1-seed0",), diverged_seeds=(0,))
    assert _divergence_sentence(rate) == "At 0.1, training diverges with the only seed."


def rate_result(lr: float, **changes: Any) -> LearningRateResult:
    fields: dict[str, Any] = {
        "validation": None,
        "test": None,
        "runs": (),
        "failures": (),
        "diverged_seeds": (),
        "is_best": False,
        "as_good": False,
        "difference": None,
    }
    return LearningRateResult(lr=lr, **{**fields, **changes})


def test_finished_runs_of_another_study_are_copied(data: SplitDataset, tmp_path: Path) -> None:
    run_study(quick(1e-3, 1e-2), data, tmp_path / "one")
    finding = run_study(quick(1e-3, 1e-2, 3e-2), data, tmp_path / "two")
    old = tmp_path / "one" / "runs" / "lr-0.001-seed1" / "environment.json"
    new = tmp_path / "two" / "runs" / "lr-0.001-seed1" / "environment.json"
    assert new.read_bytes() == old.read_bytes()
    assert new.stat().st_mtime >= old.stat().st_mtime
    assert not new.is_symlink()
    assert len(finding.rates) == 3


def test_a_time_limit_costs_seeds_first_then_half_decades_then_length(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.studies._grid_plan.expected_seconds", lambda *_: 10.0)
    monkeypatch.setattr("headstart.studies._grid_plan._REPORT_SECONDS", 0.0)
    grids: list[Grid] = []

    def stop(grid: Grid, *_: Any) -> None:
        grids.append(grid)
        raise KeyboardInterrupt

    monkeypatch.setattr("headstart.studies._lr.run_grid", stop)
    values = {"epochs": 4.0, "optimizer": "adam"}
    for number, limit in enumerate((400, 170, 120, 60, 30)):
        config = LearningRatesConfig("mlp", None, 3, float(limit), values)
        with pytest.raises(KeyboardInterrupt):
            run_study(config, data, tmp_path / str(number))

    sizes = [(len(grid.seeds), len(grid.variants)) for grid in grids]
    assert sizes == [(3, 7), (2, 7), (2, 4), (1, 4), (1, 4)]
    epochs = [grid.variants[0].recipe.epochs or 0 for grid in grids]
    assert epochs[:4] == [4.0] * 4
    assert 1 < epochs[4] < 4
    assert "allows 2 of 3 seeds" in grids[1].notes[0]
    assert "Left out for the time limit" in grids[2].notes[1]
    # The number of seeds is named once, as it ends.
    assert grids[3].notes[0] == "The time limit allows 1 of 3 seeds."
    assert not any("seed" in note for note in grids[3].notes[1:])

    with pytest.raises(InputError, match=r"leaves .* epochs for each of 4 runs"):
        run_study(LearningRatesConfig("mlp", None, 3, 5.0, values), data, tmp_path / "short")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (quick(0.1), "expected at least two learning rates"),
        (quick(0.1, 0.01, seeds=0), "invalid --seeds 0"),
        (quick(0.1, 1000.0), "lr"),
        (quick(0.1, 0.01, model="mpl"), "unknown model 'mpl'"),
    ],
)
def test_an_invalid_configuration_is_refused_before_any_work(
    config: LearningRatesConfig, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        config.check()


def test_validation_images_evaluate_where_there_are_no_test_images(
    digits: Dataset, tmp_path: Path
) -> None:
    data = SplitDataset(digits, make_split(digits, test=0, train_images=300))
    finding = run_study(quick(1e-3, 1e-2, seeds=1), data, tmp_path / "study")
    assert (finding.evaluated_on, finding.test_reads) == ("validation", 0)
    assert finding.rates[0].test is None
    assert any("One seed" in note for note in finding.notes)
    # The same images selected the best rate, so there is no valid p-value.
    differences = [rate.difference for rate in finding.rates if rate.difference is not None]
    assert [difference.p_adjusted for difference in differences] == [None]
    assert any("no p-values are given" in note for note in finding.notes)
    assert finding.reuse is None


def test_a_study_that_replaces_one_without_results_makes_its_own_plan(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("headstart.studies._lr.run_grid", stop)
        run_study(quick(1e-5, 1e-4), data, tmp_path / "study")
    finding = run_study(quick(1e-2, 2e-2), data, tmp_path / "study")
    assert [rate.lr for rate in finding.rates] == [0.01, 0.02]


def test_a_rate_that_failed_with_one_seed_costs_the_others_no_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headstart.studies._grid.read_correct", lambda *_: np.ones(5, bool))
    recipe = quick(0.1).recipe()
    complete = Variant("complete", recipe, runs={0: tmp_path, 1: tmp_path})
    broken = Variant("broken", recipe, runs={0: tmp_path}, failures={1: "not finite"})
    correct = Grid([complete, broken], (0, 1)).correct_predictions("test")
    assert list(correct) == ["complete"]
    assert correct["complete"].shape == (2, 5)
