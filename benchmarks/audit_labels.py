"""Measure the ranking of suspected wrong labels, and the interval of their number.

Wrong labels are planted here. The results are in benchmarks/data.md.

    python benchmarks/audit_labels.py rank fashion-mnist --images 10000 --seeds 3
    python benchmarks/audit_labels.py rank cifar10 --seeds 3
    python benchmarks/audit_labels.py rank photos/sign-digits --seeds 3
    python benchmarks/audit_labels.py small photos/sign-digits --seeds 3 --rate 0.1
    python benchmarks/audit_labels.py coverage digits --audits 100
    python benchmarks/audit_labels.py summarise digits.jsonl photos.jsonl
    python benchmarks/audit_labels.py mnist votes.json

`rank` compares with cleanlab on the same probabilities, where it is installed. `coverage` reduces
the evidence to 128 principal components per source, so that an audit costs about a second.
`--ranking-only` leaves out the calibration, which does not change the ranking.
`small` audits subsets of 50 to 200 images, as they are and with planted errors.
`summarise` reads what it printed. The file of `mnist` holds human votes about MNIST's test images,
as published with the paper of Northcutt et al. (2021), "Pervasive label errors in test sets".
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from headstart.audit import LabelIssues, find_label_issues
from headstart.audit._evidence import gather_evidence
from headstart.audit._label_issues import LEAST_PROBABILITY
from headstart.audit._patch_features import patch_features
from headstart.data import TEST, Dataset, load
from headstart.progress import show_progress

Indices = NDArray[np.int64]
Bools = NDArray[np.bool_]
Evidence = dict[str, NDArray[np.float16]]

KINDS = ("uniform", "similar")
_COVERAGE_RATES = (0.02, 0.05, 0.1)
_COMPONENTS = 128
_SMALL_SIZES = (50, 100, 200)
_MOST_DOUBTFUL = 50  # images that the audit lists beside the suspects


def plant(
    labels: Indices, classes: int, rate: float, rng: np.random.Generator, similarity: NDArray | None
) -> tuple[Indices, Bools]:
    """Replace a share of the labels by other classes.

    Args:
        labels: Int64 array of shape (N,).
        classes: Number of classes.
        rate: Share to replace.
        rng: Generator of the choices.
        similarity: Weight of each wrong class by true class, (K, K). None: all equally likely.

    Returns:
        The labels, and which of them are wrong.
    """
    weights = np.ones((classes, classes)) if similarity is None else similarity.copy()
    np.fill_diagonal(weights, 0)
    weights /= weights.sum(1, keepdims=True)
    rows = rng.choice(len(labels), round(rate * len(labels)), replace=False)
    noisy = labels.copy()
    for row in rows:
        noisy[row] = rng.choice(classes, p=weights[labels[row]])
    return noisy, noisy != labels


def first_images(dataset: Dataset, count: int | None) -> Dataset:
    """Return the first images of a dataset, in a random order that is always the same."""
    if count is None or count >= len(dataset):
        return dataset
    return take_rows(dataset, np.sort(np.random.default_rng(0).permutation(len(dataset))[:count]))


def take_rows(dataset: Dataset, rows: Indices) -> Dataset:
    """Return some images of a dataset."""
    return dataclasses.replace(
        dataset,
        images=dataset.images[rows],
        labels=dataset.labels[rows],
        parts=dataset.parts[rows],
        hashes=dataset.hashes[rows],
        image_names=tuple(dataset.image_names[row] for row in rows),
    )


def correct_known(dataset: Dataset, corrections: list[str]) -> Dataset:
    """Return the dataset with labels corrected by hand, given as `image name=class`."""
    labels = dataset.labels.copy()
    for correction in corrections:
        name, _, class_name = correction.rpartition("=")
        labels[dataset.image_names.index(name)] = dataset.class_names.index(class_name)
    return dataclasses.replace(dataset, labels=labels)


def similarity_of(issues: LabelIssues) -> NDArray[np.float64]:
    """Return how often classes are confused, from the audit of the labels as they are."""
    return issues.class_probabilities.T @ issues.class_probabilities


def peer_precisions(issues: LabelIssues, labels: Indices, is_wrong: Bools) -> dict[str, float]:
    """Return the precision of cleanlab's three rankings by the same probabilities."""
    try:
        from cleanlab.rank import get_label_quality_scores
    except ImportError:
        return {}
    count = int(is_wrong.sum())
    precisions = {}
    for method in ("self_confidence", "normalized_margin", "confidence_weighted_entropy"):
        scores = get_label_quality_scores(labels, issues.class_probabilities, method=method)
        first = np.argsort(scores, kind="stable")[:count]
        precisions[method] = float(is_wrong[first].mean())
    return precisions


