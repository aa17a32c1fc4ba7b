"""Measure the false alarms of `lr --folds` and `labels --folds`.

    python benchmarks/evidence_fold_studies.py rates
    python benchmarks/evidence_fold_studies.py labels

Recipes are equal: linear heads on views of the same simulated images, as in evidence_folds.py. Each
command prints a Markdown table, and evidence_folds.md holds the results.
"""

from __future__ import annotations

import argparse

import numpy as np
from evidence_folds import (
    FEATURES,
    LEVEL,
    SIGNAL,
    VIEW_NOISE,
    Bools,
    Floats,
    Ints,
    solve,
    stratified_folds,
)

from headstart.evaluation import comparisons_with_selected, fold_test

RATES = 6  # recipes of a study of learning rates
DESIGNS = ((60, 5, 1), (60, 5, 3), (300, 5, 1), (300, 5, 3), (300, 10, 1))
PER_CLASS = (5, 10, 20)


def draw_views(rng: np.random.Generator, n: int, views: int) -> tuple[Floats, Floats]:
    """Draw n images of two classes.

    Returns:
        Features of shape (views, n, features), and labels of shape (n,), -1 or 1 by turns.
    """
    labels = np.tile([-1.0, 1.0], n // 2)
    signal = SIGNAL * labels[:, None] + rng.standard_normal((n, FEATURES))
    return signal + VIEW_NOISE * rng.standard_normal((views, n, FEATURES)), labels


def out_of_fold(
    features: Floats,
    labels: Floats,
    fold_of: Ints,
    rng: np.random.Generator,
    per_class: int | None = None,
) -> Bools:
    """Return which images the heads of each view classify correctly, of shape (views, R, n).

    Args:
        features: Features of shape (views, n, features).
        labels: Labels of shape (n,).
        fold_of: The fold of each image in each repeat, of shape (R, n).
        rng: Generator of the labelled images.
        per_class: Number of labelled images per class, the same ones for all views; None for all.
    """
    repeats, n = fold_of.shape
    correct = np.zeros((len(features), repeats, n), bool)
    for repeat, fold in np.ndindex(repeats, int(fold_of.max()) + 1):
        test = fold_of[repeat] == fold
        train = np.flatnonzero(~test)
        if per_class is not None:
            drawn = [
                rng.permutation(train[labels[train] == label])[:per_class] for label in (-1, 1)
            ]
            train = np.concatenate(drawn)
        weights = solve(features[:, train], labels[None, train])
        scores = np.einsum("vnf,vf->vn", features[:, test], weights)
        correct[:, repeat, test] = scores * labels[test] > 0
    return correct


def rates(experiments: int) -> None:
    """Print how often one of several equal rates is called worse than the selected one."""
    print(f"{experiments:,} studies of {RATES} equal rates per row\n")
    print("| images | folds x repeats | some rate called worse | interval of the best covers |")
    print("|---|---|---|---|")
    for n, folds, repeats in DESIGNS:
        rng = np.random.default_rng([n, folds, repeats])
        truth = _true_accuracy(rng, n * (folds - 1) // folds)
        alarms, covered = 0, 0
        for _ in range(experiments):
            fold_of = stratified_folds(rng, n, folds, repeats, 1)
            correct = out_of_fold(*draw_views(rng, n, RATES), fold_of, rng)
            runs = {str(view): rows for view, rows in enumerate(correct)}
            best = max(runs, key=lambda name: float(runs[name].mean()))
            result = comparisons_with_selected(best, runs, LEVEL, fold_of=fold_of)
            alarms += any(pair.p_adjusted <= LEVEL for pair in result.comparisons.values())
            covered += result.interval[0] <= truth <= result.interval[1]
        print(
            f"| {n} | {folds}x{repeats} | {alarms / experiments:.1%} "
            f"| {covered / experiments:.1%} |",
            flush=True,
        )


def labels(experiments: int) -> None:
    """Print how often equal contenders differ significantly with few labels per class."""
    print(f"{experiments:,} studies of two equal contenders per row\n")
    print("| images | folds x repeats | labels per class | called different | SE / actual SD |")
    print("|---|---|---|---|---|")
    for n, folds, repeats in DESIGNS:
        for count in PER_CLASS:
            rng = np.random.default_rng([n, folds, repeats, count])
            differences, errors, alarms = [], [], 0
            for _ in range(experiments):
                fold_of = stratified_folds(rng, n, folds, repeats, 1)
                a, b = out_of_fold(*draw_views(rng, n, 2), fold_of, rng, count)
                test = fold_test(a, b, fold_of)
                alarms += test.p_value <= LEVEL
                differences.append(test.difference)
                errors.append(test.standard_error)
            ratio = float(np.mean(errors)) / float(np.std(differences))
            print(
                f"| {n} | {folds}x{repeats} | {count} | {alarms / experiments:.1%} | {ratio:.2f} |",
                flush=True,
            )


def _true_accuracy(rng: np.random.Generator, n: int) -> float:
    """Return the expected accuracy of a head that is trained on n images."""
    features, labels_of_images = draw_views(rng, 20_000, 1)
    accuracies = []
    for _ in range(400):
        train, train_labels = draw_views(rng, n - n % 2, 1)
        weights = solve(train, train_labels[None])[0]
        accuracies.append(((features[0] @ weights) * labels_of_images > 0).mean())
    return float(np.mean(accuracies))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = {"rates": rates, "labels": labels}
    parser.add_argument("what", choices=commands)
    parser.add_argument("--experiments", type=int, default=400)
    arguments = parser.parse_args()
    commands[arguments.what](arguments.experiments)
