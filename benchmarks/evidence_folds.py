"""Measure false alarms, power and coverage of the tests on cross-validated images.

    python benchmarks/evidence_folds.py tests
    python benchmarks/evidence_folds.py coverage

Two recipes are linear heads on two views of the same simulated images. Heads are solved in closed
form, so thousands of cross-validations take seconds. Each command prints a Markdown table, and
evidence_folds.md holds the results.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ttest_1samp

from headstart.evaluation import (
    exact_mcnemar,
    fold_accuracy_interval,
    fold_test,
    recipe_test,
    wilson_interval,
)

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FEATURES = 20
SIGNAL = 0.42  # shift of the class means per feature, in standard deviations of what views share
VIEW_NOISE = 1.0  # of each view on top of what they share
PENALTY = 3.0
LEVEL = 0.05
# Images, folds, repeats, and the extra noise of the second view with which it is worse.
DESIGNS = ((60, 10, 5), (60, 5, 3), (100, 5, 5), (300, 5, 3), (300, 5, 5), (300, 10, 5))
WORSE_NOISE = 1.75
GROUP_SIZE = 10
GROUP_SHARE = 0.5  # of the noise of a view that the images of a group share


@dataclass(frozen=True)
class Sample:
    """Simulated images of E experiments, in two views.

    Attributes:
        views: Float arrays of shape (E, n, features), for the first and the second recipe.
        labels: -1 or 1, of shape (n,).
    """

    views: tuple[Floats, Floats]
    labels: Floats


def draw(
    rng: np.random.Generator, experiments: int, n: int, noise_b: float, group_size: int = 1
) -> Sample:
    """Draw images: what both views share, and noise of each view, partly shared by a group."""
    labels = np.tile([-1.0, 1.0], n // 2)
    shape = (experiments, n, FEATURES)
    signal = SIGNAL * labels[:, None] + rng.standard_normal(shape)
    views = []
    for noise in (VIEW_NOISE, noise_b):
        own = rng.standard_normal(shape)
        if group_size > 1:
            # Two classes side by side: a group has images of both.
            shared = rng.standard_normal((experiments, n // group_size, FEATURES))
            shared = shared.repeat(group_size, axis=1)
            own = GROUP_SHARE**0.5 * shared + (1 - GROUP_SHARE) ** 0.5 * own
        views.append(signal + noise * own)
    return Sample((views[0], views[1]), labels)


def solve(features: Floats, labels: Floats) -> Floats:
    """Return ridge heads for stacked training sets, weights of shape (..., features)."""
    gram = np.swapaxes(features, -1, -2) @ features + PENALTY * np.eye(FEATURES)
    target = (features * labels[..., None]).sum(axis=-2)
    weights: Floats = np.linalg.solve(gram, target[..., None])[..., 0]
    return weights


def cross_validate(sample: Sample, view: int, fold_of: Ints) -> Bools:
    """Return which images are correct out of fold, `(E, R, n)`, with the same folds for all."""
    features, labels = sample.views[view], sample.labels
    repeats, n = fold_of.shape
    correct = np.zeros((len(features), repeats, n), bool)
    for repeat in range(repeats):
        for fold in range(int(fold_of.max()) + 1):
            test = fold_of[repeat] == fold
            weights = solve(features[:, ~test], np.broadcast_to(labels[~test], (1, (~test).sum())))
            scores = np.einsum("enf,ef->en", features[:, test], weights)
            correct[:, repeat, test] = scores * labels[test] > 0
    return correct


def stratified_folds(
    rng: np.random.Generator, n: int, folds: int, repeats: int, group_size: int
) -> Ints:
    """Return folds of equal size and equal classes, or of whole groups."""
    fold_of = np.empty((repeats, n), np.int64)
    for row in fold_of:
        if group_size > 1:
            groups = rng.permutation(np.arange(n // group_size) % folds)
            row[:] = groups.repeat(group_size)
        else:
            for label in range(2):
                row[label::2] = rng.permutation(np.arange(n // 2) % folds)
    return fold_of


def p_values(a: Bools, b: Bools, fold_of: Ints) -> dict[str, float]:
    """Return the p-value of each test for one experiment, from arrays of shape (R, n)."""
    repeats = len(fold_of)
    folds = int(fold_of.max()) + 1
    difference = a.astype(float) - b
    by_fold = np.array(
        [
            difference[repeat, fold_of[repeat] == fold].mean()
            for repeat, fold in np.ndindex(repeats, folds)
        ]
    )
    return {
        "t over folds": naive_t(by_fold),
        "t over images": naive_t(difference.mean(axis=0)),
        "repeats as seeds": recipe_test(a, b).p_value,
        "McNemar, one repeat": exact_mcnemar(a[0], b[0]).p_value,
        "**`fold_test`**": fold_test(a, b, fold_of).p_value,
    }


def naive_t(values: Floats) -> float:
    """Return the p-value of a t-test that takes the values as independent."""
    if not values.std():
        return 1.0
    return float(ttest_1samp(values, 0).pvalue)


def hold_out(sample: Sample, experiment: int, share: float = 1 / 3) -> float:
    """Return McNemar's p-value of two heads on a third of the images."""
    n = len(sample.labels)
    first = round(n * (1 - share) / 2) * 2
    correct = []
    for view in sample.views:
        features = view[experiment]
        weights = solve(features[:first], sample.labels[:first])
        correct.append(features[first:] @ weights * sample.labels[first:] > 0)
    return exact_mcnemar(*correct).p_value


