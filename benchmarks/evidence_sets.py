"""Measure coverage and size of the prediction sets of `headstart predict --coverage`.

    python benchmarks/evidence_sets.py [coverage | pooling | reuse | groups | abstain]

Without a word, all tables are printed, which takes about two minutes on one core. Probabilities are
simulated, or come from small models that are trained here on digits and Fashion-MNIST. With MAPIE
installed, its RAPS is measured in the same runs.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression

import headstart
from headstart.evaluation import (
    SetCalibration,
    _prediction_sets,
    apply_temperature,
    class_thresholds,
    fit_temperature,
    prediction_sets,
    set_scores,
)

try:
    from mapie.classification import SplitConformalClassifier
    from mapie.conformity_scores import RAPSConformityScore
except ImportError:
    SplitConformalClassifier = None

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]
Bools = NDArray[np.bool_]
Method = Callable[[Floats, Labels, Floats, float], Bools]

COVERAGE, CALIBRATION_IMAGES, NEW_IMAGES = 0.95, 200, 4000


@dataclass
class Pool:
    """Probabilities (N, K) and labels (N,) of images that no model was trained on."""

    name: str
    probabilities: Floats
    labels: Labels

    @property
    def accuracy(self) -> float:
        return float((self.probabilities.argmax(1) == self.labels).mean())


@dataclass
class Measured:
    """Coverage and size of the sets of one method in several repetitions."""

    covered: list[NDArray[np.float64]] = field(default_factory=list)  # per class
    marginal: list[float] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    refused: int = 0

    def add(self, sets: Bools, labels: Labels) -> None:
        is_covered = sets[np.arange(len(labels)), labels]
        counts = np.bincount(labels, minlength=sets.shape[1])
        self.covered.append(np.bincount(labels, is_covered, sets.shape[1]) / counts)
        self.marginal.append(float(is_covered.mean()))
        self.sizes.append(float(sets.sum(1).mean()))

    @property
    def worst_class(self) -> float:
        """The coverage of the class that is covered least often over all repetitions."""
        return float(np.mean(self.covered, axis=0).min())

    @property
    def mean_of_worst(self) -> float:
        """The mean over repetitions of the lowest coverage of a class in that repetition."""
        return float(np.mean(np.min(self.covered, axis=1)))


def simulate(
    name: str,
    rng: np.random.Generator,
    n: int,
    *,
    classes: int = 10,
    alike: tuple[tuple[int, int, float], ...] = ((0, 1, 0.45), (2, 3, 0.6)),
    distance: float = 3.4,
    shares: tuple[float, ...] | None = None,
    sharpness: float = 1.0,
    effects: NDArray[np.float64] | None = None,
) -> Pool:
    """Simulate the best possible classifier of normal classes.

    Args:
        name: Name of the pool.
        rng: Generator of the simulation.
        n: Number of images.
        classes: Number of classes K.
        alike: Pairs of classes, and the factor by which the second moves from the first.
        distance: Length of the class means.
        shares: Share of each class; equal by default.
        sharpness: Factor of the logits; above 1 the classifier is overconfident.
        effects: What images have in common, of shape (n, K); nothing by default.
    """
    means = distance * np.eye(classes)
    for first, second, factor in alike:
        means[second] = means[first] + factor * (means[second] - means[first])
    labels = rng.choice(classes, n, p=shares)
    x = means[labels] + rng.normal(0, 1, (n, classes))
    if effects is not None:
        x += effects
    logits = sharpness * (x @ means.T - (means**2).sum(1) / 2)
    return Pool(name, softmax(logits), labels)


def softmax(logits: NDArray[np.float64]) -> Floats:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return (powers / powers.sum(1, keepdims=True)).astype(np.float32)


def trained(name: str, data: str, images: int, strength: float) -> Pool:
    """Train a logistic regression on the first images of a dataset, and predict the others."""
    dataset = headstart.load(data)
    pixels = dataset.images[:20_000].reshape(min(len(dataset), 20_000), -1) / 255.0
    labels = dataset.labels[: len(pixels)]
    model = LogisticRegression(C=strength, max_iter=40)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a model that has not converged is a model as well
        model.fit(pixels[:images], labels[:images])
    probabilities = model.predict_proba(pixels[images:]).astype(np.float32)
    return Pool(name, probabilities, labels[images:])


def pools() -> list[Pool]:
    rng = np.random.default_rng(0)
    rare = (0.4, 0.2, 0.1, 0.1, 0.05, 0.05, 0.03, 0.03, 0.02, 0.02)
    fifty = ((0, 1, 0.4), (2, 3, 0.5), (4, 5, 0.5))
    return [
        simulate("simulated, 10 classes", rng, 40_000),
        simulate("the same, overconfident", rng, 40_000, sharpness=2),
        simulate("simulated, rare classes", rng, 60_000, shares=rare, distance=3.2),
        simulate("simulated, 50 classes", rng, 40_000, classes=50, alike=fifty, distance=3.6),
        simulate("simulated, 2 classes", rng, 40_000, classes=2, alike=(), distance=2),
        trained("digits, 100 trained", "digits", 100, 0.1),
        trained("Fashion-MNIST, 300 trained", "fashion-mnist", 300, 0.1),
        trained("Fashion-MNIST, 3,000 trained", "fashion-mnist", 3000, 0.1),
    ]


def ours(probabilities: Floats, labels: Labels, new: Floats, coverage: float) -> Bools:
    calibration = SetCalibration.from_predictions(labels, probabilities)
    return prediction_sets(new, class_thresholds(calibration, coverage))


def prior_of(*candidates: float) -> Method:
    """Return the method with other candidates for the weight of the prior, in images."""

    def method(probabilities: Floats, labels: Labels, new: Floats, coverage: float) -> Bools:
        before = _prediction_sets._PRIOR_IMAGES
        try:
            _prediction_sets._PRIOR_IMAGES = candidates
            return ours(probabilities, labels, new, coverage)
        finally:
            _prediction_sets._PRIOR_IMAGES = before

    return method


def one_threshold(probabilities: Floats, labels: Labels, new: Floats, coverage: float) -> Bools:
    """Return sets with the same threshold for all classes."""
    scores = np.sort(set_scores(probabilities)[np.arange(len(labels)), labels])
    place = int((1 - coverage) * (len(labels) + 1) + 1e-9) - 1
    return prediction_sets(new, np.full(probabilities.shape[1], scores[place]))


class Recorded(ClassifierMixin, BaseEstimator):
    """A fitted estimator whose inputs are the probabilities themselves."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.classes_ = np.arange(classes)

    def fit(self, x: Floats, y: Labels) -> Recorded:
        return self

    def predict(self, x: Floats) -> Labels:
        return np.asarray(x.argmax(1), np.int64)

    def predict_proba(self, x: Floats) -> NDArray[np.float64]:
        values = x.astype(np.float64)
        return values / values.sum(1, keepdims=True)

    def __sklearn_is_fitted__(self) -> bool:
        return True


