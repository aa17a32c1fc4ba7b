"""The search for subgroups in which two contenders differ more, or less, than elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation import SliceMembers, compare_slices

BoolArray = NDArray[np.bool_]
IMAGES = 600


def members(rng: np.random.Generator, images: int = IMAGES) -> list[SliceMembers]:
    classes = rng.integers(0, 6, images)
    values = rng.random(images)
    slices = [SliceMembers("class", str(number), classes == number) for number in range(6)]
    slices.append(SliceMembers("brightness", "darkest fifth", values < 0.2))
    slices.append(SliceMembers("brightness", "brightest fifth", values > 0.8))
    return slices


def equal(rng: np.random.Generator, seeds: int) -> tuple[BoolArray, BoolArray]:
    ease = rng.normal(1.2, 1, IMAGES)
    runs = ease + rng.normal(0, 0.5, (2, seeds, IMAGES)) > 0
    return runs[0], runs[1]


def test_a_subgroup_that_differs_comes_first_with_its_accuracies() -> None:
    rng = np.random.default_rng(0)
    slices = members(rng)
    a, b = equal(rng, 3)
    cat = slices[2].is_member
    b[:, cat] &= rng.random(cat.sum()) < 0.6
    result = compare_slices(a, b, slices)
    first = result.slices[0]
    assert [item.name for item in result.significant()] == ["2"]
    assert (first.kind, first.images) == ("class", cat.sum())
    assert first.accuracy_a == pytest.approx(a[:, cat].mean())
    assert first.accuracy_b == pytest.approx(b[:, cat].mean())
    assert first.difference == pytest.approx(first.accuracy_a - first.accuracy_b)
    assert first.outside == pytest.approx(a[:, ~cat].mean() - b[:, ~cat].mean())
    assert result.difference == pytest.approx(a.mean() - b.mean())


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_contenders_rarely_have_a_significant_subgroup(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    alarms = [
        bool(compare_slices(*equal(rng, seeds), members(rng)).significant()) for _ in range(60)
    ]
    assert np.mean(alarms) <= 0.1


def test_runs_that_differ_by_class_are_not_a_difference_of_recipes() -> None:
    """Without the variance over seeds, most of these experiments have a significant class."""
    rng = np.random.default_rng(0)
    alarms = []
    for _ in range(12):
        slices = members(rng, 2000)
        shift = np.zeros((2, 3, 2000))
        for item in slices[:6]:
            shift[:, :, item.is_member] = rng.normal(0, 0.3, (2, 3, 1))
        correct = rng.normal(1.2, 1, 2000) + shift + rng.normal(0, 0.5, (2, 3, 2000)) > 0
        alarms.append(bool(compare_slices(correct[0], correct[1], slices).significant()))
    assert np.mean(alarms) <= 0.2


def test_groups_count_as_one_observation_each() -> None:
    """Whole groups in which only one contender is correct: 20 images, but 2 observations."""
    rng = np.random.default_rng(0)
    groups = np.arange(IMAGES) // 10
    a, b = np.ones((1, IMAGES), bool), np.ones((1, IMAGES), bool)
    b[:, :20] = False
    slices = [SliceMembers("class", "0", groups < 15)]
    assert compare_slices(a, b, slices).significant()
    assert not compare_slices(a, b, slices, groups=groups).significant()
    few = [SliceMembers("class", "0", groups < 9)]
    assert compare_slices(a, b, few, groups=groups).too_small == 1
    assert compare_slices(a, b, members(rng), groups=groups).too_small == 0


def test_small_subgroups_are_left_out_and_the_result_is_repeatable() -> None:
    rng = np.random.default_rng(0)
    a, b = equal(rng, 2)
    slices = [
        SliceMembers("class", "rare", np.arange(IMAGES) < 19),
        SliceMembers("class", "most", np.arange(IMAGES) > 19),
        SliceMembers("class", "half", np.arange(IMAGES) < 300),
    ]
    result = compare_slices(a, b, slices)
    assert ([item.name for item in result.slices], result.too_small) == (["half", "most"], 1)
    assert result == compare_slices(a, b, slices)
    assert compare_slices(a, b, slices[:1]).slices == ()
    same = compare_slices(a, a, slices).slices
    assert all(item.p_adjusted == 1 for item in same)


def test_members_need_one_value_per_image() -> None:
    a, b = equal(np.random.default_rng(0), 1)
    with pytest.raises(InputError, match="invalid slice class 0: expected 600 values, got 5"):
        compare_slices(a, b, [SliceMembers("class", "0", np.ones(5, bool))])
    with pytest.raises(InputError, match="invalid groups: expected integers of shape"):
        compare_slices(a, b, [], groups=np.zeros(4, np.int64))
