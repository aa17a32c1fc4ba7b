"""The ladder of `fit`: which rung comes next, from costs and results alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart.evaluation import selection_metric
from headstart.models.recipes import make_recipe
from headstart.studies.fit._choice import choose
from headstart.studies.fit._costs import LadderCosts
from headstart.studies.fit._ladder import INSTEAD_OF_FINE_TUNING, Ladder
from headstart.studies.fit._rung import (
    CNN,
    FINE_TUNED,
    FROZEN,
    FailedRung,
    Rung,
    RungResult,
    input_px_of,
    name_of_longer,
)
from headstart.studies.fit._schedules import full_seconds
from headstart.studies.fit._state import LadderState

IMAGES = 200
LABELS = np.zeros(IMAGES, np.int64)
UNUSED = Rung("none", CNN, make_recipe("cnn"), 0.0, "no rung was entered")


def ladder(
    seconds_per_image: float = 0.0005, train: int = 4000, usable: float = 100.0, test: int = IMAGES
) -> Ladder:
    """Return a ladder for images of 160 pixels; a frozen head costs about 7 s by default."""
    costs = LadderCosts(
        backbones=("efficientnet-lite0", "efficientnet-lite1"),
        seconds_per_image=seconds_per_image,
        frozen_px=160,
        fine_tuned_px=160,
        train=train,
        validation=IMAGES,
        test=test,
        classes=4,
    )
    return Ladder(costs, usable, LABELS, selection_metric("accuracy"))


def result(rung: Rung, accuracy: float, seconds: float = 10.0, epochs: float = 2.0) -> RungResult:
    """Return the result of a rung whose first images are correctly classified."""
    probabilities = np.full((IMAGES, 4), 0.1, np.float32)
    correct = np.arange(IMAGES) < round(accuracy * IMAGES)
    probabilities[np.arange(IMAGES), np.where(correct, 0, 1)] = 0.7
    metrics: Any = SimpleNamespace(
        epochs=epochs,
        recipe={"optimizer": rung.recipe.optimizer},
        seconds=SimpleNamespace(train=seconds, prepare=0.0),
        start=None,
        validation=SimpleNamespace(loss=1 - accuracy),
        predict_ms_per_image=1.0,
    )
    return RungResult(rung, Path(), metrics, probabilities, probabilities, accuracy, seconds)


def climb(
    steps: Ladder, accuracies: dict[str, float], left: float = 100.0, epochs: float = 1.0
) -> list[Rung]:
    """Return the rungs that are entered, with these accuracies by family and so many epochs."""
    results: list[RungResult] = []
    while len(results) < 12 and (rung := steps.next(results, [], left)) is not None:
        results.append(result(rung, accuracies[rung.family], rung.seconds, epochs))
        left -= rung.seconds
    return [entry.rung for entry in results]


def test_the_cheap_rungs_come_first_and_the_best_family_gets_the_rest() -> None:
    rungs = climb(ladder(), {FROZEN: 0.8, CNN: 0.6, FINE_TUNED: 0.9})
    # A head leads, so fine-tuning gets the long run without a short one.
    assert [rung.family for rung in rungs[:3]] == [FROZEN, CNN, FINE_TUNED]
    assert not rungs[2].is_short
    assert rungs[2].seconds > 0.7 * 100
    assert sum(rung.seconds for rung in rungs) <= 101


def test_a_network_from_random_weights_gets_the_rest_where_it_is_better() -> None:
    rungs = climb(timed_cnn(1.0, 1.0), {FROZEN: 0.7, CNN: 0.95, FINE_TUNED: 0.75})
    assert rungs[3].family == CNN
    assert rungs[3].seconds > 50


def test_close_families_share_the_time() -> None:
    rungs = climb(timed_cnn(1.0, 1.0), {FROZEN: 0.5, CNN: 0.9, FINE_TUNED: 0.9}, epochs=4.0)
    assert {rung.family for rung in rungs[3:5]} == {CNN, FINE_TUNED}
    assert rungs[3].seconds < 50


def test_a_longer_limit_trains_the_families_again_for_longer() -> None:
    steps = timed_cnn(1.0, 1.0)
    short, long = cnn_result(0.9), cnn_result(0.95)
    short = replace(short, rung=replace(short.rung, name="cnn, short"))
    long = replace(long, rung=replace(long.rung, name="cnn"), seconds=60.0)
    results = [result(steps.next([], [], 100) or UNUSED, 0.5), short, long]
    assert steps._long_run(LadderState(results, {FINE_TUNED}, {"cnn"}, 500, 0)) is None
    steps.earlier = frozenset({"cnn, short", "cnn"})
    state = LadderState(results, {FINE_TUNED}, {"cnn"}, 500, 0, steps.earlier)
    longer = steps._long_run(state) or UNUSED
    assert (longer.name, longer.seconds > 1.3 * long.seconds) == ("cnn, longer", True)
    assert steps._long_run(replace(state, left=70)) is None  # hardly longer


def test_names_of_longer_runs_are_unique() -> None:
    assert name_of_longer("cnn, short", set()) == "cnn"
    assert name_of_longer("cnn, seed 1", {"cnn"}) == "cnn, longer"
    assert name_of_longer("cnn, longer", {"cnn", "cnn, longer"}) == "cnn, longer 2"


def test_fine_tuning_at_more_pixels_is_new_in_a_longer_limit() -> None:
    steps = ladder(usable=1000.0)
    frozen = result(steps.next([], [], 1000) or UNUSED, 0.9)
    smaller = steps._timed("tuned at 64", FINE_TUNED, steps._fine_tuning_recipe(64), 10.0, "")
    results = [frozen, result(smaller, 0.92)]
    state = LadderState(results, set(), {smaller.name}, 900, 0)
    assert steps._untried_fine_tuning(state) is None
    rung = steps._untried_fine_tuning(replace(state, earlier=frozenset({smaller.name}))) or UNUSED
    assert input_px_of(rung.recipe) > 64


def test_fine_tuning_is_worth_at_least_the_head_that_it_starts_from() -> None:
    steps = ladder()
    frozen = result(steps.next([], [], 100) or pytest.fail("no rung"), 0.9)
    short = result(steps._fine_tuning(LadderState([frozen], set(), set(), 90, 0)) or UNUSED, 0.6)
    following = steps.next([frozen, cnn_result(0.7), short], [], 70) or UNUSED
    assert (following.family, following.is_short) == (FINE_TUNED, False)


def test_images_that_are_too_many_for_a_backbone_leave_the_time_to_the_cnn() -> None:
    steps = ladder(train=60_000)
    rungs = climb(steps, {CNN: 0.9})
    assert {rung.family for rung in rungs} == {CNN}
    assert rungs[0].seconds == 5
    assert "frozen backbone needs" in steps.not_entered[FROZEN]
    assert set(steps.not_entered) == {FROZEN, FINE_TUNED}


def test_a_family_that_failed_is_not_entered_again() -> None:
    steps = ladder()
    frozen = steps.next([], [], 100)
    assert frozen is not None
    results = [result(frozen, 0.8)]
    short = steps.next(results, [], 90)
    assert short is not None
    failures = [FailedRung(short, "the loss became nan", 1.0)]
    following = steps.next(results, failures, 89)
    assert following is not None
    assert following.family == FINE_TUNED


def test_nothing_is_entered_without_time() -> None:
    assert ladder().next([], [], 0.5) is None


def test_the_values_of_the_user_reach_every_rung_that_has_them() -> None:
    steps = ladder()
    steps.values = {"flip": False, "label_smoothing": 0.0}
    for rung in climb(steps, {FROZEN: 0.8, CNN: 0.6, FINE_TUNED: 0.9}):
        assert rung.recipe.flip is False


def test_a_rung_is_read_again_as_it_was_written() -> None:
    rung = Rung("cnn, short", CNN, make_recipe("cnn", {"lr": 0.1}), 3.0, "because", seed=2)
    assert Rung.from_json(rung.as_json()) == rung


def test_a_bound_on_milliseconds_excludes_slow_runs_and_averages() -> None:
    metric = selection_metric("accuracy")
    rung = Rung("cnn", CNN, make_recipe("cnn"), 1.0, "because")
    slow, fast = result(rung, 0.9), result(rung, 0.8)
    fast.metrics.predict_ms_per_image = 0.2  # type: ignore[misc]
    assert choose([slow, fast], LABELS, metric).members[0] is slow
    assert choose([slow, fast], LABELS, metric, max_ms=0.5).members == (fast,)
    assert choose([slow, fast], LABELS, metric, max_ms=0.1).members == (fast,)


def test_of_an_average_that_is_too_slow_the_members_that_are_fast_enough_are_kept() -> None:
    metric, rung = selection_metric("accuracy"), Rung("1", CNN, make_recipe("cnn"), 1.0, "because")
    results = []
    for number, ms in enumerate((5.0, 3.0, 2.0)):  # each errs on another fifth of the images
        member = result(replace(rung, name=str(number)), 1.0)
        probabilities = np.roll(result(rung, 0.8).probabilities, 60 * number, axis=0)
        metrics: Any = SimpleNamespace(**{**vars(member.metrics), "predict_ms_per_image": ms})
        results.append(
            replace(member, metrics=metrics, probabilities=probabilities, score=0.8 - number / 1e4)
        )

    def names(average_ms: float | None) -> set[str]:
        choice = choose(results, LABELS, metric, average_ms=average_ms)
        return {member.rung.name for member in choice.members}

    assert names(None) == names(10.0) == {"0", "1", "2"}
    assert len(names(9.0)) == 2
    assert names(5.0) == {"1", "2"}
    assert names(4.0) == names(-1.0) == {"0"}  # a run alone is not bound
    bounded = choose(results, LABELS, metric, max_ms=5.0)
    assert {member.rung.name for member in bounded.members} == {"1", "2"}
    assert [m.rung.name for m in choose(results, LABELS, metric, max_ms=4.0).members] == ["1"]


def test_fine_tuning_that_is_too_expensive_to_try_is_ranked_by_its_head() -> None:
    steps = ladder(0.0015, usable=60)
    rungs = climb(steps, {FROZEN: 0.9, CNN: 0.6, FINE_TUNED: 0.92}, left=60)
    assert [rung.family for rung in rungs[:3]] == [FROZEN, CNN, FINE_TUNED]
    assert rungs[2].seconds > 0.4 * 60


def test_a_fine_tuning_that_was_a_head_only_is_planned_from_costs() -> None:
    steps = ladder()
    frozen = result(steps.next([], [], 100) or UNUSED, 0.9)
    short = result(steps._fine_tuning(LadderState([frozen], set(), set(), 90, 0)) or UNUSED, 0.9)
    short.metrics.recipe["optimizer"] = "lbfgs"
    following = steps._long_run(LadderState([frozen, cnn_result(), short], set(), set(), 70, 0))
    assert following is not None
    assert following.family == FINE_TUNED
    assert following.seconds > 20


def cnn_result(accuracy: float = 0.5) -> RungResult:
    return result(Rung("cnn, short", CNN, make_recipe("cnn"), 10.0, "because"), accuracy)


def test_many_test_images_count_only_in_the_final_evaluation() -> None:
    few, many = ladder(), ladder(test=32_000)
    first = few.next([], [], 100) or pytest.fail("no rung")
    assert first.name == "efficientnet-lite0 frozen at 160 px"
    frozen = many.next([], [], 100) or pytest.fail("no rung")
    assert frozen.name == "efficientnet-lite0 frozen at 128 px"  # 4 s, and 28 s of evaluation
    assert frozen.seconds < 10
    assert many.costs.evaluation("efficientnet-lite0", 160) > 40


def test_an_evaluation_is_left_out_of_the_time_of_the_runs_that_need_it() -> None:
    few, many = ladder(), ladder(test=24_000)
    done: list[RungResult] = []
    for accuracy in (0.8, 0.8, 0.9):
        done.append(result(few.next(done, [], 100) or pytest.fail("no rung"), accuracy))
    long_few, long_many = (steps.next(done, [], 70) for steps in (few, many))
    assert long_few is not None and long_many is not None
    assert long_few.name == long_many.name == "efficientnet-lite0 fine-tuned at 128 px"
    added = many.costs.evaluation("efficientnet-lite0", 128)
    added -= few.costs.evaluation("efficientnet-lite0", 128)
    assert long_few.seconds - long_many.seconds == pytest.approx(added, abs=0.1)


def test_what_is_reserved_already_is_not_left_out_twice() -> None:
    steps = ladder(test=24_000)
    first = steps.next([], [], 100) or pytest.fail("no rung")
    done = [result(first, 0.8), cnn_result()]
    reserved = steps.costs.evaluation("efficientnet-lite0", 160)
    before = steps.next(done, [], 80) or pytest.fail("no rung")
    after = steps.next(done, [], 80 - reserved, reserved) or pytest.fail("no rung")
    assert before.name == after.name


def test_a_frozen_backbone_that_leads_gets_more_pixels_where_nothing_else_fits() -> None:
    steps = ladder(0.02, 1000, usable=90)
    rungs = climb(steps, {FROZEN: 0.8, CNN: 0.3}, left=90)
    assert FINE_TUNED in steps.not_entered
    assert [rung.name for rung in rungs[::2]][:2] == [
        "efficientnet-lite0 frozen at 64 px",
        "efficientnet-lite0 frozen at 128 px",
    ]


def test_few_images_get_more_pixels_where_fine_tuning_would_take_their_place() -> None:
    def third_rung(left: float) -> Rung:
        steps = ladder(0.001, 1000, usable=47, test=10_000)
        steps.costs = replace(steps.costs, frozen_px=128, fine_tuned_px=96, validation=1500)
        first = steps.next([], [], 40) or pytest.fail("no rung")
        assert first.name == "efficientnet-lite0 frozen at 96 px"
        reserved = steps.costs.evaluation("efficientnet-lite0", 96)
        done = [result(first, 0.75), cnn_result()]
        return steps.next(done, [], left, reserved) or pytest.fail("no rung")

    assert third_rung(22).name == "efficientnet-lite0 frozen at 128 px"
    assert third_rung(22).reason == INSTEAD_OF_FINE_TUNING
    assert third_rung(60).reason != INSTEAD_OF_FINE_TUNING  # both fit


def test_a_leading_head_of_few_images_gets_the_most_pixels_that_fit_at_once() -> None:
    # 1,000 images of CIFAR-10 in a minute, with an empty cache (benchmarks/fit_plan.md).
    steps = ladder(0.00095, 1000, usable=44.5, test=10_000)
    steps.costs = replace(steps.costs, frozen_px=128, fine_tuned_px=96, validation=1500, classes=10)
    steps.costs = replace(steps.costs, cnn_start=0.9, cnn_pass=1.5)
    done = [frozen_head(96, 0.8), cnn_result(0.5)]
    reserved = steps.costs.evaluation("efficientnet-lite0", 96)
    following = steps.next(done, [], 38 - reserved, reserved) or UNUSED
    assert following.name == "efficientnet-lite0 frozen at 160 px"
    assert 0.15 * 44.5 < following.seconds < 0.3 * 44.5
    slow = steps.next(done, [], 30 - reserved, reserved) or UNUSED
    assert slow.name == "efficientnet-lite0 frozen at 128 px"


def test_a_frozen_backbone_is_entered_late_where_the_cnn_starves_as_well() -> None:
    steps = ladder(0.004, train=6000, usable=30)
    rungs = climb(steps, {FROZEN: 0.8, CNN: 0.3}, left=30)
    assert [rung.family for rung in rungs[:2]] == [CNN, FROZEN]
    assert FROZEN not in steps.not_entered


def test_after_the_long_run_the_largest_affordable_size_is_tried() -> None:
    steps = ladder(0.0063, 1000)
    names = [rung.name for rung in climb(steps, {FROZEN: 0.9, CNN: 0.5, FINE_TUNED: 0.5})]
    assert names[0] == "efficientnet-lite0 frozen at 128 px"
    assert "efficientnet-lite0 frozen at 160 px" in names  # 224 px would cost 43 s


def test_few_images_get_a_head_first_even_if_it_takes_most_of_a_short_time() -> None:
    steps = ladder(0.005, usable=18)
    steps.costs = replace(steps.costs, cnn_pass=4.0)
    rungs = climb(steps, {FROZEN: 0.8, CNN: 0.3}, left=18)
    assert [rung.name for rung in rungs[:2]] == ["efficientnet-lite0 frozen at 64 px", "cnn"]
    assert 0.15 * 18 < rungs[0].seconds < 0.8 * 18
    many = ladder(0.0004, train=60_000, usable=18)
    assert (many.next([], [], 18) or pytest.fail("no rung")).family == CNN


def test_a_cnn_that_takes_a_second_comes_before_a_head_that_takes_much_of_the_time() -> None:
    steps = ladder(0.002, usable=11)
    for one_pass, first in ((0.2, CNN), (2.5, FROZEN)):
        steps.costs = replace(steps.costs, cnn_start=0.1, cnn_pass=one_pass)
        rungs = climb(steps, {FROZEN: 0.9, CNN: 0.95}, left=11)
        assert rungs[0].family == first
        assert {rung.family for rung in rungs[:2]} == {CNN, FROZEN}
        assert sum(rung.seconds for rung in rungs) <= 11
        lines = steps.plan()
        assert ("cnn" in lines[0]) == (first == CNN)


def test_the_last_resort_is_a_head_if_that_takes_seconds() -> None:
    assert ladder(0.001, 1000, usable=1).last_resort().family == FROZEN
    assert ladder(0.005, usable=1).last_resort().family == CNN


def timed_cnn(start: float, one_pass: float, usable: float = 100.0, train: int = 4000) -> Ladder:
    """Return a ladder whose cnn costs so many seconds until its first step, and per pass."""
    steps = ladder(train=train, usable=usable)
    steps.costs = replace(steps.costs, cnn_start=start, cnn_pass=one_pass)
    return steps


def test_a_short_cnn_sees_every_image_once() -> None:
    names = {CNN: 0.5, FROZEN: 0.8, FINE_TUNED: 0.9}
    for one_pass, seconds in ((2.0, 10.0), (12.0, 3 + 1.15 * 12), (19.0, 3 + 1.15 * 19)):
        short = climb(timed_cnn(3.0, one_pass), names)[1]
        assert short.name == "cnn, short"
        assert short.seconds == pytest.approx(seconds, abs=0.1)


def test_of_many_images_a_short_cnn_takes_forty_steps() -> None:
    steps = timed_cnn(1.0, 60.0, usable=300, train=40_000)  # 78 steps of 512 images per pass
    steps.costs = replace(steps.costs, seconds_per_image=0.0001)
    short = climb(steps, {CNN: 0.5, FROZEN: 0.8, FINE_TUNED: 0.9}, 300)[1]
    assert short.seconds == pytest.approx(1 + 1.15 * 60 * 40 * 512 / 40_000, abs=0.1)


def test_without_a_rival_a_short_cnn_is_only_a_start() -> None:
    steps = timed_cnn(1.0, 60.0, train=60_000)
    steps.costs = replace(steps.costs, seconds_per_image=0.002)
    first = climb(steps, {CNN: 0.9})[0]
    assert FROZEN in steps.not_entered
    assert first.seconds == 5


def test_a_cnn_that_could_not_show_anything_is_left_out_until_time_is_left() -> None:
    steps = timed_cnn(3.0, 40.0)
    rungs = climb(steps, {FROZEN: 0.8, FINE_TUNED: 0.9, CNN: 0.5})
    assert CNN not in {rung.family for rung in rungs}
    assert "a cnn needs 49 s to show what it can learn" in steps.not_entered[CNN]
    assert not any("cnn" in line for line in steps.plan() if "skipped" not in line)

    results: list[RungResult] = []
    failures: list[FailedRung] = []
    left = 100.0
    while (rung := steps.next(results, failures, left)) is not None and rung.family != CNN:
        if rung.family == FROZEN:
            results.append(result(rung, 0.8, rung.seconds))
            left -= 1
        else:
            failures.append(FailedRung(rung, "the loss became nan", 1.0))
    assert rung is not None
    assert (rung.name, rung.seconds) == ("cnn", left)
    assert CNN not in steps.not_entered


def test_the_best_family_is_not_shared_below_its_least_epochs() -> None:
    # 15 s per pass of 40: its least, a sixth, are 100 s. Shared, it would have 55% of the time.
    accuracies = {CNN: 0.9, FROZEN: 0.5, FINE_TUNED: 0.9}
    starved = timed_cnn(0.0, 15.0, usable=200)
    results: list[RungResult] = []
    for left in (200.0, 180.0, 160.0):
        rung = starved.next(results, [], left) or pytest.fail("no rung")
        results.append(result(rung, accuracies[rung.family], 15.0, epochs=1.0))
    for left, shares in ((150.0, False), (400.0, True), (80.0, True)):
        rung = starved.next(results, [], left) or pytest.fail("no rung")
        assert ("share" in rung.reason) is shares


def test_the_pace_of_a_run_that_hardly_began_comes_from_the_costs() -> None:
    steps = timed_cnn(2.0, 1.0)
    short = replace(cnn_result(), seconds=10.0)
    for epochs, per_pass in ((0.1, 1.0), (4.0, (10.0 - 2.0) / 4)):
        short.metrics.epochs = epochs  # type: ignore[misc]
        assert full_seconds(short, steps.costs) == pytest.approx(2.0 + 40 * per_pass)


def test_a_cnn_that_is_clearly_ahead_gets_its_least_epochs_before_fine_tuning() -> None:
    accuracies = {FROZEN: 0.5, CNN: 0.9, FINE_TUNED: 0.9}
    for one_pass, families in ((10.0, [FROZEN, CNN, CNN]), (1.0, [FROZEN, CNN, FINE_TUNED])):
        rungs = climb(timed_cnn(1.0, one_pass), accuracies)
        assert [rung.family for rung in rungs[:3]] == families
    rungs = climb(timed_cnn(1.0, 10.0), {**accuracies, FROZEN: 0.9})
    assert [rung.family for rung in rungs[:3]] == [FROZEN, CNN, FINE_TUNED]


def test_fine_tuning_has_the_steps_in_which_it_can_improve_on_its_head() -> None:
    for train, epochs in ((200, 20.0), (1000, 4.0), (4000, 1.0), (50_000, 1.0)):
        costs = ladder(train=train).costs
        values = {"transfer": "finetune", "input_px": 64}
        recipe = make_recipe("efficientnet-lite0", values)
        assert costs.least_fine_tuning_epochs(recipe) == epochs
        shortest = costs.shortest_fine_tuning(recipe)
        images = epochs * (2 * train + IMAGES)
        trained = images * costs.forward("efficientnet-lite0", 64)
        assert shortest == pytest.approx((costs.frozen("efficientnet-lite0", 64) + trained) / 0.8)
        given = make_recipe("efficientnet-lite0", {**values, "epochs": 0.5})
        assert costs.least_fine_tuning_epochs(given) == 0.5


def test_a_short_fine_tuning_is_entered_only_where_it_can_decide() -> None:
    for cnn, is_entered in ((0.5, False), (0.8, True)):
        steps = ladder()
        head = result(steps.next([], [], 100) or UNUSED, 0.8)
        following = steps.next([head, cnn_result(cnn)], [], 80) or UNUSED
        assert following.family == FINE_TUNED
        assert following.is_short is is_entered


def head_of_fine_tuning(px: int, accuracy: float, *, only: bool = False) -> RungResult:
    """Return a fine-tuning that ended as a head on frozen features."""
    values = {"transfer": "finetune", "input_px": px}
    rung = Rung(f"tuned {px}", FINE_TUNED, make_recipe("efficientnet-lite0", values), 9.0, "why")
    ended = result(rung, accuracy)
    if only:
        ended.metrics.recipe["optimizer"] = "lbfgs"
    else:
        ended.metrics.start = SimpleNamespace(is_kept=True)  # type: ignore[assignment, misc]
    return ended


def frozen_head(px: int, accuracy: float) -> RungResult:
    values = {"transfer": "frozen", "input_px": px}
    recipe = make_recipe("efficientnet-lite0", values)
    return result(Rung(f"frozen {px}", FROZEN, recipe, 9.0, "why"), accuracy)


@pytest.mark.parametrize("only", [True, False])
def test_a_fine_tuning_that_ended_as_a_head_is_no_further_model(only: bool) -> None:
    metric = selection_metric("accuracy")
    same, other = head_of_fine_tuning(96, 0.81, only=only), head_of_fine_tuning(128, 0.9, only=only)
    head = frozen_head(96, 0.8)
    assert same.head_note.startswith("ended as a head on frozen features, because ")
    assert head.head_note == ""
    # It is the frozen head again, so it is not chosen in its place.
    assert choose([head, same], LABELS, metric).members == (head,)
    # A head at another image size is chosen if it is better, but is in no average.
    chosen = choose([head, cnn_result(0.8), other], LABELS, metric)
    assert chosen.members == (other,)
    shifted = np.roll(head.probabilities, 40, axis=0)
    rival = replace(cnn_result(0.8), raw=shifted, probabilities=shifted)
    names = [
        member.rung.name for member in choose([head, rival, same, other], LABELS, metric).members
    ]
    assert not {same.rung.name} & set(names)
    assert names == [other.rung.name] or other.rung.name not in names


def test_a_fine_tuning_that_ended_as_a_head_leaves_the_lead_to_frozen_backbones() -> None:
    steps = ladder(0.0063, 1000)
    done = [frozen_head(96, 0.8), cnn_result(0.5), head_of_fine_tuning(96, 0.81)]
    names = {entry.rung.name for entry in done}
    following = steps.next(done, [], 60) or UNUSED
    assert following.family == FROZEN
    assert following.name not in names


def test_costs_follow_the_speed_of_the_frozen_rungs() -> None:
    costs = ladder(0.002, 1000).costs
    head = frozen_head(192, 0.8)
    assert costs.corrected([head]) == costs  # its features took no time
    head.metrics.seconds.prepare = 0.4 + 1200 * 0.004  # type: ignore[misc]
    corrected = costs.corrected([cnn_result(), head, head_of_fine_tuning(96, 0.8)])
    assert corrected.seconds_per_image == pytest.approx(0.001)
    assert corrected.forward("efficientnet-lite0", 192) == pytest.approx(0.004)
    head.metrics.seconds.prepare = 0.6  # type: ignore[misc]
    assert costs.corrected([head]).forward("efficientnet-lite0", 192) == pytest.approx(0.45 / 1200)


def test_a_head_of_few_images_may_take_all_of_the_time_if_the_cnn_could_learn_nothing() -> None:
    for one_pass, family in ((0.1, CNN), (23.0, FROZEN)):
        steps = ladder(0.0048, 1000, usable=34, test=10_000)
        steps.costs = replace(steps.costs, cnn_start=4.5, cnn_pass=one_pass, validation=1500)
        assert (steps.next([], [], 34) or UNUSED).family == family


def test_a_trial_of_the_cnn_is_enough_for_few_images_without_time_for_its_schedule() -> None:
    for one_pass, seconds in ((2.0, 10.0), (3.0, 1 + 1.15 * 3.0)):  # of 40 passes in 100 s
        steps = timed_cnn(1.0, one_pass)
        assert steps._seconds_of_short_cnn() == pytest.approx(seconds)
    many = timed_cnn(1.0, 3.0, train=6000)
    assert many._seconds_of_short_cnn() == 10.0