def mapie_raps(probabilities: Floats, labels: Labels, new: Floats, coverage: float) -> Bools:
    """Return the sets of MAPIE's RAPS with its default options."""
    return _mapie(probabilities, labels, new, coverage, include_last_label=True)


def mapie_randomized(probabilities: Floats, labels: Labels, new: Floats, coverage: float) -> Bools:
    """Return the sets of MAPIE's RAPS that leave out the last class at random."""
    return _mapie(probabilities, labels, new, coverage, include_last_label="randomized")


def _mapie(
    probabilities: Floats,
    labels: Labels,
    new: Floats,
    coverage: float,
    include_last_label: bool | str,
) -> Bools:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SplitConformalClassifier(
            Recorded(probabilities.shape[1]),
            confidence_level=coverage,
            conformity_score=RAPSConformityScore(),
            prefit=True,
            random_state=0,
        )
        model.conformalize(probabilities, labels)
        options = {"include_last_label": include_last_label}
        return np.asarray(model.predict_set(new, options)[1][:, :, 0], bool)


def measure(
    pool: Pool, methods: dict[str, Method], repetitions: int, coverage: float = COVERAGE
) -> dict[str, Measured]:
    """Measure methods on the same random calibration and new images."""
    rng = np.random.default_rng(1)
    results = {name: Measured() for name in methods}
    for _ in range(repetitions):
        order = rng.permutation(len(pool.labels))
        used = order[:CALIBRATION_IMAGES]
        new = order[CALIBRATION_IMAGES:][:NEW_IMAGES]
        for name, method in methods.items():
            try:
                sets = method(
                    pool.probabilities[used], pool.labels[used], pool.probabilities[new], coverage
                )
            except ValueError:  # MAPIE needs two calibration images of each class
                results[name].refused += 1
                continue
            results[name].add(sets, pool.labels[new])
    return results


