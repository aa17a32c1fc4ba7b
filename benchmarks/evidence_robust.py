"""Measure whether robust verdicts hold on a fresh sample, and the errors of the subgroup search.

    python benchmarks/evidence_robust.py verdicts
    python benchmarks/evidence_robust.py subgroups
    python benchmarks/evidence_robust.py time

All simulate; nothing is trained. Each prints a Markdown table, and evidence_robust.md holds the
results. Together they take about five minutes on one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from headstart.evaluation import (
    Alteration,
    SliceMembers,
    Verdict,
    check_robustness,
    compare_slices,
    exact_mcnemar,
    recipe_test,
    verdict,
    without_images,
    without_most_influential,
)

# Whether a verdict is strong, passes the checks at 0.05, is strong without its class, is robust,
# keeps its order on a fresh sample, and is significant again.
Outcome = tuple[bool, bool, bool, bool, bool, bool]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

FAULTS = ("none", "copies", "wrong labels", "one class")
FAULT_SHARES = (0.4, 0.2, 0.2, 0.2)
# Half of all comparisons are between equal contenders. The others differ by up to 4 points.
DIFFERENCES = (0.0, 0.005, 0.01, 0.02, 0.04)
DIFFERENCE_SHARES = (0.5, 0.125, 0.125, 0.125, 0.125)
ACCURACY = 0.9
SPREAD = 0.005  # standard deviation of the true accuracy over seeds
CLASSES = 10
COPIES, MEMORISED, COPIES_FOUND = 0.1, 0.99, 0.9
WRONG, AGREES_A, AGREES_B = 0.04, 0.7, 0.2
SUSPECTED_IF_WRONG, SUSPECTED_IF_RIGHT = 0.7, 0.01
_TEMPLATE = verdict({name: np.ones(9, bool) for name in "ab"})  # `_decide` fills it in
CLASS_LOSS = 0.2  # share of one class in which b errs, in this sample only


@dataclass(frozen=True)
class Sample:
    """Correct predictions of contenders a and b on one sample of images.

    Attributes:
        correct: Boolean arrays of shape (S, N) by name, as evaluated.
        classes: Int64 array of shape (N,).
        copies: Boolean array of shape (N,): the copies that were found.
        suspects: Boolean array of shape (N,): the labels that are suspected.
        corrected: Correct predictions after the suspected labels are corrected.
    """

    correct: Mapping[str, Bools]
    classes: Indices
    copies: Bools
    suspects: Bools
    corrected: Mapping[str, Bools]


def clean(rng: np.random.Generator, seeds: int, n: int, difference: float) -> dict[str, Bools]:
    """Return the correct predictions of two recipes with this true difference, a - b."""
    ease = rng.normal(0, 0.7**0.5, n)
    correct = {}
    for name, accuracy in (("a", ACCURACY + difference / 2), ("b", ACCURACY - difference / 2)):
        z = norm.ppf(accuracy)
        luck = SPREAD / norm.pdf(z)
        per_image = ease + rng.normal(0, 0.15**0.5, n)
        per_run = rng.normal(0, 0.15**0.5, (seeds, n)) + rng.normal(0, luck, (seeds, 1))
        correct[name] = np.asarray(per_image + per_run + z * (1 + luck**2) ** 0.5 > 0)
    return correct


def draw(rng: np.random.Generator, seeds: int, n: int, difference: float, fault: str) -> Sample:
    """Return a sample with one kind of fault, which favours a."""
    correct = clean(rng, seeds, n, difference)
    corrected = correct
    classes = rng.integers(0, CLASSES, n)
    copies = suspects = np.zeros(n, bool)

    if fault == "copies":
        is_copy = rng.random(n) < COPIES
        correct["a"] = np.where(is_copy, rng.random((seeds, n)) < MEMORISED, correct["a"])
        copies = is_copy & (rng.random(n) < COPIES_FOUND)
    elif fault == "wrong labels":
        is_wrong = rng.random(n) < WRONG
        suspects = rng.random(n) < np.where(is_wrong, SUSPECTED_IF_WRONG, SUSPECTED_IF_RIGHT)
        corrected = {}
        for name, share in (("a", AGREES_A), ("b", AGREES_B)):
            agrees = np.tile(rng.random(n) < share, (seeds, 1))
            true = correct[name] & ~(agrees & is_wrong)
            correct[name] = np.where(is_wrong, agrees, correct[name])
            # A label that is suspected although it is right is replaced by a predicted class in
            # one of two images.
            mistaken = ~correct[name] & (rng.random(n) < 0.5)
            changed = np.where(is_wrong, true, mistaken)
            corrected[name] = np.where(suspects, changed, correct[name])
    elif fault == "one class":
        correct["b"] = correct["b"] & ~((classes == 0) & (rng.random(n) < CLASS_LOSS))
    return Sample(correct, classes, copies, suspects, corrected)


def verdicts(studies: int) -> None:
    """Print how many verdicts hold on a fresh sample of images and seeds, without faults."""
    print("| images | seeds | verdicts with a winner | share | same order | significant again |")
    print("|---|---|---|---|---|---|")
    pooled: list[Outcome] = []
    for n, seeds in ((300, 1), (300, 3), (1000, 3), (5000, 3)):
        # Large samples take longer, and more of them have a winner.
        number = 4 * studies if n == 300 else studies
        results = [result for result in _studies(number, n, seeds) if result is not None]
        pooled += results
        _print_rows(f"{n:,} | {seeds}", results)
    _print_rows("all | 1 and 3", pooled)


def _studies(studies: int, n: int, seeds: int) -> list[Outcome | None]:
    rng = np.random.default_rng([n, seeds])
    return [_study(rng, n, seeds) for _ in range(studies)]


def _study(rng: np.random.Generator, n: int, seeds: int) -> Outcome | None:
    """Return what became of one verdict; None without a winner."""
    difference = float(rng.choice(DIFFERENCES, p=DIFFERENCE_SHARES) * rng.choice([-1, 1]))
    fault = str(rng.choice(FAULTS, p=FAULT_SHARES))
    sample = draw(rng, seeds, n, difference, fault)
    conclusion = _decide(sample.correct)
    if conclusion.winner is None:
        return None

    everything = np.arange(n)
    alterations = [
        without_images("near copies", "", sample.correct, sample.copies),
        without_images("without suspects", "", sample.correct, sample.suspects),
        Alteration("corrected labels", "", 0, sample.corrected, everything),
    ]
    names = [str(number) for number in range(CLASSES)]
    without_class = without_most_influential(
        "class", sample.correct, conclusion, sample.classes, names
    )
    if without_class is not None:
        alterations.append(without_class)
    result = check_robustness(sample.correct, conclusion, _decide, alterations, is_complete=True)

    fresh = _decide(clean(rng, seeds, n, difference))
    first = fresh.pairs[0]
    is_same_order = first.a == conclusion.winner and first.difference > 0
    return (
        bool(result.is_strong),
        all(check.holds for check in result.checks),
        bool(result.is_strong) and result.checks[-1].is_strong,
        bool(result.is_robust),
        is_same_order,
        fresh.winner == conclusion.winner,
    )


def _decide(correct: Mapping[str, Bools], _: Indices | None = None) -> Verdict:
    """Return the decision of `verdict` for two contenders, without its bootstrap intervals."""
    a, b = sorted(correct, key=lambda name: -float(correct[name].mean()))
    runs_a, runs_b = correct[a], correct[b]
    if len(runs_a) == 1:
        test = exact_mcnemar(runs_a[0], runs_b[0])
        difference, p_value = (test.only_a - test.only_b) / runs_a.shape[1], test.p_value
    else:
        recipes = recipe_test(runs_a, runs_b)
        difference, p_value = recipes.difference, recipes.p_value
    pair = replace(
        _TEMPLATE.pairs[0], a=a, b=b, difference=difference, p_value=p_value, p_adjusted=p_value
    )
    winner = a if p_value <= 0.05 else None
    return replace(
        _TEMPLATE,
        outcome="better" if winner else "undecided",
        winner=winner,
        about="models" if len(runs_a) == 1 else "recipes",
        pairs=(pair,),
    )


def _print_rows(cells: str, results: list[Outcome]) -> None:
    flags = np.array(results, bool).reshape(-1, 6)
    strong, passes, without_class, robust = flags.T[:4]
    rows = {
        "all": np.ones(len(flags), bool),
        "p at most 0.005": strong,
        "without an audit: p at most 0.005, also without a class": without_class,
        "checks passed at 0.05": passes,
        "**robust**": robust,
        "not robust": ~robust,
    }
    for name, chosen in rows.items():
        count = int(chosen.sum())
        order, again = (_share(flags[chosen, column]) for column in (4, 5))
        share = count / max(len(flags), 1)
        print(f"| {cells} | {name} | {count:,} ({share:.0%}) | {order} | {again} |", flush=True)


def _share(values: Bools) -> str:
    if not len(values):
        return "none"
    share = float(values.mean())
    return f"{share:.1%} ± {(share * (1 - share) / len(values)) ** 0.5:.1%}"


def subgroups(experiments: int) -> None:
    """Print how often equal contenders have a significant subgroup, and how often a true one."""
    print(f"{experiments:,} experiments per cell\n")
    print("| images | seeds | contenders | some subgroup significant | the true one |")
    print("|---|---|---|---|---|")
    cases = [(n, seeds, kind) for n in (300, 2000, 10_000) for seeds in (1, 3) for kind in _KINDS]
    for n, seeds, kind in cases:
        if seeds == 1 and kind == "equal, runs differ by class":
            continue  # With one run, these are true differences of the two models.
        rng = np.random.default_rng([n, seeds, _KINDS.index(kind)])
        repeats = experiments if n < 10_000 else experiments // 4
        hits = np.array([_searched(rng, n, seeds, kind) for _ in range(repeats)], bool)
        true = _share(hits[:, 1]) if kind == "one class differs" else ""
        print(f"| {n:,} | {seeds} | {kind} | {_share(hits[:, 0])} | {true} |", flush=True)


_KINDS = (
    "equal",
    "equal, runs differ by class",
    "5 points apart everywhere",
    "equal, groups of 20",
    "one class differs",
)


def _searched(rng: np.random.Generator, n: int, seeds: int, kind: str) -> tuple[bool, bool]:
    classes = rng.integers(0, 10, n)
    groups = None
    shared = np.zeros(n)
    if kind == "equal, groups of 20":
        groups = np.arange(n) // 20
        classes = np.repeat(rng.integers(0, 10, n // 20 + 1), 20)[:n]
    difficulty = np.linspace(-0.7, 0.7, 10)[classes]
    ease = rng.normal(0, 0.7**0.5, n) + difficulty
    correct = []
    for contender in range(2):
        shift = np.zeros((seeds, n))
        if groups is not None:
            shared = rng.normal(0, 0.3**0.5, (1, n // 20 + 1)).repeat(20, axis=1)[:, :n]
            shift += shared
        if kind == "equal, runs differ by class":
            shift += rng.normal(0, 0.1, (seeds, 10))[:, classes]
        if kind == "one class differs" and contender == 0:
            shift -= 0.8 * (classes == 4)
        noise = rng.normal(0, 0.15**0.5, n) + rng.normal(0, 0.15**0.5, (seeds, n))
        correct.append(np.asarray(ease + noise + shift + 1.3 > 0))
    if kind == "5 points apart everywhere":
        luck = rng.random((seeds, n))
        both = correct[0]
        correct = [(both | (luck < 0.06)) & (luck < 0.99), (both | (luck > 0.99)) & (luck > 0.06)]

    result = compare_slices(*correct, members_of(rng, classes, ease, groups), groups=groups)
    significant = result.significant()
    return bool(significant), any(item.name == "class 4" for item in significant)


def members_of(
    rng: np.random.Generator, classes: Indices, ease: Floats, groups: Indices | None
) -> list[SliceMembers]:
    """Return 10 classes, 4 fifths of two properties and 6 clusters."""
    slices = [SliceMembers("class", f"class {k}", classes == k) for k in range(10)]
    for name, weight in (("brightness", 0.5), ("contrast", 0.0)):
        values = weight * ease + rng.normal(size=len(ease))
        low, high = np.quantile(values, [0.2, 0.8])
        slices += [
            SliceMembers(name, "low", values <= low),
            SliceMembers(name, "high", values >= high),
        ]
    cluster = rng.choice(6, len(ease), p=[0.3, 0.3, 0.15, 0.1, 0.1, 0.05])
    if groups is not None:
        cluster = cluster[groups]
    return slices + [SliceMembers("cluster", str(k), cluster == k) for k in range(6)]


def duration() -> None:
    """Print the seconds for 3 contenders with 3 seeds on 10,000 images."""
    rng = np.random.default_rng(0)
    n = 10_000
    sample = draw(rng, 3, n, 0.02, "copies")
    correct = {**sample.correct, "c": clean(rng, 3, n, 0.0)["b"]}
    started = time.perf_counter()
    conclusion = verdict(correct)
    seconds = {"one verdict": time.perf_counter() - started}

    started = time.perf_counter()
    alterations = [
        without_images("near copies", "", correct, sample.copies),
        without_images("without suspects", "", correct, sample.copies),
        without_images("corrected labels", "", correct, sample.suspects),
    ]
    names = [str(number) for number in range(CLASSES)]
    for kind, units in (("class", sample.classes), ("group", np.arange(n) // 20 % CLASSES)):
        altered = without_most_influential(
            "class" if kind == "class" else "group", correct, conclusion, units, names
        )
        if altered is not None:
            alterations.append(altered)
    check_robustness(
        correct, conclusion, lambda changed, _: verdict(changed), alterations, is_complete=True
    )
    seconds["robustness"] = time.perf_counter() - started

    started = time.perf_counter()
    ease = rng.normal(size=n)
    slices = members_of(rng, rng.integers(0, 10, n), ease, None)
    slices += [SliceMembers("class", f"rare {k}", rng.random(n) < 0.01) for k in range(90)]
    compare_slices(correct["a"], correct["b"], slices)
    seconds["110 subgroups"] = time.perf_counter() - started
    for name, value in seconds.items():
        print(f"{name}: {value:.2f} s")


def main() -> None:
    """Parse the command line and run one measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["verdicts", "subgroups", "time"])
    parser.add_argument("--experiments", type=int, default=1000)
    arguments = parser.parse_args()
    if arguments.what == "verdicts":
        verdicts(arguments.experiments)
    elif arguments.what == "subgroups":
        subgroups(arguments.experiments)
    else:
        duration()


if __name__ == "__main__":
    main()
