"""Measure false positives, coverage and power of the statistics in `headstart.evaluation`.

    python benchmarks/evidence.py coverage
    python benchmarks/evidence.py power
    python benchmarks/evidence.py crossing
    python benchmarks/evidence.py aa

`coverage`, `power` and `crossing` simulate a population of images and runs whose true accuracies
are known; `aa` trains. Each prints a Markdown table, and evidence.md holds the results. `crossing`
takes about five minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

import headstart
from headstart import store
from headstart.data import SplitDataset
from headstart.evaluation import (
    CurveComparison,
    accuracy_interval,
    compare_curves,
    exact_mcnemar,
    minimum_detectable_effect,
    paired_bootstrap,
    recipe_test,
    verdict,
    wilson_interval,
)
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, read_correct, train

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]
# Shares of the variance that decides whether an image is classified correctly.
SIMILAR, DIFFERENT = 0.02, 0.15  # specific to a recipe; SIMILAR: variants of one recipe
NOISE = 0.15  # specific to a run: two runs at 90% disagree on 7% of the images
SPREADS = (0.0, 0.005)  # standard deviation of the true accuracy of runs of one recipe
POWER = 0.8
LABELS = (10, 30, 100, 300, 1000)  # per class
SLOW, QUICK = 0.10 + 0.25 * np.log10(LABELS), 0.45 + 0.10 * np.log10(LABELS)
CROSSING = 10 ** (0.35 / 0.15)  # labels where these two lines cross
# Labels that SLOW needs for the accuracy that QUICK has with the fewest labels.
MATCH = 10 ** (0.45 / 0.25)
CURVE_SPREADS = (0.0, 0.02)  # larger than SPREADS: each seed draws its own labelled images
CURVE_IMAGES = 2000
AA_TEST_SHARE = 0.5  # 898 test images: with the usual 270, hardly any difference is significant


class Population:
    """Simulated images and runs of two recipes whose true accuracies have a closed form.

    An image is classified correctly where the sum of four normal variables is above 0: the ease of
    the image, the recipe's effect on it, the run's effect on it, and the run's luck.
    """

    def __init__(self, rng: np.random.Generator, seeds: int, n: int, recipe_share: float) -> None:
        def normal(rows: int, columns: int, share: float) -> Floats:
            return rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(share**0.5)

        ease = normal(1, n, 1 - recipe_share - NOISE)
        self.scores = [ease + normal(1, n, recipe_share) + normal(seeds, n, NOISE) for _ in "ab"]
        self.luck = [normal(seeds, 1, 1.0) for _ in "ab"]

    def correct(self, which: int, accuracy: float, spread: float) -> Bools:
        """Return which images each run of recipe 0 or 1 classifies correctly.

        Args:
            which: Recipe 0 or 1.
            accuracy: Mean accuracy over all images and seeds.
            spread: Standard deviation of the true accuracy over seeds.

        Returns:
            Boolean array of shape (seeds, n).
        """
        z = norm.ppf(accuracy)
        luck = spread / norm.pdf(z)
        return np.asarray(
            self.scores[which] + self.luck[which] * luck + z * (1 + luck**2) ** 0.5 > 0
        )


def coverage(experiments: int) -> None:
    """Print the share of experiments whose 95% interval contains the true value.

    The true difference between two recipes is one point.
    """
    shapes = list(product((300, 1000, 10_000), (0.6, 0.9, 0.99)))
    kinds: list[tuple[str, int, float, float]] = [("accuracy", 1, DIFFERENT, 0.0)]
    for seeds in (2, 3, 5):
        kinds += [("accuracy", seeds, DIFFERENT, spread) for spread in SPREADS]
    kinds += [("difference", 1, recipe_share, 0.0) for recipe_share in (SIMILAR, DIFFERENT)]
    for seeds in (2, 3, 5):
        for recipe_share in (SIMILAR, DIFFERENT):
            kinds += [("difference", seeds, recipe_share, spread) for spread in SPREADS]
    error = (0.95 * 0.05 / experiments) ** 0.5
    print(
        f"{experiments:,} experiments per cell; standard error {error:.1%} where coverage is 95%\n"
    )
    print(
        "| interval of | seeds | recipes | SD over seeds |",
        *(f"{n:,}: {accuracy:.0%} |" for n, accuracy in shapes),
    )
    print("|---" * (4 + len(shapes)) + "|")
    for number, (of, seeds, recipe_share, spread) in enumerate(kinds):
        cells = [
            covered(of, seeds, recipe_share, spread, n, accuracy, experiments, number)
            for n, accuracy in shapes
        ]
        marked = (f"{cell:.1%}" if 0.93 <= cell <= 0.97 else f"**{cell:.1%}**" for cell in cells)
        alike = "similar" if recipe_share == SIMILAR else "different"
        if of == "accuracy":
            alike = ""
        print(
            f"| {of} | {seeds} | {alike} | {spread:.1%} |",
            *(f"{cell} |" for cell in marked),
            flush=True,
        )


def covered(
    of: str,
    seeds: int,
    recipe_share: float,
    spread: float,
    n: int,
    accuracy: float,
    experiments: int,
    seed: int,
) -> float:
    """Return the share of experiments whose 95% interval contains the true value."""
    rng = np.random.default_rng([seed, n, round(1000 * accuracy)])
    hits = 0
    for _ in range(experiments):
        population = Population(rng, seeds, n, recipe_share)
        a = population.correct(0, accuracy, spread)
        b = population.correct(1, accuracy - 0.01, spread)

        truth = accuracy if of == "accuracy" else 0.01
        if of == "accuracy":
            low, high = accuracy_interval(a)
        elif seeds == 1:
            low, high = paired_bootstrap(a, b, resamples=2000)
        else:
            low, high = recipe_test(a, b).interval
        hits += low <= truth <= high
    return hits / experiments


def power(experiments: int) -> None:
    """Print the smallest true difference below 90% that is significant in 80% of experiments.

    The last column is the minimum detectable effect that the tests themselves report.
    """
    print(
        "| images | seeds | SD over seeds | significant in 80% "
        "| minimum detectable effect reported (median) |\n"
        "|---|---|---|---|---|"
    )
    for n in (300, 1000, 3000, 10_000):
        for seeds, spread in [(1, 0.0), *product((2, 3, 5), SPREADS)]:
            low, high, reported = 0.0, 0.6, 0.0
            for _ in range(9):
                middle = (low + high) / 2
                share, reported = _share_significant(n, seeds, spread, middle, experiments)
                low, high = (low, middle) if share >= POWER else (middle, high)
            print(
                f"| {n:,} | {seeds} | {spread:.1%} "
                f"| {100 * high:.1f} points | {100 * reported:.1f} points |",
                flush=True,
            )


def _share_significant(
    n: int, seeds: int, spread: float, difference: float, experiments: int
) -> tuple[float, float]:
    """Return the share of experiments with p <= 0.05 and the median minimum detectable effect.

    The experiments are the same for every difference.
    """
    rng = np.random.default_rng([n, seeds])
    p_values, reported = [], []
    for _ in range(experiments):
        population = Population(rng, seeds, n, DIFFERENT)
        a, b = population.correct(0, 0.9, spread), population.correct(1, 0.9 - difference, spread)
        if seeds == 1:
            test = exact_mcnemar(a[0], b[0])
            p_values.append(test.p_value)
            reported.append(minimum_detectable_effect(test.only_a + test.only_b, n))
        else:
            difference_test = recipe_test(a, b)
            p_values.append(difference_test.p_value)
            reported.append(difference_test.smallest_detectable)
    return float(np.mean(np.array(p_values) <= 0.05)), float(np.median(reported))


def crossing(studies: int) -> None:
    """Print the share of simulated label studies whose 95% intervals contain the true values.

    The values are the crossing of two curves and the number of labels that matches.
    """
    error = (0.95 * 0.05 / studies) ** 0.5
    print(f"{studies:,} studies per row; standard error {error:.1%} where coverage is 95%\n")
    print("| seeds | SD over seeds | crossing | labels to match |\n|---|---|---|---|")
    for spread in CURVE_SPREADS:
        for seeds in (2, 3, 5):
            covered = [
                _are_covered(np.random.default_rng([study, seeds]), seeds, spread)
                for study in range(studies)
            ]
            shares = np.mean(covered, axis=0)
            print(
                f"| {seeds} | {spread:.1%} |", *(f"{share:.1%} |" for share in shares), flush=True
            )


def _are_covered(rng: np.random.Generator, seeds: int, spread: float) -> list[bool]:
    """Return whether the intervals of one study contain the true crossing and the true match."""
    pair = _study(rng, seeds, spread)
    estimates = ((pair.crossing(), CROSSING), (pair.matching(0), MATCH))
    return [estimate.interval[0] <= truth <= estimate.interval[1] for estimate, truth in estimates]


def _study(rng: np.random.Generator, seeds: int, spread: float) -> CurveComparison:
    """Simulate two curves on the same images.

    The run's effect on an image and its luck are drawn separately for each number of labels.
    """

    def normal(points: int, rows: int, columns: int, share: float) -> Floats:
        return rng.standard_normal((points, rows, columns), dtype=np.float32) * np.float32(
            share**0.5
        )

    ease, curves = normal(1, 1, CURVE_IMAGES, 1 - DIFFERENT - NOISE), []
    for accuracies in (QUICK, SLOW):
        z = norm.ppf(accuracies)[:, None, None]
        luck = spread / norm.pdf(z)
        run = normal(len(LABELS), seeds, CURVE_IMAGES, NOISE) + luck * normal(
            len(LABELS), seeds, 1, 1.0
        )
        curves.append(
            ease + normal(1, 1, CURVE_IMAGES, DIFFERENT) + run + z * (1 + luck**2) ** 0.5 > 0
        )
    return compare_curves(LABELS, *curves)


def train_pool(path: Path, runs: int, epochs: float) -> Bools:
    """Train `cnn` on `digits` with seeds from 0, and return which test images are correct.

    Training resumes where it stopped. The result is a boolean array of shape (runs, images).
    """
    dataset = headstart.load("digits")
    split = headstart.split(dataset, test=AA_TEST_SHARE, validation=0)
    recipe = make_recipe("cnn", {"epochs": epochs})
    rows: list[Bools] = []
    if path.exists():
        with np.load(path) as saved:
            if str(saved["recipe"]) != recipe.digest:
                raise SystemExit(f"{path} contains runs of another recipe. Choose another --pool.")
            rows = list(saved["correct"])
    while len(rows) < runs:
        with tempfile.TemporaryDirectory() as folder:
            train(
                TrainingJob(recipe, SplitDataset(dataset, split), len(rows), Path(folder) / "run")
            )
            rows.append(read_correct(Path(folder) / "run", "test"))
        if len(rows) % 20 == 0 or len(rows) == runs:
            content = io.BytesIO()
            np.savez(content, correct=np.stack(rows), recipe=recipe.digest)
            store.write_bytes(path, content.getvalue())
    return np.stack(rows[:runs])


def aa(path: Path, runs: int, epochs: float, pairs: int) -> None:
    """Print how often a recipe, entered twice with other seeds, is called better than itself."""
    pool = train_pool(path, runs, epochs)
    accuracies = pool.mean(axis=1)
    print(
        f"{len(pool)} runs of {epochs:g} epochs, {pool.shape[1]} test images: "
        f"accuracy {accuracies.mean():.2%}, "
        f"standard deviation over seeds {accuracies.std(ddof=1):.2%}\n"
    )
    print(
        "| runs per side | each run is used | verdict about | `better` in | rate "
        "| 95% interval of the rate |\n"
        "|---|---|---|---|---|---|"
    )
    for seeds in (1, 2, 3):
        times = -(-pairs * 2 * seeds // len(pool))
        order = np.concatenate(
            [np.random.default_rng([seeds, time]).permutation(len(pool)) for time in range(times)]
        )
        verdicts = [
            verdict({"cnn": pool[group[:seeds]], "cnn again": pool[group[seeds:]]})
            for group in order[: pairs * 2 * seeds].reshape(pairs, 2 * seeds)
        ]
        better = sum(pair_verdict.winner is not None for pair_verdict in verdicts)
        low, high = wilson_interval(better, pairs)
        used = "once" if times == 1 else f"up to {times} times"
        print(
            f"| {seeds} | {used} | {verdicts[0].about} | {better} of {pairs} "
            f"| {better / pairs:.1%} | {low:.1%} to {high:.1%} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    aa_parser = verbs.add_parser("aa")
    aa_parser.add_argument("--runs", type=int, default=1200)
    aa_parser.add_argument("--epochs", type=float, default=2)
    aa_parser.add_argument("--pairs", type=int, default=200)
    aa_parser.add_argument("--pool", type=Path, default=Path("runs/aa.npz"))
    for verb, experiments in (("coverage", 1000), ("power", 200), ("crossing", 300)):
        verbs.add_parser(verb).add_argument("--experiments", type=int, default=experiments)
    args = parser.parse_args()
    if args.verb == "coverage":
        return coverage(args.experiments)
    if args.verb == "power":
        return power(args.experiments)
    if args.verb == "crossing":
        return crossing(args.experiments)
    return aa(args.pool, args.runs, args.epochs, args.pairs)


if __name__ == "__main__":
    main()