def print_heading(*columns: str) -> None:
    print("| " + " | ".join(columns) + " |")
    print("|---" * len(columns) + "|")


def coverage_table(repetitions: int) -> None:
    """Print coverage and size of our sets, of one threshold for all classes, and of MAPIE."""
    methods: dict[str, Method] = {"ours": ours, "one threshold": one_threshold}
    if SplitConformalClassifier is not None:
        methods["MAPIE RAPS"] = mapie_raps
        methods["MAPIE RAPS, randomized"] = mapie_randomized
    print(f"{repetitions} repetitions, {CALIBRATION_IMAGES} calibration images\n")
    columns = ("images", "accuracy", "method", "coverage", "worst class")
    print_heading(*columns, "worst per repetition", "size")
    for pool in pools():
        for name, result in measure(pool, methods, repetitions).items():
            if result.refused:
                name = f"{name} ({result.refused} of {repetitions} refused)"
            if not result.sizes:
                print(f"| {pool.name} | {pool.accuracy:.1%} | {name} | | | | |")
                continue
            print(
                f"| {pool.name} | {pool.accuracy:.1%} | {name} | {np.mean(result.marginal):.1%} "
                f"| {result.worst_class:.1%} | {result.mean_of_worst:.1%} "
                f"| {np.mean(result.sizes):.3f} |",
                flush=True,
            )


def pooling_table(repetitions: int) -> None:
    """Print what the weight of the prior in the mixture of a class changes."""
    methods: dict[str, Method] = {f"{weight:g}": prior_of(weight) for weight in (0.5, 5, 20, 40)}
    methods["chosen, 1 to 20"] = ours
    methods["chosen, 1 to 40"] = prior_of(1, 2.5, 5, 10, 20, 40)
    methods["one threshold"] = one_threshold
    columns = ("images", "weight of the prior", "coverage", "worst class")
    print_heading(*columns, "worst per repetition", "size")
    for pool in pools():
        for name, result in measure(pool, methods, repetitions).items():
            print(
                f"| {pool.name} | {name} | {np.mean(result.marginal):.1%} "
                f"| {result.worst_class:.1%} | {result.mean_of_worst:.1%} "
                f"| {np.mean(result.sizes):.3f} |",
                flush=True,
            )


def reuse_table(repetitions: int) -> None:
    """Print the coverage if the calibration images also chose the temperature and the model.

    The models are 20 checkpoints of equal quality, which is the worst case: the one with the lowest
    loss on the calibration images was only lucky there.
    """
    rng = np.random.default_rng(2)
    base = simulate("base", rng, 30_000, distance=3.6)
    logits = np.log(np.maximum(base.probabilities, 1e-30))
    checkpoints = [
        softmax(2 * (logits + rng.normal(0, 1, logits.shape))).astype(np.float32) for _ in range(20)
    ]
    print_heading("the calibration images also chose", "coverage", "worst class", "size")
    for name, chooses_model, fits in (
        ("nothing", False, False),
        ("the temperature", False, True),
        ("the temperature and the best of 20 checkpoints", True, True),
    ):
        rng, result = np.random.default_rng(3), Measured()
        for _ in range(repetitions):
            order = rng.permutation(len(base.labels))
            used, new = order[:CALIBRATION_IMAGES], order[CALIBRATION_IMAGES:][:NEW_IMAGES]
            labels = base.labels[used]
            best = 0
            if chooses_model:
                truth = [np.maximum(model[used, labels], 1e-12) for model in checkpoints]
                best = int(np.argmin([-np.log(values).mean() for values in truth]))
            model = checkpoints[best]
            temperature = fit_temperature(labels, model[used]) if fits else 1.0
            scaled = [apply_temperature(model[rows], temperature) for rows in (used, new)]
            result.add(ours(scaled[0], labels, scaled[1], COVERAGE), base.labels[new])
        print(
            f"| {name} | {np.mean(result.marginal):.1%} | {result.worst_class:.1%} "
            f"| {np.mean(result.sizes):.3f} |",
            flush=True,
        )


