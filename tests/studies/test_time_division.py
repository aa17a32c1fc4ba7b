"""The division of a time limit: equal time per run, and what a short limit costs first."""

from __future__ import annotations

import pytest

from headstart.studies._time_division import Demand, divide, least_seconds
from headstart.training import RunCost

CNN = Demand("cnn", RunCost(1.0, 0.1, 0.0, 10), epochs=20, least=4)  # 1 s per epoch
MLP = Demand("mlp", RunCost(0.5, 0.01, 0.0, 10), epochs=20, least=4)  # 0.1 s per epoch
HEAD = Demand("head", RunCost(3.0), epochs=1, least=1)
CONTROL = Demand("head (control)", RunCost(3.0), 1, 1, is_control=True, extra=9.0)


def test_contenders_get_the_epochs_of_their_recipes_if_there_is_time() -> None:
    division = divide([CNN, MLP, HEAD, CONTROL], 3, 1000)
    assert division.epochs == {"cnn": 20, "mlp": 20, "head": 1, "head (control)": 1}
    assert (division.seeds, division.has_controls, division.fits) == (3, True, True)
    assert division.seconds == pytest.approx(3 * 21 + 3 * 2.5 + 3 * 3 + 12)


def test_what_one_contender_does_not_need_is_left_to_the_others() -> None:
    division = divide([CNN, MLP, HEAD], 3, 60)
    assert (division.epochs["mlp"], division.epochs["head"]) == (20, 1)
    assert division.epochs["cnn"] == pytest.approx((60 - 7.5 - 9) / 3 - 1, abs=0.01)
    assert division.seconds == pytest.approx(60, abs=0.01)


def test_contenders_that_both_need_more_get_the_same_time_per_run() -> None:
    slow = Demand("slow", RunCost(2.0, 0.2, 0.0, 10), epochs=20, least=4)
    division = divide([CNN, slow], 2, 44)
    assert division.epochs["cnn"] == pytest.approx(10, abs=0.01)
    assert division.epochs["slow"] == pytest.approx(4.5, abs=0.01)


@pytest.mark.parametrize(
    ("available", "controls", "seeds", "fits"),
    [
        (39.0, True, 3, True),
        (35.9, False, 3, True),
        (23.9, False, 2, True),
        (15.9, False, 1, True),
        (7.9, False, 2, False),
    ],
)
def test_a_short_limit_costs_controls_then_seeds_then_contenders_never_the_minimum_of_epochs(
    available: float, controls: bool, seeds: int, fits: bool
) -> None:
    division = divide([CNN, HEAD, CONTROL], 3, available)
    assert (division.has_controls, division.seeds, division.fits) == (controls, seeds, fits)
    assert division.epochs.get("cnn", 4) >= 4
    assert division.left_out == (() if fits else ("cnn",))
    assert division.seconds <= available + 0.01


def test_a_contender_whose_first_run_has_ended_keeps_its_epochs() -> None:
    decided = Demand("cnn", RunCost(7.0), epochs=6, least=6, done=1)
    division = divide([decided, MLP], 3, 0.5)
    assert division.left_out == ("mlp",)
    assert division.epochs == {"cnn": 6}
    assert divide([decided, MLP], 3, 100.0).seconds == pytest.approx(2 * 7 + 3 * 2.5)


def test_where_not_all_reach_their_minimum_the_cheap_ones_get_more_than_theirs() -> None:
    division = divide([CNN, MLP, CONTROL], 3, 5.0)
    assert (division.left_out, division.has_controls) == (("cnn",), False)
    assert division.seeds == 3
    assert division.epochs == {"mlp": pytest.approx((5 / 3 - 0.5) / 0.1)}

    division = divide([CNN, MLP], 3, 0.5)
    assert (division.left_out, division.epochs) == (("cnn", "mlp"), {})


def test_the_least_time_counts_all_seeds_of_the_contenders() -> None:
    assert least_seconds([CNN, HEAD, CONTROL], 3) == pytest.approx(3 * 5 + 3 * 3)
