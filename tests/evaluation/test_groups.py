"""Tests and intervals that resample groups of images: exact cases and small simulations."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.evaluation import (
    accuracy_interval,
    baseline_sentence,
    compare_curves,
    compute_metrics,
    exact_mcnemar,
    mean_interval,
    paired_bootstrap,
    recipe_test,
    verdict,
    wilson_interval,
)
from headstart.evaluation._baselines import BaselineResult
from headstart.evaluation._grouped_images import (
    ImageGroups,
    design_of_difference,
    design_of_mean,
    index_groups,
)
from headstart.evaluation._grouped_sentences import describe_groups
from headstart.evaluation._grouped_tests import sign_flip_p_value
from headstart.evaluation._paired_tests import BoolArray

Ints = NDArray[np.int64]


def runs(seed: int, seeds: int = 1, n: int = 200, accuracy: float = 0.8) -> BoolArray:
    return np.random.default_rng(seed).random((seeds, n)) < accuracy


def indexed(groups: Ints) -> ImageGroups:
    found = index_groups(groups, len(groups))
    assert found is not None
    return found


def grouped_runs(
    rng: np.random.Generator, seeds: int, sizes: Ints, share: float = 0.5
) -> tuple[Ints, BoolArray, BoolArray]:
    """Simulate two equal recipes at 80%, with a share of the variance common to each group."""
    groups = np.repeat(np.arange(len(sizes)), sizes)

    def effects(rows: int, variance: float) -> NDArray[np.float64]:
        of_group = rng.normal(0, (share * variance) ** 0.5, (rows, len(sizes)))[:, groups]
        return of_group + rng.normal(0, ((1 - share) * variance) ** 0.5, (rows, len(groups)))

    ease = effects(1, 0.7)
    a, b = (ease + effects(1, 0.15) + effects(seeds, 0.15) + 0.8416 > 0 for _ in "ab")
    return groups, np.asarray(a), np.asarray(b)


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_groups_of_one_image_change_nothing(seeds: int) -> None:
    a, b = runs(0, seeds), runs(1, seeds, accuracy=0.7)
    alone = np.random.default_rng(2).permutation(200)
    assert accuracy_interval(a, groups=alone) == accuracy_interval(a)
    assert paired_bootstrap(a, b, groups=alone) == paired_bootstrap(a, b)
    assert verdict({"a": a, "b": b}, groups=alone) == verdict({"a": a, "b": b})
    if seeds == 1:
        assert exact_mcnemar(a[0], b[0], alone) == exact_mcnemar(a[0], b[0])
    else:
        assert recipe_test(a, b, groups=alone) == recipe_test(a, b)


def test_groups_of_one_image_change_no_curve_no_metric_and_no_mean() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 3, 2, 60)) < 0.7
    labels, alone = [1, 10, 100], np.arange(60)
    curves = compare_curves(labels, a, b, groups=alone)
    assert np.array_equal(curves.draws, compare_curves(labels, a, b).draws)

    probabilities = rng.dirichlet([1, 1], 60)
    truth = rng.integers(0, 2, 60)
    metrics = compute_metrics(truth, probabilities, alone)
    assert metrics.interval == compute_metrics(truth, probabilities).interval
    assert metrics.groups is None
    values = rng.normal(size=60)
    assert mean_interval(values, groups=alone) == mean_interval(values)


def test_fewer_than_ten_groups_fall_back_to_images_and_the_count_is_kept() -> None:
    a, b = runs(0, 3), runs(1, 3)
    nine = np.arange(200) % 9
    assert accuracy_interval(a, groups=nine) == accuracy_interval(a)
    assert recipe_test(a, b, groups=nine) == recipe_test(a, b)

    probabilities = np.random.default_rng(0).dirichlet([1, 1], 200)
    metrics = compute_metrics(np.zeros(200, np.int64), probabilities, nine)
    assert (metrics.groups, metrics.interval_over_images) == (9, None)


def test_copies_of_an_image_are_worth_one_image() -> None:
    """All images of a group are correct, or none is: 100 groups of 5 are 100 images."""
    once = runs(0, n=100)[0]
    copied, groups = np.repeat(once, 5), np.repeat(np.arange(100), 5)
    low, high = accuracy_interval(copied, groups=groups)
    expected = wilson_interval(int(once.sum()), 100)
    assert (low, high) == pytest.approx(expected, abs=0.01)
    images = wilson_interval(int(copied.sum()), 500)
    assert high - low > 2 * (images[1] - images[0])

    other = runs(1, n=100, accuracy=0.7)[0]
    test = exact_mcnemar(copied, np.repeat(other, 5), groups)
    assert test.p_value == pytest.approx(exact_mcnemar(once, other).p_value)
    assert (test.only_a, test.only_b) == (5 * (once & ~other).sum(), 5 * (other & ~once).sum())


def test_the_sign_flip_test_counts_all_signs() -> None:
    sums = np.array([3, -1, 4, 1, -5, 9, 2, 6, 0, 0, 5, -3])
    signs = np.array(list(product([-1, 1], repeat=len(sums))))
    totals = np.abs(signs @ sums)
    expected = (totals >= abs(sums.sum())).mean()
    assert sign_flip_p_value(sums) == pytest.approx(expected, rel=1e-12)
    assert sign_flip_p_value(np.zeros(12, np.int64)) == 1.0


def test_the_order_of_the_images_does_not_matter() -> None:
    groups, a, b = grouped_runs(np.random.default_rng(0), 3, np.arange(1, 21))
    order = np.random.default_rng(1).permutation(len(groups))
    shuffled = recipe_test(a[:, order], b[:, order], groups=groups[order])
    assert shuffled.interval == pytest.approx(recipe_test(a, b, groups=groups).interval)
    interval = accuracy_interval(a[0], groups=groups)
    assert accuracy_interval(a[0, order], groups=1000 - 7 * groups[order]) == pytest.approx(
        interval
    )


def test_the_variance_and_its_degrees_of_freedom_are_those_of_the_matrices() -> None:
    sizes = np.array([1, 2, 3, 5, 8, 13, 4, 4, 40, 2, 9])
    groups = np.repeat(np.arange(len(sizes)), sizes)
    values = np.random.default_rng(0).normal(size=len(groups)) + np.sin(groups)
    design = design_of_mean(values, indexed(groups))

    residuals = values - values.mean()
    sums = np.bincount(groups, residuals)
    squares = (residuals**2).sum()
    n, shares = len(groups), sizes / len(groups)
    correlation = ((sums**2).sum() - squares) / (sizes * (sizes - 1)).sum() / (squares / n)
    variances = np.diag(sizes * (1 + (sizes - 1) * correlation))
    weights = np.diag(1 / (1 - shares))
    centred = np.eye(len(sizes)) - shares[:, None]
    covariance = centred @ variances @ centred.T
    product_trace = np.trace(weights @ covariance @ weights @ covariance)
    expectation = np.trace(weights @ covariance)

    assert 0 < correlation < 1
    assert design.degrees_of_freedom == pytest.approx(expectation**2 / product_trace)
    variance = variances.sum() / expectation * (sums @ weights @ sums) / n**2
    assert design.effect == pytest.approx(variance / (squares / n / (n - 1)))


def test_groups_of_one_size_have_one_degree_of_freedom_less_than_groups() -> None:
    design = design_of_mean(runs(0)[0].astype(float), indexed(np.arange(200) // 10))
    assert design.degrees_of_freedom == pytest.approx(19)


def test_a_difference_has_the_degrees_of_freedom_of_the_effective_number_of_groups() -> None:
    """Those of unequal variances are fewer: they ignore that large groups move both alike."""
    sizes = np.array([40, 40, *[5] * 40])
    groups = indexed(np.repeat(np.arange(42), sizes))
    effects = np.random.default_rng(0).choice([-1.0, 1.0], 42)[np.repeat(np.arange(42), sizes)]
    effective = 280**2 / (2 * 40**2 + 40 * 5**2)
    assert design_of_difference(effects, groups).degrees_of_freedom == pytest.approx(effective - 1)
    assert design_of_mean(effects, groups).degrees_of_freedom < 0.5 * (effective - 1)


def test_two_groups_with_nearly_all_images_leave_few_degrees_of_freedom() -> None:
    sizes = np.array([400, 400, *[2] * 20])
    groups = indexed(np.repeat(np.arange(22), sizes))
    effects = np.random.default_rng(1).choice([-1.0, 1.0], 22)[np.repeat(np.arange(22), sizes)]
    assert design_of_difference(effects, groups).degrees_of_freedom < 2


def test_unequal_groups_cover_a_difference_without_intervals_that_are_too_wide() -> None:
    """Before, 98.2% of these were covered. The standard error of 95% is 1.1 points."""
    rng = np.random.default_rng(8)
    sizes = np.maximum(1, np.rint(10 * rng.lognormal(-0.5, 1, 50))).astype(np.int64)
    covered = 0
    for _ in range(400):
        groups, a, b = grouped_runs(rng, 3, sizes)
        low, high = recipe_test(a, b, groups=groups).interval
        covered += low <= 0 <= high
    assert 0.93 <= covered / 400 <= 0.98


def test_images_that_are_all_correct_count_once_per_group() -> None:
    """Nothing is known about the correlation within groups then."""
    groups = np.repeat(np.arange(40), 10)
    low, high = accuracy_interval(np.ones(400, bool), groups=groups)
    assert high == 1
    assert low == pytest.approx(wilson_interval(40, 40)[0], abs=0.01)


@pytest.mark.parametrize("groups", [np.zeros(3, np.int64), np.zeros(200), np.zeros((200, 1), int)])
def test_groups_that_are_not_one_integer_per_image_are_refused(groups: NDArray[np.generic]) -> None:
    with pytest.raises(InputError, match=r"invalid groups: expected integers of shape \(200,\)"):
        accuracy_interval(runs(0), groups=groups)  # type: ignore[arg-type]


def test_the_verdict_names_the_groups_and_is_less_certain() -> None:
    a, b = runs(0, 3, accuracy=0.84), runs(1, 3, accuracy=0.75)
    a[:, :20], b[:, :20] = True, False
    groups = np.arange(200) // 10
    over_groups, over_images = (verdict({"a": a, "b": b}, groups=known) for known in (groups, None))
    assert over_images.p_value is not None
    assert over_groups.p_value is not None
    assert over_groups.p_value > over_images.p_value
    assert "3 seeds per contender and 200 test images in 20 groups" in over_groups.sentence
    assert "in 20 groups" not in over_images.sentence


def test_the_sentence_about_a_baseline_is_about_groups() -> None:
    groups = np.arange(200) // 20
    ahead = np.where(groups < 3, True, runs(0)[0])
    baseline = BaselineResult("nearest neighbour", (groups >= 3) & ahead, "", 1, 1)
    assert baseline_sentence("cnn", ahead, baseline) is None
    sentence = baseline_sentence("cnn", ahead, baseline, groups=groups)
    assert sentence is not None
    assert "not significantly better" in sentence  # three groups of ten differ: p = 1/4


def test_copies_of_the_images_of_a_curve_do_not_make_it_more_certain() -> None:
    """Where all images of a group are copies, groups are worth what single images are worth."""
    rng = np.random.default_rng(0)
    labels = [10, 30, 100]
    a, b = rng.random((2, 3, 1, 120)) < 0.6
    once = compare_curves(labels, a, b).draws.std(axis=0)
    a_copied, b_copied = a.repeat(10, axis=2), b.repeat(10, axis=2)
    groups = np.arange(120).repeat(10)
    over_groups = compare_curves(labels, a_copied, b_copied, groups=groups).draws.std(axis=0)
    over_images = compare_curves(labels, a_copied, b_copied).draws.std(axis=0)
    assert over_groups == pytest.approx(once, rel=0.1)
    assert over_images == pytest.approx(once / 10**0.5, rel=0.1)


def test_copies_of_a_value_do_not_make_a_mean_more_certain() -> None:
    values = np.random.default_rng(0).normal(size=50)
    copied = mean_interval(values.repeat(8), groups=np.arange(50).repeat(8))
    assert copied == pytest.approx(mean_interval(values))


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("equal", [True, False])
def test_intervals_cover_and_tests_keep_their_level(seeds: int, equal: bool) -> None:
    """The share of a small version of benchmarks/evidence_groups.md."""
    rng = np.random.default_rng([seeds, equal])
    sizes = np.full(20, 10) if equal else np.arange(1, 21)
    covered, equal_accuracies, over_images = 0, 0, 0
    for _ in range(200):
        groups, a, b = grouped_runs(rng, seeds, sizes)
        low, high = accuracy_interval(a, groups=groups)
        covered += low <= 0.8 <= high
        narrow = accuracy_interval(a)
        over_images += narrow[0] <= 0.8 <= narrow[1]
        if seeds == 1:
            low, high = paired_bootstrap(a, b, resamples=1000, groups=groups)
        else:
            low, high = recipe_test(a, b, groups=groups).interval
        equal_accuracies += low <= 0 <= high
    assert 0.91 <= covered / 200 <= 0.99
    assert 0.91 <= equal_accuracies / 200 <= 0.99
    assert over_images / 200 < 0.8


@pytest.mark.parametrize(
    ("over_images", "expected"),
    [
        ("3.5 to 91.2%", "If the images were independent, it would be 3.5 to 91.2%."),
        ("83.5 to 91.2%", "It would be the same if the images were independent."),
        ("84.7 to 90.1%", "If the images were independent, it would be 84.7 to 90.1%."),
    ],
)
def test_an_interval_that_groups_do_not_change_is_not_said_twice(
    over_images: str, expected: str
) -> None:
    sentence = describe_groups(80, "test", 14, "the accuracy", "83.5 to 91.2%", over_images)
    start = "Over 14 groups of test images, the 95% interval of the accuracy is 83.5 to 91.2%."
    assert sentence == f"{start} {expected}"
