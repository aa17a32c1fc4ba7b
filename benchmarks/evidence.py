"""Evidence on the evidence: do intervals cover, what do the tests find, and how often is a recipe called better than itself?

    python benchmarks/evidence.py coverage
    python benchmarks/evidence.py power
    python benchmarks/evidence.py crossing
    python benchmarks/evidence.py aa

`coverage`, `power` and `crossing` simulate a population of images and runs whose true accuracies are known; `aa` trains. Each
prints a Markdown table; evidence.md holds them. `crossing` takes about five minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

import headstart
from headstart import store
from headstart.evaluation import (
    CurvePair,
    accuracy_interval,
    curve_pair,
    exact_mcnemar,
    paired_bootstrap,
    recipe_test,
    smallest_detectable,
    verdict,
    wilson_interval,
)
from headstart.models.recipes import make_recipe
from headstart.training import read_correct, train

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]
NEAR, FAR = (
    0.02,
    0.15,
)  # share of a recipe's own taste in images in what decides; NEAR: variants of one recipe
NOISE = (
    0.15  # share that no seed shares with another: two runs at 90% disagree about 7% of the images
)
SPREADS = (0.0, 0.005)  # standard deviation of the true accuracy of runs of one recipe
POWER = 0.8
LABELS = (10, 30, 100, 300, 1000)  # a class
SLOW, QUICK = 0.10 + 0.25 * np.log10(LABELS), 0.45 + 0.10 * np.log10(LABELS)
CROSSING = 10 ** (0.35 / 0.15)  # of these lines
MATCH = 10 ** (0.45 / 0.25)  # labels that SLOW needs for what QUICK has with the fewest
CURVE_SPREADS = (0.0, 0.02)  # of learning curves: each seed draws labelled images of its own
CURVE_IMAGES = 2000
AA_TEST_SHARE = 0.5  # 898 test images: on the usual 270 hardly anything could be shown


class Population:
    """Images and runs of two recipes: an image is right where a sum of normal numbers is above 0, so truths are closed forms.

    The sum is that of the image's ease, the recipe's taste in images, what the run makes of the image, and the run's luck.
    """

    def __init__(self, rng: np.random.Generator, seeds: int, n: int, taste: float) -> None:
        def normal(rows: int, columns: int, share: float) -> Floats:
            return rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(share**0.5)

        ease = normal(1, n, 1 - taste - NOISE)
        self.scores = [ease + normal(1, n, taste) + normal(seeds, n, NOISE) for _ in "ab"]
        self.luck = [normal(seeds, 1, 1.0) for _ in "ab"]

    def correct(self, which: int, accuracy: float, spread: float) -> Bools:
        """`(seeds, n)` of recipe 0 or 1, whose runs have this accuracy on average over all images and seeds."""
        z = norm.ppf(accuracy)
        luck = spread / norm.pdf(z)
        return np.asarray(
            self.scores[which] + self.luck[which] * luck + z * (1 + luck**2) ** 0.5 > 0
        )


def coverage(experiments: int) -> None:
    """Share of experiments whose 95% interval holds the truth; the difference of two recipes is one point."""
    shapes = [(n, accuracy) for n in (300, 1000, 10_000) for accuracy in (0.6, 0.9, 0.99)]
    kinds: list[tuple[str, int, float, float]] = [("accuracy", 1, FAR, 0.0)]
    kinds += [("accuracy", seeds, FAR, spread) for seeds in (2, 3, 5) for spread in SPREADS]
    kinds += [("difference", 1, taste, 0.0) for taste in (NEAR, FAR)]
    kinds += [
        ("difference", seeds, taste, spread)
        for seeds in (2, 3, 5)
        for taste in (NEAR, FAR)
        for spread in SPREADS
    ]
    print(
        f"{experiments:,} experiments a cell; standard error {(0.95 * 0.05 / experiments) ** 0.5:.1%} where coverage is 95%\n"
    )
    print(
        "| of | seeds | recipes | spread |", *(f"{n:,}: {accuracy:.0%} |" for n, accuracy in shapes)
    )
    print("|---" * (4 + len(shapes)) + "|")
    for number, (of, seeds, taste, spread) in enumerate(kinds):
        cells = [
            covered(of, seeds, taste, spread, n, accuracy, experiments, number)
            for n, accuracy in shapes
        ]
        marked = (f"{cell:.1%}" if 0.93 <= cell <= 0.97 else f"**{cell:.1%}**" for cell in cells)
        alike = "" if of == "accuracy" else "near" if taste == NEAR else "far"
        print(
            f"| {of} | {seeds} | {alike} | {spread:.1%} |",
            *(f"{cell} |" for cell in marked),
            flush=True,
        )


def covered(
    of: str,
    seeds: int,
    taste: float,
    spread: float,
    n: int,
    accuracy: float,
    experiments: int,
    seed: int,
) -> float:
    rng = np.random.default_rng([seed, n, round(1000 * accuracy)])
    hits = 0
    for _ in range(experiments):
        population = Population(rng, seeds, n, taste)
        a, b = (
            population.correct(0, accuracy, spread),
            population.correct(1, accuracy - 0.01, spread),
        )
        if of == "accuracy":
            (low, high), truth = accuracy_interval(a), accuracy
        else:
            low, high = (
                paired_bootstrap(a, b, resamples=2000) if seeds == 1 else recipe_test(a, b).interval
            )
            truth = 0.01
        hits += low <= truth <= high
    return hits / experiments


def power(experiments: int) -> None:
    """Smallest true difference below 90% that is shown in 80% of experiments, and what the tests themselves say of it."""
    print(
        "| images | seeds | spread | shown in 80% | the test says (median) |\n|---|---|---|---|---|"
    )
    for n in (300, 1000, 3000, 10_000):
        for seeds, spread in [
            (1, 0.0),
            *((seeds, spread) for seeds in (2, 3, 5) for spread in SPREADS),
        ]:
            low, high, said = 0.0, 0.6, 0.0
            for _ in range(9):
                middle = (low + high) / 2
                shown, said = _shown(n, seeds, spread, middle, experiments)
                low, high = (low, middle) if shown >= POWER else (middle, high)
            print(
                f"| {n:,} | {seeds} | {spread:.1%} | {100 * high:.1f} points | {100 * said:.1f} points |",
                flush=True,
            )


def _shown(
    n: int, seeds: int, spread: float, difference: float, experiments: int
) -> tuple[float, float]:
    """Share of the experiments (the same ones for every difference) that end with p <= 0.05; median smallest detectable."""
    rng = np.random.default_rng([n, seeds])
    p_values, said = [], []
    for _ in range(experiments):
        population = Population(rng, seeds, n, FAR)
        a, b = population.correct(0, 0.9, spread), population.correct(1, 0.9 - difference, spread)
        if seeds == 1:
            test = exact_mcnemar(a[0], b[0])
            p_values.append(test.p_value)
            said.append(smallest_detectable(test.only_a + test.only_b, n))
        else:
            found = recipe_test(a, b)
            p_values.append(found.p_value)
            said.append(found.smallest_detectable)
    return float(np.mean(np.array(p_values) <= 0.05)), float(np.median(said))


def crossing(studies: int) -> None:
    """Share of simulated studies of labels whose 95% intervals hold the true crossing, and the true labels that match."""
    print(
        f"{studies:,} studies a row; standard error {(0.95 * 0.05 / studies) ** 0.5:.1%} where coverage is 95%\n"
    )
    print("| seeds | spread | the crossing | labels that match |\n|---|---|---|---|")
    for spread in CURVE_SPREADS:
        for seeds in (2, 3, 5):
            held = np.mean(
                [
                    _holds(np.random.default_rng([study, seeds]), seeds, spread)
                    for study in range(studies)
                ],
                axis=0,
            )
            print(f"| {seeds} | {spread:.1%} |", *(f"{share:.1%} |" for share in held), flush=True)


def _holds(rng: np.random.Generator, seeds: int, spread: float) -> list[bool]:
    pair = _study(rng, seeds, spread)
    found = ((pair.crossing(), CROSSING), (pair.matching(0), MATCH))
    return [one.interval[0] <= truth <= one.interval[1] for one, truth in found]


def _study(rng: np.random.Generator, seeds: int, spread: float) -> CurvePair:
    """Two curves on the same images; what a run makes of an image, and its luck, are its own with each number of labels."""

    def normal(points: int, rows: int, columns: int, share: float) -> Floats:
        return rng.standard_normal((points, rows, columns), dtype=np.float32) * np.float32(
            share**0.5
        )

    ease, curves = normal(1, 1, CURVE_IMAGES, 1 - FAR - NOISE), []
    for accuracies in (QUICK, SLOW):
        z = norm.ppf(accuracies)[:, None, None]
        luck = spread / norm.pdf(z)
        run = normal(len(LABELS), seeds, CURVE_IMAGES, NOISE) + luck * normal(
            len(LABELS), seeds, 1, 1.0
        )
        curves.append(ease + normal(1, 1, CURVE_IMAGES, FAR) + run + z * (1 + luck**2) ** 0.5 > 0)
    return curve_pair(LABELS, *curves)


def train_pool(path: Path, runs: int, epochs: float) -> Bools:
    """`(runs, images)`: was the test image right, of `cnn` on `digits` under seeds from 0; goes on where it stopped."""
    dataset = headstart.load("digits")
    split = headstart.split(dataset, test=AA_TEST_SHARE, validation=0)
    recipe = make_recipe("cnn", {"epochs": epochs})
    rows: list[Bools] = []
    if path.exists():
        with np.load(path) as saved:
            if str(saved["recipe"]) != recipe.digest:
                raise SystemExit(f"{path} holds runs of another recipe; choose another --pool.")
            rows = list(saved["correct"])
    while len(rows) < runs:
        with tempfile.TemporaryDirectory() as folder:
            train(recipe, dataset, split, len(rows), Path(folder) / "run")
            rows.append(read_correct(Path(folder) / "run", "test"))
        if len(rows) % 20 == 0 or len(rows) == runs:
            content = io.BytesIO()
            np.savez(content, correct=np.stack(rows), recipe=recipe.digest)
            store.write_bytes(path, content.getvalue())
    return np.stack(rows[:runs])


def aa(path: Path, runs: int, epochs: float, pairs: int) -> None:
    """How often one recipe, entered twice under different seeds, is called better than itself."""
    pool = train_pool(path, runs, epochs)
    accuracies = pool.mean(axis=1)
    print(
        f"{len(pool)} runs of {epochs:g} epochs, {pool.shape[1]} test images: accuracy {accuracies.mean():.2%}, "
        f"spread over seeds {accuracies.std(ddof=1):.2%}\n"
    )
    print(
        "| runs a side | each run is used | about | `better` in | rate | 95% interval of the rate |\n|---|---|---|---|---|---|"
    )
    for seeds in (1, 2, 3):
        times = -(-pairs * 2 * seeds // len(pool))
        order = np.concatenate(
            [np.random.default_rng([seeds, time]).permutation(len(pool)) for time in range(times)]
        )
        found = [
            verdict({"cnn": pool[group[:seeds]], "cnn again": pool[group[seeds:]]})
            for group in order[: pairs * 2 * seeds].reshape(pairs, 2 * seeds)
        ]
        better = sum(one.winner is not None for one in found)
        low, high = wilson_interval(better, pairs)
        used = "once" if times == 1 else f"up to {times} times"
        print(
            f"| {seeds} | {used} | {found[0].about} | {better} of {pairs} | {better / pairs:.1%} | {low:.1%} to {high:.1%} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    asked = verbs.add_parser("aa")
    asked.add_argument("--runs", type=int, default=1200)
    asked.add_argument("--epochs", type=float, default=2)
    asked.add_argument("--pairs", type=int, default=200)
    asked.add_argument("--pool", type=Path, default=Path("runs/aa.npz"))
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
