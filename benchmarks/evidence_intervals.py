"""Measure coverage, width and power of intervals of recipes.

"Before" means before 28 November 2026. "Rejected" intervals of a difference give less weight to
the noise of single predictions.

    python benchmarks/evidence.py coverage
    python benchmarks/evidence.py power
    python benchmarks/evidence.py pooling
    python benchmarks/evidence.py mcnemar

Everything is simulated, and computed for all experiments of a cell at once. The formulas are
therefore written a second time here. The first experiment of every cell is also computed by
`headstart.evaluation`, and the results must agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, nctdtrinc
from scipy.stats import binom, chi2, norm, t

from headstart.evaluation import (
    accuracy_interval,
    mid_p_mcnemar,
    minimum_detectable_effect,
    paired_bootstrap,
    recipe_test,
    wilson_interval,
)

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]
# Shares of the variance that decides whether an image is classified correctly.
SIMILAR, DIFFERENT = 0.02, 0.15  # specific to a recipe; SIMILAR: variants of one recipe
NOISE = 0.15  # specific to a run: two runs at 90% disagree on 7% of the images
SPREADS = (0.0, 0.005)  # standard deviation of the true accuracy of runs of one recipe
SHAPES = tuple(product((300, 1000, 10_000), (0.6, 0.9, 0.99)))
SEEDS = (2, 3, 5)
DIFFERENCE = 0.01
POWER = 0.8
REJECTED_WEIGHT = 1.2  # of the noise, divided by the number of seeds
BATCH = 300_000  # images simulated at once


@dataclass(frozen=True)
class Experiments:
    """Runs of two recipes in E experiments, and what the formulas need of them.

    Attributes:
        runs: Accuracies of shape (E, 2, S).
        noise: Variance of the accuracy of one run, given its images, of shape (E, 2).
        squares: Mean over images of the squared difference of shape (E,), between the mean
            predictions of both recipes.
        squares_of_first: The same for the mean predictions of the first recipe alone.
        images: Number of images.
        first: The correct predictions of the first experiment: two arrays of shape (S, N).
    """

    runs: Floats
    noise: Floats
    squares: Floats
    squares_of_first: Floats
    images: int
    first: tuple[Bools, Bools]

    @property
    def difference(self) -> Floats:
        """Differences in mean accuracy, of shape (E,)."""
        means = self.runs.mean(axis=2)
        return np.asarray(means[:, 0] - means[:, 1])


def simulate(
    images: int,
    seeds: int,
    recipe_share: float,
    accuracies: tuple[float, float],
    spreads: tuple[float, float],
    experiments: int,
) -> Experiments:
    """Simulate two recipes on the same images.

    An image is classified correctly where the sum of four normal variables is above 0: the ease of
    the image, the recipe's effect on it, the run's effect on it, and the run's luck.

    Args:
        images: Number of images per experiment.
        seeds: Number of runs per recipe.
        recipe_share: Share of the variance that is specific to a recipe.
        accuracies: Mean accuracies over all images and seeds.
        spreads: Standard deviations of the true accuracy over seeds.
        experiments: Number of experiments.
    """
    rng = np.random.default_rng([images, seeds, round(1000 * recipe_share)])
    batch = max(1, BATCH // (images * seeds))
    batches = []
    for start in range(0, experiments, batch):
        size = min(batch, experiments - start)
        correct = list(_draw(rng, (size, seeds, images), recipe_share, accuracies, spreads))
        batches.append(_summary(correct[0], correct[1]))
    columns = [np.concatenate(column) for column in zip(*(b[:4] for b in batches), strict=True)]
    return Experiments(*columns, images, batches[0][4])


def _draw(
    rng: np.random.Generator,
    shape: tuple[int, int, int],
    recipe_share: float,
    accuracies: tuple[float, float],
    spreads: tuple[float, float],
) -> Iterator[Bools]:
    """Yield the correct predictions of both recipes, of shape (experiments, seeds, images)."""
    size, seeds, images = shape

    def normal(rows: int, columns: int, share: float) -> Floats:
        drawn = rng.standard_normal((size, rows, columns), dtype=np.float32)
        return drawn * np.float32(share**0.5)

    ease = normal(1, images, 1 - recipe_share - NOISE)
    for accuracy, spread in zip(accuracies, spreads, strict=True):
        z = float(norm.ppf(accuracy))
        luck = spread / float(norm.pdf(z))
        scores = ease + normal(1, images, recipe_share) + normal(seeds, images, NOISE)
        scores += normal(seeds, 1, 1.0) * np.float32(luck)
        yield scores > -np.float32(z * (1 + luck**2) ** 0.5)


def _summary(a: Bools, b: Bools) -> tuple[Floats, Floats, Floats, Floats, tuple[Bools, Bools]]:
    seeds, images = a.shape[1:]
    runs = np.stack([a.mean(axis=2), b.mean(axis=2)], axis=1)
    counts = [correct.sum(axis=1, dtype=np.int8).astype(np.float32) for correct in (a, b)]
    pairs = max(1, seeds * (seeds - 1))
    noise = [(count * (seeds - count)).mean(axis=1) / pairs / images for count in counts]
    squares = (((counts[0] - counts[1]) / seeds) ** 2).mean(axis=1)
    squares_of_first = ((counts[0] / seeds) ** 2).mean(axis=1)
    return runs, np.stack(noise, axis=1), squares, squares_of_first, (a[0], b[0])


@dataclass(frozen=True)
class Intervals:
    """Estimates, standard errors and degrees of freedom of E experiments, each of shape (E,)."""

    estimate: Floats
    error: Floats
    freedom: Floats


def difference_intervals(data: Experiments, noise_weight: float = 1.0) -> Intervals:
    """Return the intervals of a difference, as `recipe_test` computes them.

    Args:
        data: The experiments.
        noise_weight: Weight of the noise in the degrees of freedom. `recipe_test` uses 1.
    """
    seeds = data.runs.shape[2]
    n, estimate = data.images, data.difference
    # Two pseudo-observations with squares of 1/2 and a mean of 0.
    squares = (data.squares * n + 1) / (n + 2)
    over_images = (squares - (estimate * n / (n + 2)) ** 2) / n
    over_seeds = data.runs.var(axis=2, ddof=1) / seeds
    noise = data.noise.sum(axis=1) / seeds
    return _intervals(estimate, over_images, over_seeds, noise, noise_weight, data)


def accuracy_parts(data: Experiments, noise_weight: float, pseudo: int = 1) -> Intervals:
    """Return the intervals of the accuracy of the first recipe, before log-odds.

    Args:
        data: The experiments.
        noise_weight: Weight of the noise in the degrees of freedom.
        pseudo: Number of correct and of incorrect pseudo-observations.
    """
    seeds, n = data.runs.shape[2], data.images
    mean = data.runs[:, 0].mean(axis=1)
    shrunk = (mean * n + pseudo) / (n + 2 * pseudo)
    squares = (data.squares_of_first * n + pseudo) / (n + 2 * pseudo)
    over_images = (squares - shrunk**2) / n
    over_seeds = data.runs[:, :1].var(axis=2, ddof=1) / seeds
    noise = data.noise[:, 0] / seeds
    return _intervals(mean, over_images, over_seeds, noise, noise_weight, data)


def _intervals(
    estimate: Floats,
    over_images: Floats,
    over_seeds: Floats,
    noise: Floats,
    noise_weight: float,
    data: Experiments,
) -> Intervals:
    noise = np.minimum(noise, over_images)
    seeds_part = over_seeds.sum(axis=1)
    excess = np.maximum(0, seeds_part - noise)
    total = over_images + excess
    uncertain = excess + noise_weight * np.minimum(seeds_part, noise)
    scale = uncertain / np.maximum(seeds_part, 1e-300)
    freedom_of_one = data.runs.shape[2] - 1
    squares = over_images**2 / (data.images - 1)
    squares += ((scale[:, None] * over_seeds) ** 2).sum(axis=1) / freedom_of_one
    return Intervals(estimate, total**0.5, total**2 / squares)


def bounds_of_accuracy(data: Experiments, *, is_before: bool) -> tuple[Floats, Floats]:
    """Return the intervals of the accuracy of the first recipe, as `accuracy_interval` does."""
    seeds, n = data.runs.shape[2], data.images
    is_linear = is_before and seeds == 2
    pseudo = 2 if is_linear else 1
    parts = accuracy_parts(data, 1.0 if is_before else 2.0, pseudo)
    freedom = parts.freedom if is_before else np.maximum(2, parts.freedom)
    margin = t.ppf(0.975, freedom) * parts.error
    mean = parts.estimate
    if is_linear:
        return mean - margin, mean + margin

    shrunk = (mean * n + pseudo) / (n + 2 * pseudo)
    margin = margin / (shrunk * (1 - shrunk))
    low, high = expit(logit(shrunk) - margin), expit(logit(shrunk) + margin)
    return np.minimum(mean, low), np.maximum(mean, high)


def coverage(experiments: int) -> None:
    """Print the coverage of all intervals, and the width of those of a difference."""
    error = (0.95 * 0.05 / experiments) ** 0.5
    print(
        f"{experiments:,} experiments per cell; standard error {error:.1%} where coverage is 95%\n"
    )
    _print_coverage_of_single_runs(experiments)
    _print_coverage_of_accuracies(experiments)
    _print_coverage_of_differences(experiments)


def _print_header(*columns: str) -> None:
    shapes = [f"{n:,}: {accuracy:.0%}" for n, accuracy in SHAPES]
    print("|", *(f"{column} |" for column in (*columns, *shapes)))
    print("|---" * (len(columns) + len(SHAPES)) + "|")


def _cell(share: float) -> str:
    return f"{share:.1%}" if 0.93 <= share <= 0.97 else f"**{share:.1%}**"


def _print_coverage_of_single_runs(experiments: int) -> None:
    _print_header("interval of one run", "recipes")
    for recipe_share, alike in ((None, ""), (SIMILAR, "similar"), (DIFFERENT, "different")):
        cells = []
        for n, accuracy in SHAPES:
            pair = (accuracy, accuracy - DIFFERENCE)
            share = DIFFERENT if recipe_share is None else recipe_share
            data = simulate(n, 1, share, pair, (0.0, 0.0), experiments)
            if recipe_share is None:
                low, high = _wilson(data)
                cells.append(((low <= accuracy) & (accuracy <= high)).mean())
            else:
                cells.append(_coverage_of_bootstrap(data))
        of = "accuracy" if recipe_share is None else "difference"
        print(f"| {of} | {alike} |", *(f"{_cell(cell)} |" for cell in cells), flush=True)
    print()


def _wilson(data: Experiments) -> tuple[Floats, Floats]:
    n, mean = data.images, data.runs[:, 0, 0]
    z = float(norm.ppf(0.975))
    centre = (mean + z**2 / (2 * n)) / (1 + z**2 / n)
    margin = z / (1 + z**2 / n) * np.sqrt(mean * (1 - mean) / n + (z / (2 * n)) ** 2)
    expected = wilson_interval(int(data.first[0].sum()), n)
    assert np.allclose((centre[0] - margin[0], centre[0] + margin[0]), expected)
    return centre - margin, centre + margin


def _coverage_of_bootstrap(data: Experiments) -> float:
    """Return the coverage of `paired_bootstrap`, which depends on the two discordant counts."""
    n = data.images
    only_a = np.rint((data.squares + data.difference) * n / 2).astype(int)
    only_b = np.rint((data.squares - data.difference) * n / 2).astype(int)
    counts, times = np.unique(np.stack([only_a, only_b], axis=1), axis=0, return_counts=True)
    covered = 0
    for (a, b), number in zip(counts, times, strict=True):
        images = np.arange(n)
        low, high = paired_bootstrap(images < a, (images >= a) & (images < a + b), resamples=2000)
        covered += number * (low <= DIFFERENCE <= high)
    return covered / len(only_a)


def _print_coverage_of_accuracies(experiments: int) -> None:
    _print_header("accuracy, seeds", "SD over seeds", "")
    for seeds, spread in product(SEEDS, SPREADS):
        rows: dict[bool, list[float]] = {True: [], False: []}
        for n, accuracy in SHAPES:
            pair = (accuracy, accuracy - DIFFERENCE)
            data = simulate(n, seeds, DIFFERENT, pair, (spread, spread), experiments)
            for is_before, row in rows.items():
                low, high = bounds_of_accuracy(data, is_before=is_before)
                row.append(float(((low <= accuracy) & (accuracy <= high)).mean()))
            assert np.allclose((low[0], high[0]), accuracy_interval(data.first[0]))
        for is_before, row in rows.items():
            when = "before" if is_before else "now"
            cells = [f"{_cell(cell)} |" for cell in row]
            print(f"| {seeds} | {spread:.1%} | {when} |", *cells, flush=True)
    print()


def _print_coverage_of_differences(experiments: int) -> None:
    _print_header("difference, seeds", "recipes", "SD over seeds", "")
    kinds = ((SIMILAR, "similar"), (DIFFERENT, "different"))
    spreads = ((0.0, 0.0), (0.005, 0.005), (0.005, 0.0))
    for seeds, (recipe_share, alike), pair in product(SEEDS, kinds, spreads):
        rows: dict[str, list[str]] = {}
        for n, accuracy in SHAPES:
            accuracies = (accuracy, accuracy - DIFFERENCE)
            data = simulate(n, seeds, recipe_share, accuracies, pair, experiments)
            _check_difference(data)
            oracle = 1.96 * float(data.difference.std())
            for when, weight in (("used", 1.0), ("rejected", REJECTED_WEIGHT / seeds)):
                parts = difference_intervals(data, weight)
                margin = t.ppf(0.975, parts.freedom) * parts.error
                covered = (np.abs(parts.estimate - DIFFERENCE) <= margin).mean()
                rows.setdefault(when, []).append(_cell(float(covered)))
                ratio = float(np.median(margin)) / oracle
                rows.setdefault(f"width {when}", []).append(f"{ratio:.2f}")
        spread = f"{pair[0]:.1%}" if pair[0] == pair[1] else f"{pair[0]:.1%}, {pair[1]:.1%}"
        for when, cells in rows.items():
            print(
                f"| {seeds} | {alike} | {spread} | {when} |",
                *(f"{cell} |" for cell in cells),
                flush=True,
            )
    print()


def _check_difference(data: Experiments) -> None:
    """Stop if the formula here is not that of `recipe_test`."""
    test = recipe_test(*data.first)
    parts = difference_intervals(data)
    margin = t.ppf(0.975, parts.freedom[0]) * parts.error[0]
    low, high = parts.estimate[0] - margin, parts.estimate[0] + margin
    assert np.allclose((max(-1.0, low), min(1.0, high)), test.interval)


def power(experiments: int) -> None:
    """Print the smallest true difference below 90% that is significant in 80% of experiments.

    The last columns are the median minimum detectable effect that the tests report there.
    """
    print(
        "| images | seeds | SD over seeds | significant in 80%, before | now "
        "| effect reported before (median) | now |\n"
        "|---|---|---|---|---|---|---|"
    )
    for n in (300, 1000, 3000, 10_000):
        for seeds, spread in [(1, 0.0), *product(SEEDS, SPREADS)]:
            cells = []
            for is_before in (True, False):
                cells.append(_detected(n, seeds, spread, experiments, is_before=is_before))
            found = " | ".join(f"{100 * effect:.1f} points" for effect, _ in cells)
            reported = " | ".join(f"{100 * effect:.1f} points" for _, effect in cells)
            print(f"| {n:,} | {seeds} | {spread:.1%} | {found} | {reported} |", flush=True)


def _detected(
    n: int, seeds: int, spread: float, experiments: int, *, is_before: bool
) -> tuple[float, float]:
    low, high, reported = 0.0, 0.6, 0.0
    for _ in range(9):
        middle = (low + high) / 2
        pair = (0.9, 0.9 - middle)
        data = simulate(n, seeds, DIFFERENT, pair, (spread, spread), experiments)
        significant, effects = _significance(data, is_before=is_before)
        reported = float(np.median(effects))
        low, high = (low, middle) if significant.mean() >= POWER else (middle, high)
    return high, reported


def _significance(data: Experiments, *, is_before: bool) -> tuple[Bools, Floats]:
    """Return which experiments are significant at level 0.05, and the effects they report."""
    if data.runs.shape[2] == 1:
        return _significance_of_models(data, is_before=is_before)

    parts = difference_intervals(data)
    quantile = t.ppf(0.975, parts.freedom)
    significant = np.abs(parts.estimate) > quantile * parts.error
    if is_before:
        return significant, (quantile + t.ppf(POWER, parts.freedom)) * parts.error
    return significant, nctdtrinc(parts.freedom, 1 - POWER, quantile) * parts.error


def _significance_of_models(data: Experiments, *, is_before: bool) -> tuple[Bools, Floats]:
    n = data.images
    only_a = np.rint((data.squares + data.difference) * n / 2).astype(int)
    discordant = np.rint(data.squares * n).astype(int)
    exact, mid = mcnemar_p_values(only_a, discordant)
    form = "exact" if is_before else "mid-p"
    counts, inverse = np.unique(discordant, return_inverse=True)
    effects = [minimum_detectable_effect(int(d), n, form=form) for d in counts]
    p_values = exact if is_before else mid
    return p_values <= 0.05, np.array(effects)[inverse]


def mcnemar_p_values(
    only_a: NDArray[np.integer], discordant: NDArray[np.integer]
) -> tuple[Floats, Floats]:
    """Return the p-values of the exact and of the mid-p form."""
    smaller = np.minimum(only_a, discordant - only_a)
    tail = binom.cdf(smaller, discordant, 0.5)
    exact = np.minimum(1.0, 2 * tail)
    mid = np.minimum(1.0, 2 * tail - binom.pmf(smaller, discordant, 0.5))
    return exact, mid


def mcnemar(experiments: int) -> None:
    """Print how often two equally accurate models are called different."""
    error = (0.05 * 0.95 / experiments) ** 0.5
    print(f"{experiments:,} pairs per row; standard error {error:.2%} at 5%\n")
    print("| images | disagree on | exact | mid-p | exact, level 0.01 | mid-p, level 0.01 |")
    print("|---|---|---|---|---|---|")
    rng = np.random.default_rng(0)
    for n, share in product((100, 270, 1000, 10_000), (0.02, 0.05, 0.1, 0.3)):
        discordant = rng.binomial(n, share, experiments)
        only_a = rng.binomial(discordant, 0.5)
        exact, mid = mcnemar_p_values(only_a, discordant)
        _check_mcnemar(int(only_a[0]), int(discordant[0]), n, float(mid[0]))
        cells = [(p <= level).mean() for level in (0.05, 0.01) for p in (exact, mid)]
        print(f"| {n:,} | {share:.0%} |", *(f"{cell:.2%} |" for cell in cells))


def _check_mcnemar(only_a: int, discordant: int, n: int, expected: float) -> None:
    images = np.arange(n)
    a, b = images < only_a, (images >= only_a) & (images < discordant)
    assert np.isclose(mid_p_mcnemar(a, b).p_value, expected)


def pooling(experiments: int) -> None:
    """Print coverage and family-wise errors in grids of eight recipes that share a variance."""
    rows: dict[str, tuple[list[float], float]] = {
        "all 0.0%": ([0.0] * 8, 0.0),
        "all 0.5%": ([0.005] * 8, 0.0),
        "the last one 1.5%": ([0.005] * 7 + [0.015], 0.0),
        "from 0.2 to 1.0%": ([0.002] * 3 + [0.005] * 3 + [0.01] * 2, 0.0),
        "all 0.5%, the last one 1.5 points worse": ([0.005] * 8, 0.015),
    }
    print(
        "| SD over seeds | seeds | coverage of the last, alone | pooled before | pooled now "
        "| any significant, alone | before | now |\n|---|---|---|---|---|---|---|---|"
    )
    for name, (spreads, effect) in rows.items():
        for seeds in SEEDS:
            data = _grid(seeds, spreads, effect, experiments)
            results = [_tests_of_grid(*data, pool) for pool in (_alone, _before, _now)]
            covered = " | ".join(f"{share:.1%}" for share, _ in results)
            found = " | ".join(f"{share:.1%}" for _, share in results)
            print(f"| {name} | {seeds} | {covered} | {found} |", flush=True)


_GRID_IMAGES = 5000


def _grid(
    seeds: int, spreads: list[float], effect: float, experiments: int
) -> tuple[Floats, Floats, Floats, float]:
    """Return accuracies, noise and squared differences of grids, and the true last difference."""
    rng = np.random.default_rng([seeds, round(1e4 * sum(spreads))])
    images, recipes = _GRID_IMAGES, len(spreads)
    accuracies = [0.9] * (recipes - 1) + [0.9 - effect]
    runs, noise, squares = [], [], []
    for _ in range(experiments):
        ease = rng.standard_normal(images, dtype=np.float32) * np.float32(
            (1 - DIFFERENT - NOISE) ** 0.5
        )
        counts = []
        for accuracy, spread in zip(accuracies, spreads, strict=True):
            z = float(norm.ppf(accuracy))
            luck = spread / float(norm.pdf(z))
            scores = rng.standard_normal((seeds, images), dtype=np.float32) * np.float32(NOISE**0.5)
            scores += ease + rng.standard_normal(images, dtype=np.float32) * np.float32(
                DIFFERENT**0.5
            )
            scores += np.float32(luck) * rng.standard_normal((seeds, 1), dtype=np.float32)
            correct = scores > -np.float32(z * (1 + luck**2) ** 0.5)
            runs.append(correct.mean(axis=1))
            counts.append(correct.sum(axis=0, dtype=np.float32))
            pairs = seeds * (seeds - 1) * images
            noise.append((counts[-1] * (seeds - counts[-1])).mean() / pairs)
        squares.append([(((count - counts[0]) / seeds) ** 2).mean() for count in counts[1:]])
    shape = (experiments, recipes)
    return (
        np.reshape(runs, (*shape, seeds)),
        np.reshape(noise, shape),
        np.array(squares),
        -effect,
    )


_Pool = Callable[[Floats, float], tuple[Floats, Floats]]


def _alone(variances: Floats, freedom: float) -> tuple[Floats, Floats]:
    return variances, np.full_like(variances, freedom)


def _pooled(variances: Floats, freedom: float) -> tuple[Floats, float]:
    median = np.median(variances, axis=1, keepdims=True)
    return median * freedom / chi2.ppf(0.5, freedom), 0.64 * variances.shape[1] * freedom


def _before(variances: Floats, freedom: float) -> tuple[Floats, Floats]:
    pooled, pooled_freedom = _pooled(variances, freedom)
    is_outlier = variances * freedom > chi2.ppf(0.999, freedom) * pooled
    return (
        np.where(is_outlier, variances, pooled),
        np.where(is_outlier, freedom, pooled_freedom),
    )


def _now(variances: Floats, freedom: float) -> tuple[Floats, Floats]:
    pooled, pooled_freedom = _pooled(variances, freedom)
    total = pooled_freedom + freedom
    moderated = (pooled_freedom * pooled + freedom * variances) / total
    is_raised = variances <= moderated
    weakened = freedom + pooled_freedom * pooled / np.maximum(variances, 1e-300)
    return np.maximum(variances, moderated), np.where(is_raised, total, weakened)


def _tests_of_grid(
    runs: Floats, noise: Floats, squares: Floats, truth: float, pool: _Pool
) -> tuple[float, float]:
    """Return the coverage of the last difference, and how often Holm finds any."""
    seeds, n = runs.shape[2], _GRID_IMAGES
    variances, freedom = pool(runs.var(axis=2, ddof=1), seeds - 1.0)
    means = runs.mean(axis=2)
    differences = means[:, 1:] - means[:, :1]
    over_images = (squares * n + 1) / (n + 2) - (differences * n / (n + 2)) ** 2
    over_images /= n

    over_seeds = np.stack([variances[:, 1:], variances[:, :1] + 0 * differences]) / seeds
    freedoms = np.stack([freedom[:, 1:], freedom[:, :1] + 0 * differences])
    shared = np.minimum((noise[:, 1:] + noise[:, :1]) / seeds, over_images)
    total = over_images + np.maximum(0, over_seeds.sum(axis=0) - shared)
    spread = over_images**2 / (n - 1) + (over_seeds**2 / freedoms).sum(axis=0)
    strict = total**2 / spread
    ratio = np.abs(differences) / total**0.5
    p_values = 2 * t.sf(ratio, strict)
    covered = np.abs(differences - truth)[:, -1] <= (t.ppf(0.975, strict) * total**0.5)[:, -1]
    significant = p_values.min(axis=1) <= 0.05 / p_values.shape[1]
    return float(covered.mean()), float(significant.mean())
