"""The schedule: its shape, and how it keeps to the time there is."""

from __future__ import annotations

import time

import pytest

from headstart.models.recipes import make_recipe, resolve
from headstart.training._plan import (
    Cost,
    Plan,
    fit_to_time,
    least_epochs,
    plan_from_json,
    plan_steps,
    relative_rate_at,
)


def plan(**values: object) -> Plan:
    return plan_steps(
        resolve(make_recipe("cnn", {"epochs": 10, "batch": 10, **values}), 1000), 1000
    )


def test_the_rate_warms_up_and_falls_to_zero() -> None:
    assert relative_rate_at("linear", 0.2, 0.1) == pytest.approx(0.5)
    assert relative_rate_at("linear", 0.2, 0.2) == 1
    assert relative_rate_at("linear", 0.2, 1) == 0
    assert relative_rate_at("cosine", 0, 0.5) == pytest.approx(0.5)
    assert relative_rate_at("cosine", 0, 1) == pytest.approx(0)
    assert relative_rate_at("constant", 0, 0.99) == 1


def test_epochs_become_whole_batches() -> None:
    assert (plan().steps, plan().steps_per_epoch) == (1000, 100)
    assert plan(epochs=0.5).steps == 50
    assert plan(batch=5000).steps_per_epoch == 1  # more than there are images


def test_a_plan_walks_through_the_whole_schedule() -> None:
    one = plan(epochs=1, schedule="linear", warmup=0)
    rates = []
    while one.done < one.steps:
        rates.append(one.relative_rate())
        one.advance()
    assert rates == sorted(rates, reverse=True)
    assert rates[0] == pytest.approx(0.995) and rates[-1] == pytest.approx(0.005)
    assert one.position == pytest.approx(1)


def test_a_time_limit_shortens_the_plan_by_what_was_measured() -> None:
    one = plan(time_limit=100)
    fit_to_time(one, time.perf_counter(), Cost(step=1.0, validation=10.0, end=6.0))
    assert one.steps == pytest.approx(96 - 6 - 10, abs=1)  # 4% kept back; one validation


def test_a_time_limit_never_lengthens_the_plan() -> None:
    one = plan(time_limit=1e6)
    fit_to_time(one, time.perf_counter(), Cost(1e-3, 0, 0))
    assert one.steps == 1000


def test_a_machine_that_slows_down_gets_a_shorter_but_whole_schedule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    one = plan(time_limit=100, schedule="linear", warmup=0)
    fit_to_time(one, 0.0, Cost(0.1, 0.0, 0.0))
    one.start()
    assert one.steps == 960
    rates = []
    while one.done < one.steps:
        rates.append(one.relative_rate())
        clock[0] += 0.2  # twice as slow as measured
        one.advance()
    assert clock[0] == pytest.approx(96, abs=2)
    assert one.was_shortened
    assert rates == sorted(rates, reverse=True) and rates[-1] < 0.01


def test_a_machine_that_becomes_faster_gets_more_steps_up_to_those_of_the_recipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    one = plan(time_limit=100, schedule="linear", warmup=0)
    fit_to_time(one, 0.0, Cost(4.0, 0.0, 0.0))  # timed at a slow moment
    one.start()
    assert one.steps == 24
    rates = []
    while one.done < one.steps:
        rates.append(one.relative_rate())
        clock[0] += 0.12
        one.advance()
    assert 90 <= clock[0] <= 97
    extended = one.changes[0][0]
    assert rates[extended] > 0.95, "the schedule begins as if it had been planned so"
    assert rates[-1] < 0.01

    quick = plan(time_limit=100)
    fit_to_time(quick, clock[0], Cost(60.0, 0.0, 0.0))  # one step, so that it can be corrected
    quick.start()
    while quick.done < quick.steps:
        clock[0] += 0.01
        quick.advance()
    assert quick.done == quick.most == 1000


@pytest.mark.parametrize(("epochs", "least"), [(30, 5), (4, 1), (0.5, 0.5)])
def test_the_fewest_epochs_are_a_sixth_of_the_recipes(epochs: float, least: float) -> None:
    assert least_epochs(plan(epochs=epochs).recipe) == pytest.approx(least)


def test_a_hiccup_at_the_start_does_not_cost_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    one = plan(time_limit=100)
    fit_to_time(one, 0.0, Cost(0.09, 0.0, 0.0))
    one.start()
    clock[0] += 3.0
    while one.done < one.steps:
        clock[0] += 0.08
        one.advance()
    assert one.done == 1000


def test_a_prediction_timed_at_a_slow_moment_does_not_end_training_early(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    one = plan(time_limit=86)
    fit_to_time(one, 0.0, Cost(0.5, 0.0, 60.0, end_images=100))
    one.start()
    while one.done < one.steps:
        clock[0] += 0.1
        one.advance()
    assert 75 <= clock[0] <= 83


def test_a_slow_moment_that_lasts_for_the_whole_first_plan_is_made_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    one = plan(time_limit=86, epochs=100)
    fit_to_time(one, 0.0, Cost(6.0, 0.0, 0.0))
    one.start()
    while one.done < one.steps:
        clock[0] += 4.0 if clock[0] < 20 else 0.05
        one.advance()
    assert 75 <= clock[0] <= 83 and one.done > 1000

    again = plan_from_json(one.recipe, one.as_json())
    rates = []
    while again.done < again.steps:
        rates.append(again.relative_rate())
        again.advance()
    assert again.done == one.done and again.position == pytest.approx(one.position)
    assert rates[-1] < 0.01
