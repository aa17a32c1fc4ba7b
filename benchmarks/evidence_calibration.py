"""Measure fitted temperatures, and how often curves without a gap are called overfitted.

"Before" means before 28 November 2026.

    python benchmarks/evidence.py calibration
    python benchmarks/evidence.py overfitting

evidence_intervals.md holds the results.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation import apply_temperature, diagnose_fit, fit_temperature

Floats = NDArray[np.floating]


def calibration(repeats: int) -> None:
    """Print fitted temperatures and losses of sharp probabilities with ten classes."""
    print(
        "| accuracy | best temperature | images | fitted before (median) | now "
        "| loss of the best | uncalibrated | before | now |\n|---|---|---|---|---|---|---|---|---|"
    )
    rng = np.random.default_rng(0)
    for scale in (3, 14):
        logits = scale * rng.normal(size=(10_000, 10))
        truth = _softmax(logits)
        labels = (truth.cumsum(axis=1) > rng.random((len(truth), 1))).argmax(axis=1)
        accuracy = float((truth.argmax(axis=1) == labels).mean())
        for best, n in product((0.5, 1.0, 2.0), (50, 100, 300, 1000)):
            probabilities = _softmax(logits * best).astype(np.float32)
            fitted: dict[str, list[float]] = {"before": [], "now": []}
            for _ in range(repeats):
                some = rng.permutation(len(labels))[:n]
                fitted["before"].append(_smoothed(labels[some], probabilities[some]))
                fitted["now"].append(fit_temperature(labels[some], probabilities[some]))
            medians = " | ".join(f"{np.median(values):.2f}" for values in fitted.values())
            losses = [_loss(labels, probabilities, value) for value in (best, 1.0)]
            for values in fitted.values():
                some_losses = [_loss(labels, probabilities, value) for value in values[:20]]
                losses.append(float(np.mean(some_losses)))
            cells = " | ".join(f"{loss:.3f}" for loss in losses)
            print(f"| {accuracy:.0%} | {best} | {n:,} | {medians} | {cells} |", flush=True)
    print()
    _print_calibration_of_digits(repeats)


def _print_calibration_of_digits(repeats: int) -> None:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    images, labels = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    print("| digits, images | uncalibrated | before | now |\n|---|---|---|---|")
    losses: dict[int, list[list[float]]] = {50: [], 100: [], 300: []}
    for _ in range(max(1, repeats // 8)):
        order = rng.permutation(len(labels))
        model = LogisticRegression(C=0.01, max_iter=2000).fit(
            images[order[:600]], labels[order[:600]]
        )
        probabilities = model.predict_proba(images[order[600:]]).astype(np.float32)
        rest = labels[order[600:]].astype(np.int64)
        for n, rows in losses.items():
            temperatures = [
                1.0,
                _smoothed(rest[:n], probabilities[:n]),
                fit_temperature(rest[:n], probabilities[:n]),
            ]
            rows.append([_loss(rest[300:], probabilities[300:], T) for T in temperatures])
    for n, rows in losses.items():
        print(f"| {n} |", *(f"{loss:.3f} |" for loss in np.mean(rows, axis=0)))


def _softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _loss(labels: NDArray[np.int64], probabilities: NDArray[np.float32], value: float) -> float:
    scaled = apply_temperature(probabilities, value)
    true = scaled[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(true, 1e-12)).mean())


def _smoothed(labels: NDArray[np.int64], probabilities: NDArray[np.float32]) -> float:
    """Fit the temperature as before: to smoothed targets, after Platt (1999)."""
    from scipy.optimize import minimize_scalar

    logs = np.log(np.maximum(probabilities.astype(np.float64), 1e-30))
    n, classes = logs.shape
    smoothing = 1 / (n + 2)
    true = logs[np.arange(n), labels]
    others = (logs.sum(axis=1) - true) / (classes - 1)
    linear = float(((1 - smoothing) * true + smoothing * others).mean())

    def loss(log_temperature: float) -> float:
        temperature = np.exp(log_temperature)
        scaled = logs / temperature
        largest = scaled.max(axis=1)
        normaliser = largest + np.log(np.exp(scaled - largest[:, None]).sum(axis=1))
        return float(normaliser.mean() - linear / temperature)

    found = minimize_scalar(loss, bounds=(np.log(0.1), np.log(10.0)), method="bounded")
    return float(np.exp(found.x))


def overfitting(experiments: int) -> None:
    """Print how often curves without any gap are reported to overfit."""
    print("| validation images | accuracy | before | now |\n|---|---|---|---|")
    rng = np.random.default_rng(0)
    for images, accuracy in product((150, 270, 1000, 5000), (0.7, 0.9)):
        train = rng.binomial(4 * images, accuracy, experiments) / (4 * images)
        validation = rng.binomial(images, accuracy, experiments) / images
        now = 0
        for row in range(experiments):
            diagnosis = diagnose_fit(
                [train[row]],
                [validation[row]],
                [0.3],
                train_images=4 * images,
                validation_images=images,
            )
            now += diagnosis.words.startswith("overfits")
        before = float((train - validation >= 0.02).mean())
        print(f"| {images:,} | {accuracy:.0%} | {before:.1%} | {now / experiments:.1%} |")