def groups_table(repetitions: int) -> None:
    """Print the coverage of images of new groups, with groups as units and with images as units."""
    columns = ("groups", "images per group", "units", "coverage")
    print_heading(*columns, "SD over repetitions", "size")
    for count, size in ((20, 10), (40, 5), (40, 20), (100, 20)):
        rng = np.random.default_rng(4)
        results = {"groups": Measured(), "images": Measured()}
        for _ in range(repetitions):
            groups = np.repeat(np.arange(count + 200), size)
            effects = rng.normal(0, 1, (count + 200, 10))[groups]
            pool = simulate("groups", rng, len(groups), effects=effects)
            used, new = groups < count, groups >= count
            for units, result in results.items():
                images = SetCalibration.from_predictions(
                    pool.labels[used],
                    pool.probabilities[used],
                    groups[used] if units == "groups" else None,
                )
                thresholds = class_thresholds(images, COVERAGE)
                sets = prediction_sets(pool.probabilities[new], thresholds)
                result.add(sets, pool.labels[new])
        for units, result in results.items():
            print(
                f"| {count} | {size} | {units} | {np.mean(result.marginal):.1%} "
                f"| {np.std(result.marginal):.1%} | {np.mean(result.sizes):.3f} |",
                flush=True,
            )


def abstention_table(repetitions: int) -> None:
    """Print how many images have a set of one class, and how often that class is correct."""
    columns = ("images", "accuracy", "coverage asked", "coverage measured")
    print_heading(*columns, "sets of one class", "their accuracy")
    for pool in pools():
        for coverage in (0.8, 0.9, 0.95, 0.98):
            rng = np.random.default_rng(5)
            single, correct, covered = [], [], []
            for _ in range(repetitions):
                order = rng.permutation(len(pool.labels))
                used, new = order[:CALIBRATION_IMAGES], order[CALIBRATION_IMAGES:][:NEW_IMAGES]
                probabilities, labels = pool.probabilities[new], pool.labels[new]
                sets = ours(pool.probabilities[used], pool.labels[used], probabilities, coverage)
                is_single = sets.sum(1) == 1
                single.append(is_single.mean())
                if is_single.any():
                    correct.append((probabilities.argmax(1) == labels)[is_single].mean())
                covered.append(sets[np.arange(len(new)), labels].mean())
            print(
                f"| {pool.name} | {pool.accuracy:.1%} | {coverage:.0%} | {np.mean(covered):.1%} "
                f"| {np.mean(single):.0%} | {np.mean(correct):.1%} |",
                flush=True,
            )


TABLES = {
    "coverage": (coverage_table, 100),
    "pooling": (pooling_table, 100),
    "reuse": (reuse_table, 400),
    "groups": (groups_table, 100),
    "abstain": (abstention_table, 50),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("table", nargs="?", choices=TABLES)
    parser.add_argument("--repetitions", type=int, help="repetitions per cell")
    given = parser.parse_args()
    for name, (table, repetitions) in TABLES.items():
        if given.table in (None, name):
            print(f"\n## {name}\n")
            table(given.repetitions or repetitions)


if __name__ == "__main__":
    main()
