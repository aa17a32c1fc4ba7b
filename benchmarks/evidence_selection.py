"""Measure whether findings stay valid after the same runs have selected the best entry.

    python benchmarks/evidence_selection.py rates
    python benchmarks/evidence_selection.py largest-rates
    python benchmarks/evidence_selection.py power
    python benchmarks/evidence_selection.py backbones
    python benchmarks/evidence_selection.py search
    python benchmarks/evidence_selection.py reuse

Each prints a Markdown table, and evidence_selection.md holds the results. "Before" is Holm's
correction for the comparisons with the selected entry only. A learning rate also had to be within
the interval of the best one.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from headstart.evaluation import (
    accuracy_interval,
    comparisons_with,
    comparisons_with_selected,
    gap_interval,
    reuse_optimism,
)

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]
LEVEL = 0.05
RATES = 7
# Shares of the variance that decides whether an image is classified correctly, as in evidence.py:
# specific to one of several similar recipes, and to a run.
SIMILAR, NOISE = 0.02, 0.15
ACCURACY = 0.9
SHAPES = tuple(product((300, 1000, 10_000), (0.0, 0.005)))  # test images, SD over seeds


def correct_runs(
    rng: np.random.Generator, accuracies: Floats, seeds: int, n: int, spread: float, luck: Floats
) -> Bools:
    """Simulate which images the runs of several recipes classify correctly.

    Args:
        rng: Random generator.
        accuracies: True mean accuracy of each recipe.
        seeds: Number of runs per recipe.
        n: Number of images.
        spread: Standard deviation of the true accuracy over seeds.
        luck: Standard normal array of shape (recipes, seeds, 1): the luck of each run, which its
            validation and its test images share.

    Returns:
        Boolean array of shape (recipes, seeds, n).
    """

    def normal(*shape: int, share: float) -> Floats:
        return rng.standard_normal(shape, dtype=np.float32) * np.float32(share**0.5)

    recipes = len(accuracies)
    scores = normal(recipes, seeds, n, share=NOISE)
    scores += normal(recipes, 1, n, share=SIMILAR)
    scores += normal(1, 1, n, share=1 - SIMILAR - NOISE)
    z = norm.ppf(accuracies)[:, None, None]
    deviation = spread / norm.pdf(z)
    return np.asarray(scores > -(z * (1 + deviation**2) ** 0.5 + luck * deviation))


def simulate_rates(
    rng: np.random.Generator, accuracies: Floats, seeds: int, n: int, spread: float
) -> tuple[str, dict[str, Bools]]:
    """Simulate a study of learning rates.

    Returns:
        The rate with the highest validation accuracy, and the correct predictions of all rates on
        test images.
    """
    luck = rng.standard_normal((len(accuracies), seeds, 1))
    validation = correct_runs(rng, accuracies, seeds, n, spread, luck)
    test = correct_runs(rng, accuracies, seeds, n, spread, luck)
    best = int(validation.mean(axis=(1, 2)).argmax())
    return str(best), {str(rate): runs for rate, runs in enumerate(test)}


def good_before(best: str, runs: dict[str, Bools]) -> set[str]:
    """Return the rates that were called as good as the best one before."""
    comparisons = comparisons_with(best, runs, LEVEL)
    lowest, _ = accuracy_interval(runs[best])
    good = {best}
    for name, comparison in comparisons.items():
        is_worse = comparison.difference < 0 and comparison.is_significant(LEVEL)
        if not is_worse and runs[name].mean() >= lowest:
            good.add(name)
    return good


def good_after(best: str, runs: dict[str, Bools]) -> set[str]:
    """Return the rates that are not significantly worse than the best one."""
    result = comparisons_with_selected(best, runs, LEVEL)
    good = {best}
    for name, comparison in result.comparisons.items():
        is_worse = comparison.difference < 0 and comparison.is_significant(LEVEL)
        if not is_worse and name not in result.more_variable:
            good.add(name)
    return good


def rates(experiments: int, shapes: Sequence[tuple[int, float]] = SHAPES) -> None:
    """Print how often equal rates are excluded, and how much the best one is flattered."""
    print(f"{RATES} equal rates at {ACCURACY:.0%}; {experiments} studies per row\n")
    print(
        "| test images | SD over seeds | seeds | too narrow: before | after | flattered, points | "
        "interval of the best covers: before | after | width, points: before | after |"
    )
    print("|---" * 10 + "|")
    rng = np.random.default_rng(0)
    accuracies = np.full(RATES, ACCURACY)
    for (n, spread), seeds in product(shapes, (2, 3, 5)):
        rows = []
        for _ in range(experiments):
            best, runs = simulate_rates(rng, accuracies, seeds, n, spread)
            plain = accuracy_interval(runs[best])
            corrected = comparisons_with_selected(best, runs, LEVEL).interval
            rows.append(
                (
                    len(good_before(best, runs)) < RATES,
                    len(good_after(best, runs)) < RATES,
                    100 * (runs[best].mean() - ACCURACY),
                    plain[0] <= ACCURACY <= plain[1],
                    corrected[0] <= ACCURACY <= corrected[1],
                    100 * (plain[1] - plain[0]),
                    100 * (corrected[1] - corrected[0]),
                )
            )
        means = np.mean(rows, axis=0)
        print(
            f"| {n:,} | {spread:.1%} | {seeds} | {means[0]:.1%} | {means[1]:.1%} | {means[2]:.2f} "
            f"| {means[3]:.1%} | {means[4]:.1%} | {means[5]:.1f} | {means[6]:.1f} |",
            flush=True,
        )


def power(experiments: int) -> None:
    """Print how often one rate that is truly worse is excluded."""
    print(f"{RATES - 1} equal rates at {ACCURACY:.0%} and one below; {experiments} per row\n")
    print("| test images | SD over seeds | seeds | points below | excluded: before | after |")
    print("|---" * 6 + "|")
    rng = np.random.default_rng(1)
    cases = [(300, 0.0, 0.08), (1000, 0.005, 0.04), (10_000, 0.005, 0.02)]
    for (n, spread, deficit), seeds in product(cases, (2, 3, 5)):
        accuracies = np.full(RATES, ACCURACY)
        accuracies[0] -= deficit
        excluded = []
        for _ in range(experiments):
            best, runs = simulate_rates(rng, accuracies, seeds, n, spread)
            excluded.append(("0" not in good_before(best, runs), "0" not in good_after(best, runs)))
        before, after = np.mean(excluded, axis=0)
        points = f"{100 * deficit:.0f}"
        print(f"| {n:,} | {spread:.1%} | {seeds} | {points} | {before:.0%} | {after:.0%} |")


def backbones(experiments: int) -> None:
    """Print how often one of several equal backbones is called worse than the best one."""
    print(f"6 equal candidates, one probe each; {experiments} studies per row\n")
    print("| images | accuracy | some candidate is worse: before | after |")
    print("|---" * 4 + "|")
    rng = np.random.default_rng(2)
    for n, accuracy in ((300, 0.7), (300, 0.9), (2000, 0.7), (2000, 0.9)):
        errors = []
        for _ in range(experiments):
            luck = np.zeros((6, 1, 1))
            runs = correct_runs(rng, np.full(6, accuracy), 1, n, 0.0, luck)
            named = {str(number): run for number, run in enumerate(runs)}
            best = max(named, key=lambda name: float(named[name].mean()))
            before = comparisons_with(best, named, LEVEL)
            after = comparisons_with_selected(best, named, LEVEL).comparisons
            errors.append(
                [
                    any(test.is_significant(LEVEL) for test in tests.values())
                    for tests in (before, after)
                ]
            )
        rates_of_errors = np.mean(errors, axis=0)
        print(f"| {n:,} | {accuracy:.0%} | {rates_of_errors[0]:.1%} | {rates_of_errors[1]:.1%} |")


def search(experiments: int) -> None:
    """Print the optimism of a search, and how often its interval contains the expected one.

    Four equal recipes get a full run with one seed. The one with the highest validation accuracy is
    retrained with three new seeds.
    """
    print(f"4 equal recipes at {ACCURACY:.0%}; {experiments} searches per row\n")
    print(
        "| images per part | SD over seeds | mean optimism, points | SD | negative | "
        "interval covers the mean | half width, points |"
    )
    print("|---" * 7 + "|")
    rng = np.random.default_rng(3)
    for n, spread in ((270, 0.005), (1000, 0.005), (5000, 0.005)):
        gaps, intervals = [], []
        for _ in range(experiments):
            luck = rng.standard_normal((4, 1, 1))
            validation = correct_runs(rng, np.full(4, ACCURACY), 1, n, spread, luck)
            new_luck = rng.standard_normal((1, 3, 1))
            test = correct_runs(rng, np.full(1, ACCURACY), 3, n, spread, new_luck)[0]
            selected = float(validation.mean(axis=(1, 2)).max())
            accuracy = float(test.mean())
            gaps.append(selected - accuracy)
            intervals.append(
                gap_interval(selected, n, accuracy, accuracy_interval(test), test.mean(axis=1))
            )
        expected = float(np.mean(gaps))
        covered = np.mean([low <= expected <= high for low, high in intervals])
        width = np.mean([high - low for low, high in intervals]) / 2
        negative = np.mean(np.array(gaps) < 0)
        print(
            f"| {n:,} | {spread:.1%} | {100 * expected:.2f} | {100 * np.std(gaps):.2f} | "
            f"{negative:.0%} | {covered:.1%} | {100 * width:.1f} |"
        )


# Analysts who reuse the same test images. Each returns the optimism of the best model after each
# number of models in READS: its accuracy on the test images minus its true one.
READS = (1, 10, 100, 1000)


def best_of_equal(rng: np.random.Generator, n: int) -> list[tuple[float, float]]:
    """Report the best of models that err independently."""
    accuracies = rng.binomial(n, ACCURACY, READS[-1]) / n
    return [(float(accuracies[:k].max()), ACCURACY) for k in READS]


def best_of_similar(rng: np.random.Generator, n: int) -> list[tuple[float, float]]:
    """Report the best of models that err on the same images, except for a few.

    Given the ease of the images, the errors of models are independent. So the number of correct
    images is nearly normal.
    """
    z = float(norm.ppf(ACCURACY))
    ease = rng.standard_normal(n) * (1 - NOISE - SIMILAR) ** 0.5
    probabilities = norm.cdf((ease + z) / (NOISE + SIMILAR) ** 0.5)
    mean, variance = probabilities.sum(), (probabilities * (1 - probabilities)).sum()
    counts = np.round(mean + variance**0.5 * rng.standard_normal(READS[-1]))
    return [(float(counts[:k].max()) / n, ACCURACY) for k in READS]


def boosting(rng: np.random.Generator, n: int) -> list[tuple[float, float]]:
    """Vote with random labels that scored above a half, as in Blum and Hardt (2015).

    The labels are coin flips, so that the true accuracy of every model is 50%.
    """
    bits = np.unpackbits(rng.integers(0, 256, (READS[-1] - 1, n // 8 + 1), dtype=np.uint8), axis=1)
    correct = bits[:, :n].astype(np.int8) * 2 - 1
    signs = np.where(correct.sum(axis=1) >= 0, 1, -1).astype(np.int8)
    results = []
    for k in READS:
        if k == 1:
            results.append((float((correct[0] > 0).mean()), 0.5))
            continue
        # One read is the vote itself.
        votes = signs[: k - 1].astype(np.float32) @ correct[: k - 1].astype(np.float32)
        ties = votes == 0
        right = (votes > 0) | (ties & (rng.random(n) < 0.5))
        results.append((float(right.mean()), 0.5))
    return results


def coordinate_search(rng: np.random.Generator, n: int) -> list[tuple[float, float]]:
    """Change the predictions of a block of images at random, and keep what scores better.

    The blocks are as large as is best for the analyst: the images are divided among the steps.
    """
    results = []
    for k in READS:
        if k == 1:
            results.append((rng.binomial(n, 0.5) / n, 0.5))
            continue
        correct = rng.random(n) < 0.5
        steps = k - 1
        for block in np.array_split(rng.permutation(n), min(steps, n)):
            changed = rng.random(len(block)) < 0.5
            if changed.sum() > correct[block].sum():
                correct[block] = changed
        results.append((float(correct.mean()), 0.5))
    return results


def hill_climbing(rng: np.random.Generator, n: int) -> list[tuple[float, float]]:
    """Vary the best recipe so far by a small change of its errors, and keep what scores better.

    A change flips one image in a hundred at 90% accuracy, from right to wrong and back equally
    often, so that the true accuracy stays the same.
    """
    correct = rng.random(n) < ACCURACY
    score = int(correct.sum())
    results = []
    size = max(2, n // 100)
    for step in range(1, READS[-1] + 1):
        # A redrawn image is correct with the same probability as before.
        chosen = rng.integers(0, n, size)
        chosen = np.unique(chosen)
        redrawn = rng.random(len(chosen)) < ACCURACY
        change = int(redrawn.sum()) - int(correct[chosen].sum())
        if step > 1 and change > 0:
            correct[chosen] = redrawn
            score += change
        if step in READS:
            results.append((score / n, ACCURACY))
    return results


ANALYSTS: dict[str, tuple[Callable[[np.random.Generator, int], list[tuple[float, float]]], bool]]
ANALYSTS = {
    "best of equal models": (best_of_equal, False),
    "best of similar models": (best_of_similar, False),
    "hill climbing": (hill_climbing, True),
    "coordinate search": (coordinate_search, True),
    "boosting attack": (boosting, True),
}


def reuse(experiments: int) -> None:
    """Print the optimism of several analysts, and how often the bounds hold."""
    print(f"{experiments} analysts per row, fewer where the row says so\n")
    print(
        "| analyst | uses scores | images | models | analysts | optimism: mean | 95% quantile | "
        "bound of selection | holds | bound with feedback | holds |"
    )
    print("|---" * 11 + "|")
    for (name, (analyst, uses_scores)), n in product(ANALYSTS.items(), (300, 1000, 10_000)):
        rng = np.random.default_rng(4)
        # The analysts that use scores take most of the time.
        count = max(1, experiments // 5) if uses_scores else experiments
        if analyst is boosting and n == max(SHAPES)[0]:
            count = max(1, experiments // 20)
        outcomes = np.array([analyst(rng, n) for _ in range(count)])
        for place, k in enumerate(READS):
            optimism = outcomes[:, place, 0] - outcomes[:, place, 1]
            bounds = _bounds(outcomes[:, place, 0], n, k)
            holds = (optimism[:, None] <= bounds).mean(axis=0)
            mean_bounds = bounds.mean(axis=0)
            print(
                f"| {name} | {'yes' if uses_scores else 'no'} | {n:,} | {k:,} | {count:,} | "
                f"{100 * optimism.mean():.1f} | {100 * np.quantile(optimism, 0.95):.1f} | "
                f"{100 * mean_bounds[0]:.1f} | {holds[0]:.1%} | "
                f"{100 * mean_bounds[1]:.1f} | {holds[1]:.1%} |",
                flush=True,
            )


def _bounds(accuracies: Floats, n: int, models: int) -> Floats:
    """Return both bounds of each accuracy, of shape (analysts, 2). Each model is one study."""
    known = {}
    for accuracy in np.unique(accuracies):
        bound = reuse_optimism(float(accuracy), n, [1] * models)
        known[accuracy] = (bound.of_selection, bound.of_feedback)
    return np.array([known[accuracy] for accuracy in accuracies])


def largest_rates(experiments: int) -> None:
    """Print the part of `rates` in which seeds matter most."""
    rates(experiments, SHAPES[-1:])


def main() -> None:
    """Run the simulation that the command line names."""
    commands: dict[str, tuple[Callable[[int], None], int]] = {
        "rates": (rates, 80),
        "largest-rates": (largest_rates, 200),
        "power": (power, 60),
        "backbones": (backbones, 150),
        "search": (search, 150),
        "reuse": (reuse, 1000),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=commands)
    parser.add_argument("--experiments", type=int, help="number of simulations per row")
    arguments = parser.parse_args()
    run, default = commands[arguments.what]
    run(arguments.experiments or default)


if __name__ == "__main__":
    main()
