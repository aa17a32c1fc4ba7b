"""Measure false positives, coverage and power of the statistics in `headstart.evaluation`.

    python benchmarks/evidence.py coverage
    python benchmarks/evidence.py power
    python benchmarks/evidence.py pooling
    python benchmarks/evidence.py mcnemar
    python benchmarks/evidence.py calibration
    python benchmarks/evidence.py overfitting
    python benchmarks/evidence.py crossing
    python benchmarks/evidence.py aa

All but `aa`, which trains, simulate images and runs whose true accuracies are known. Each prints a
Markdown table, and evidence.md holds the results. The first four are in evidence_intervals.py, and
the next two in evidence_calibration.py. `crossing` takes about five minutes on 2 cores.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

import evidence_calibration
import evidence_intervals
import numpy as np
from evidence_intervals import DIFFERENT, NOISE
from numpy.typing import NDArray
from scipy.stats import norm

import headstart
from headstart import store
from headstart.data import SplitDataset
from headstart.evaluation import (
    CurveComparison,
    compare_curves,
    verdict,
    wilson_interval,
)
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, read_correct, train

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]
LABELS = (10, 30, 100, 300, 1000)  # per class
SLOW, QUICK = 0.10 + 0.25 * np.log10(LABELS), 0.45 + 0.10 * np.log10(LABELS)
CROSSING = 10 ** (0.35 / 0.15)  # labels where these two lines cross
# Labels that SLOW needs for the accuracy that QUICK has with the fewest labels.
MATCH = 10 ** (0.45 / 0.25)
CURVE_SPREADS = (0.0, 0.02)  # each seed draws its own labelled images
CURVE_IMAGES = 2000
AA_TEST_SHARE = 0.5  # 898 test images: with the usual 270, hardly any difference is significant


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
    simulations = {
        "coverage": (evidence_intervals.coverage, 1000),
        "power": (evidence_intervals.power, 200),
        "pooling": (evidence_intervals.pooling, 400),
        "mcnemar": (evidence_intervals.mcnemar, 100_000),
        "calibration": (evidence_calibration.calibration, 40),
        "overfitting": (evidence_calibration.overfitting, 2000),
        "crossing": (crossing, 300),
    }
    for verb, (_, experiments) in simulations.items():
        verbs.add_parser(verb).add_argument("--experiments", type=int, default=experiments)
    args = parser.parse_args()
    if args.verb == "aa":
        return aa(args.pool, args.runs, args.epochs, args.pairs)
    simulate, _ = simulations[args.verb]
    return simulate(args.experiments)


if __name__ == "__main__":
    main()