def rank(dataset: Dataset, seeds: int, rate: float, calibrated: bool) -> None:
    """Print the precision in the first N suspects, N planted errors, and the interval."""
    evidence = gather_evidence(dataset, 0)
    classes = len(dataset.class_names)
    as_it_is = find_label_issues(dataset, evidence=evidence, calibrated=False)
    similarity = similarity_of(as_it_is)
    for seed in range(seeds):
        for kind in KINDS:
            rng = np.random.default_rng(seed)
            weights = similarity if kind == "similar" else None
            labels, is_wrong = plant(dataset.labels, classes, rate, rng, weights)
            noisy = dataclasses.replace(dataset, labels=labels)
            started = time.perf_counter()
            issues = find_label_issues(noisy, evidence=evidence, calibrated=calibrated, seed=seed)
            seconds = time.perf_counter() - started

            count = int(is_wrong.sum())
            precision = float(is_wrong[issues.ranked[:count]].mean())
            wrong = issues.expected_wrong()
            row = {
                "kind": kind,
                "seed": seed,
                "planted": count,
                "precision": round(precision, 3),
                **{
                    name: round(value, 3)
                    for name, value in peer_precisions(issues, labels, is_wrong).items()
                },
                "suspects": issues.count,
                "expected": [wrong.low, round(wrong.number, 1), wrong.high],
                "wrong": int(is_wrong[issues.suspects].sum()),
                "seconds": round(seconds, 1),
            }
            print(json.dumps(row), flush=True)