def true_accuracies(rng: np.random.Generator, n: int, noise_b: float) -> tuple[float, float]:
    """Return the expected accuracies of both recipes, trained on n images."""
    training = draw(rng, 1500, n - n % 2, noise_b)
    test = draw(rng, 1, 20_000, noise_b)
    accuracies = []
    for view in range(2):
        weights = solve(training.views[view], training.labels[None])
        scores = test.views[view][0] @ weights.T
        accuracies.append(float((scores * test.labels[:, None] > 0).mean()))
    return accuracies[0], accuracies[1]


def rates(
    design: tuple[int, int, int], noise_b: float, experiments: int, group_size: int = 1
) -> dict[str, float]:
    """Return the share of experiments in which each test is significant."""
    n, folds, repeats = design
    rng = np.random.default_rng([n, folds, repeats, round(100 * noise_b), group_size])
    hits: dict[str, list[bool]] = {}
    batches = 20
    for _ in range(batches):
        sample = draw(rng, experiments // batches, n, noise_b, group_size)
        fold_of = stratified_folds(rng, n, folds, repeats, group_size)
        a, b = (cross_validate(sample, view, fold_of) for view in range(2))
        for experiment in range(len(a)):
            p = p_values(a[experiment], b[experiment], fold_of)
            p["hold-out third, McNemar"] = hold_out(sample, experiment)
            for name, value in p.items():
                hits.setdefault(name, []).append(value <= LEVEL)
    return {name: float(np.mean(values)) for name, values in hits.items()}


def print_tests(experiments: int) -> None:
    """Print false alarms and power of each test and design."""
    error = (0.05 * 0.95 / experiments) ** 0.5
    print(f"{experiments:,} experiments per cell; standard error {error:.1%} at 5%\n")
    columns: dict[str, dict[str, float]] = {}
    for n, folds, repeats in DESIGNS:
        name = f"n={n}, {folds}x{repeats}"
        columns[f"{name}: equal"] = rates((n, folds, repeats), VIEW_NOISE, experiments)
    columns[f"n=300, 5x3, groups of {GROUP_SIZE}: equal"] = rates(
        (300, 5, 3), VIEW_NOISE, experiments, GROUP_SIZE
    )
    for n, folds, repeats in ((100, 5, 5), (300, 5, 3), (300, 10, 5)):
        rng = np.random.default_rng(n)
        truth = np.subtract(*true_accuracies(rng, n * (folds - 1) // folds, WORSE_NOISE))
        name = f"n={n}, {folds}x{repeats}: {100 * truth:.1f} points"
        columns[name] = rates((n, folds, repeats), WORSE_NOISE, experiments)
    print_table(columns, lambda value: f"{value:.1%}")


def print_coverage(experiments: int) -> None:
    """Print the coverage and the width of 95% intervals from folds and from a hold-out third."""
    columns: dict[str, dict[str, float]] = {}
    for n, folds, repeats in DESIGNS:
        for noise_b in (VIEW_NOISE, WORSE_NOISE):
            name = f"n={n}, {folds}x{repeats}" + (", unequal" if noise_b != VIEW_NOISE else "")
            columns[name] = covered((n, folds, repeats), noise_b, experiments)
    print_table(columns, lambda value: f"{value:.3f}")


def covered(design: tuple[int, int, int], noise_b: float, experiments: int) -> dict[str, float]:
    """Return coverage and mean width of each interval."""
    n, folds, repeats = design
    rng = np.random.default_rng([n, folds, repeats, round(100 * noise_b)])
    truth_a, truth_b = true_accuracies(rng, n * (folds - 1) // folds, noise_b)
    intervals: dict[str, list[tuple[float, float, float]]] = {}
    batches = 10
    for _ in range(batches):
        sample = draw(rng, experiments // batches, n, noise_b)
        fold_of = stratified_folds(rng, n, folds, repeats, 1)
        a, b = (cross_validate(sample, view, fold_of) for view in range(2))
        for correct_a, correct_b in zip(a, b, strict=True):
            for name, truth, interval in (
                ("accuracy A", truth_a, fold_accuracy_interval(correct_a, fold_of)),
                ("accuracy B", truth_b, fold_accuracy_interval(correct_b, fold_of)),
                ("Wilson A", truth_a, wilson_interval(int(correct_a[0].sum()), n)),
                (
                    "Wilson A third",
                    truth_a,
                    wilson_interval(int(correct_a[0][: n // 3].sum()), n // 3),
                ),
                (
                    "difference",
                    truth_a - truth_b,
                    fold_test(correct_a, correct_b, fold_of).interval,
                ),
            ):
                intervals.setdefault(name, []).append((truth, *interval))
    result = {"true accuracy A": truth_a, "true accuracy B": truth_b}
    for name, rows in intervals.items():
        truth_column, low, high = np.array(rows).T
        result[f"{name} coverage"] = float(((low <= truth_column) & (truth_column <= high)).mean())
        result[f"{name} width"] = float((high - low).mean())
    return result


def print_table(columns: dict[str, dict[str, float]], text: Callable[[float], str]) -> None:
    """Print a Markdown table with one row per name and one column per design."""
    print("| |", " | ".join(columns), "|")
    print("|---" * (1 + len(columns)) + "|")
    for name in next(iter(columns.values())):
        cells = [text(column[name]) for column in columns.values()]
        print(f"| {name} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["tests", "coverage"])
    parser.add_argument("--experiments", type=int, default=2000)
    arguments = parser.parse_args()
    function = {"tests": print_tests, "coverage": print_coverage}[arguments.what]
    function(arguments.experiments)