def small(dataset: Dataset, seeds: int, rate: float) -> None:
    """Print how many images are listed in small subsets, and how many of them are planted errors.

    "all above the limit" is the rule of before: every image that is wrong with a probability of at
    least 10%. "doubtful only" is the present rule.
    """
    evidence = gather_evidence(dataset, 0)
    classes = len(dataset.class_names)
    for size in _SMALL_SIZES:
        for seed in range(seeds):
            rng = np.random.default_rng([seed, size])
            of_class = [np.flatnonzero(dataset.labels == label) for label in range(classes)]
            chosen = [rng.choice(rows, size // classes, replace=False) for rows in of_class]
            rows = np.sort(np.concatenate(chosen))
            subset = take_rows(dataset, rows)
            of_subset = {name: features[rows] for name, features in evidence.items()}
            for planted in (0.0, rate):
                labels, is_wrong = plant(subset.labels, classes, planted, rng, None)
                noisy = dataclasses.replace(subset, labels=labels)
                issues = find_label_issues(noisy, evidence=of_subset, seed=seed)
                doubtful = int((issues.class_probabilities.argmax(1) != labels).sum())
                above = int((issues.probabilities >= LEAST_PROBABILITY).sum())
                row = {"images": size, "seed": seed, "planted": int(is_wrong.sum())}
                for name, count in (
                    ("all above the limit", above),
                    ("doubtful only", issues.count),
                ):
                    listed = max(count, min(doubtful, _MOST_DOUBTFUL))
                    row[name] = [listed, int(is_wrong[issues.ranked[:listed]].sum())]
                print(json.dumps(row), flush=True)


def principal_components(features: NDArray[np.float16], count: int) -> NDArray[np.float16]:
    """Return standardised features on their first principal components, float16 (N, count)."""
    values = features.astype(np.float32)
    values -= values.mean(0)
    values /= values.std(0) + 1e-3
    _, directions = np.linalg.eigh(values.T @ values)
    return (values @ directions[:, -count:]).astype(np.float16)


def coverage(dataset: Dataset, audits: int, first: int) -> None:
    """Print how often the interval of the suspects holds the number of planted errors."""
    evidence: Evidence = {}
    for name, features in gather_evidence(dataset, 0).items():
        evidence[name] = principal_components(features, _COMPONENTS)
    classes = len(dataset.class_names)
    as_it_is = find_label_issues(dataset, evidence=evidence, calibrated=False)
    similarity = similarity_of(as_it_is)
    for audit in range(first, first + audits):
        kind = KINDS[audit % 2]
        rate = _COVERAGE_RATES[audit // 2 % 3]
        weights = similarity if kind == "similar" else None
        rng = np.random.default_rng([audit, 1])
        labels, is_wrong = plant(dataset.labels, classes, rate, rng, weights)
        noisy = dataclasses.replace(dataset, labels=labels)
        issues = find_label_issues(noisy, evidence=evidence, seed=audit)
        lengths = {"list": issues.count, "half": int(is_wrong.sum()) // 2}
        row = {"kind": kind, "rate": rate, "audit": audit}
        for name, length in lengths.items():
            wrong = issues.expected_wrong(length)
            truth = int(is_wrong[issues.ranked[:length]].sum())
            row[name] = [length, wrong.low, round(wrong.number, 1), wrong.high, truth]
        print(json.dumps(row), flush=True)


def summarise(files: list[Path]) -> None:
    """Print the coverage of the rows that `coverage` printed, with 95% Wilson intervals."""
    rows = []
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("{"):
                rows.append(json.loads(line))
    for name in ("list", "half"):
        for kind in (*KINDS, None):
            chosen = [row[name] for row in rows if kind in (None, row["kind"])]
            inside = sum(low <= truth <= high for _, low, _, high, truth in chosen)
            width = np.mean([high - low for _, low, _, high, _ in chosen])
            interval = binomtest(inside, len(chosen)).proportion_ci(method="wilson")
            low, high = float(interval.low), float(interval.high)
            print(
                f"{name:5} {kind or 'all':8} {inside}/{len(chosen)} = {inside / len(chosen):.3f} "
                f"({low:.3f} to {high:.3f}), mean width {width:.1f}"
            )


def known_errors(votes: Path, calibrated: bool, test_only: bool) -> None:
    """Print where MNIST's known errors are among the suspects of its test images.

    An error has a clear correction if at least three of five people chose the same other class.

    Args:
        votes: JSON list of `id` (index in the test set), `given_original_label`,
            `our_guessed_label` and the votes `mturk`.
        calibrated: See `find_label_issues`.
        test_only: Whether to audit the test images alone.
    """
    dataset = load("mnist")
    if test_only:
        dataset = take_rows(dataset, np.flatnonzero(dataset.parts == TEST))
    test = np.flatnonzero(dataset.parts == TEST)
    clear = []
    for image in json.loads(votes.read_text(encoding="utf-8")):
        is_other = image["our_guessed_label"] != image["given_original_label"]
        if is_other and image["mturk"]["guessed"] >= 3:
            clear.append(test[image["id"]])

    started = time.perf_counter()
    evidence = {"patches": patch_features(dataset)}
    issues = find_label_issues(dataset, evidence=evidence, calibrated=calibrated)
    seconds = time.perf_counter() - started
    ranked_test = issues.ranked[np.isin(issues.ranked, test)]
    ranks = {
        int(image - test[0]): int(np.flatnonzero(ranked_test == image)[0]) + 1 for image in clear
    }
    print(json.dumps({"ranks": ranks, "suspects": issues.count, "seconds": seconds}))
    print(issues.describe())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("rank", "small", "coverage", "summarise", "mnist"))
    parser.add_argument("data", nargs="+")
    parser.add_argument("--images", type=int)
    parser.add_argument("--correct", nargs="*", default=[], help="labels corrected by hand")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--ranking-only", action="store_true", help="without calibration")
    parser.add_argument("--test-only", action="store_true", help="audit MNIST's test images alone")
    parser.add_argument("--audits", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    if options.what == "summarise":
        summarise([Path(name) for name in options.data])
        return

    show_progress(False)
    if options.what == "mnist":
        known_errors(Path(options.data[0]), not options.ranking_only, options.test_only)
        return
    dataset = correct_known(load(options.data[0]), options.correct)
    dataset = first_images(dataset, options.images)
    if options.what == "rank":
        rank(dataset, options.seeds, options.rate, not options.ranking_only)
    elif options.what == "small":
        small(dataset, options.seeds, options.rate)
    else:
        coverage(dataset, options.audits, options.first)


if __name__ == "__main__":
    main()
