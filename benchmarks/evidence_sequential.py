"""Measure the comparison whose seeds are added until it is decided, `compare --seeds auto`.

    python benchmarks/evidence_sequential.py boundaries
    python benchmarks/evidence_sequential.py equal
    python benchmarks/evidence_sequential.py power
    python benchmarks/evidence_sequential.py equivalence
    python benchmarks/evidence_sequential.py second_look
    python benchmarks/evidence_sequential.py second_gate

`boundaries` prints the levels of the looks. The others simulate the population of `evidence.py` and
print Markdown tables. evidence_sequential.md holds the results. All together take about
three minutes on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from headstart.evaluation import (
    FIRST_LOOK,
    FUTILE,
    MOST_SEEDS,
    ErrorParts,
    Looks,
    holm,
    look_levels,
    recipe_equivalence_p_value,
    recipe_test,
)
from headstart.evaluation._looks import probability_to_decide
from headstart.evaluation._needed_evidence import parts_of_recipes

Bools = NDArray[np.bool_]
MARGIN = 0.005
LEVEL = 0.05
RECIPE, NOISE = 0.15, 0.15  # shares of variance, as DIFFERENT and NOISE of evidence.py
FIXED = (3, 5, 8)  # numbers of seeds of the fixed designs
PLACES = ((1000, 0.0), (3000, 0.005), (10_000, 0.005), (10_000, 0.02))  # images, SD over seeds


@dataclass(frozen=True)
class Ending:
    """The end of a simulated comparison.

    Attributes:
        outcome: "better", "equivalent" or "undecided".
        best: Number of the best contender.
        seeds: Number of seeds per contender.
    """

    outcome: str
    best: int
    seeds: int


def simulate(
    rng: np.random.Generator, n: int, accuracies: Sequence[float], spreads: Sequence[float]
) -> list[Bools]:
    """Return which images each run classifies correctly, `(MOST_SEEDS, n)` per contender."""

    def normal(rows: int, columns: int, share: float) -> NDArray[np.float32]:
        return rng.standard_normal((rows, columns), dtype=np.float32) * np.float32(share**0.5)

    ease = normal(1, n, 1 - RECIPE - NOISE)
    contenders = []
    for accuracy, spread in zip(accuracies, spreads, strict=True):
        z = norm.ppf(accuracy)
        luck = spread / norm.pdf(z)
        scores = ease + normal(1, n, RECIPE) + normal(MOST_SEEDS, n, NOISE)
        scores = scores + luck * normal(MOST_SEEDS, 1, 1.0) + z * (1 + luck**2) ** 0.5
        contenders.append(np.asarray(scores > 0))
    return contenders


def look(contenders: Sequence[Bools], looks: Looks | None, seeds: int) -> tuple[Ending, float]:
    """Return the result of a look, and the probability that the further seeds decide.

    It is `verdict` without the tests of single runs, which would take most of the time.
    """
    pairs = list(combinations(range(len(contenders)), 2))
    tests, parts = [], []
    for a, b in pairs:
        runs = contenders[a][:seeds], contenders[b][:seeds]
        tests.append(recipe_test(*runs, LEVEL))
        parts.append(parts_of_recipes(*runs, tests[-1].standard_error))
    p_values = holm([test.p_value for test in tests])
    equivalences = holm(
        [
            recipe_equivalence_p_value(
                test.difference, test.standard_error, test.degrees_of_freedom, MARGIN
            )
            for test in tests
        ]
    )

    better, equivalent = LEVEL, LEVEL
    if looks is not None:
        levels = look_levels(looks, parts)
        better, equivalent = levels.better, levels.equivalent
    best = int(np.argmax([contender[:seeds].mean() for contender in contenders]))
    outcomes, probability = set(), 1.0
    for pair, test, part, p, q in zip(pairs, tests, parts, p_values, equivalences, strict=True):
        if best not in pair:
            continue
        outcome = "undecided"
        if p <= better:
            outcome = "better"
        elif q <= equivalent:
            outcome = "equivalent"
        elif looks is not None and seeds < looks.most:
            of_pair = probability_to_decide(test.difference, part, looks, MARGIN, len(pairs))
            probability = min(probability, of_pair)
        outcomes.add(outcome)
    for outcome in ("undecided", "equivalent", "better"):
        if outcome in outcomes:
            break
    return Ending(outcome, best, seeds), probability


def until_decided(contenders: Sequence[Bools], stops_early: bool = True) -> Ending:
    """Return the end of a comparison whose seeds are added until it is decided."""
    for seeds in range(FIRST_LOOK, MOST_SEEDS + 1):
        looks = Looks(tuple(range(FIRST_LOOK, seeds + 1)), MOST_SEEDS)
        ending, probability = look(contenders, looks, seeds)
        if ending.outcome != "undecided" or (stops_early and probability < FUTILE):
            break
    return ending


def boundaries() -> None:
    """Print the levels of the looks, by the variance of one seed relative to that over images."""
    print(f"| seeds / images | {' | '.join(str(s) for s in range(FIRST_LOOK, MOST_SEEDS + 1))} |")
    print("|---" * (MOST_SEEDS - FIRST_LOOK + 2) + "|")
    for ratio in (0.0, 0.1, 1.0, 10.0, 1000.0):
        cells = []
        for seeds in range(FIRST_LOOK, MOST_SEEDS + 1):
            parts = ErrorParts(1.0, 0.0, ratio / 3 / seeds, seeds, 1000)
            looks = Looks(tuple(range(FIRST_LOOK, seeds + 1)), MOST_SEEDS)
            levels = look_levels(looks, [parts])
            cells.append(f"{levels.better:.4f}, {levels.equivalent:.4f}")
        print(f"| {ratio:g} | {' | '.join(cells)} |")


def equal(experiments: int) -> None:
    """Print how often equal contenders are called different."""
    print(
        "| images | SD over seeds | contenders | auto: better | auto: equivalent | auto: seeds "
        "| 3 seeds: better | 8 seeds: better |\n|---|---|---|---|---|---|---|---|"
    )
    cases = [(n, (spread,) * 2) for n, spread in PLACES]
    cases += [(10_000, (0.005,) * 3), (10_000, (0.01, 0.0))]
    for number, (n, spreads) in enumerate(cases):
        rng = np.random.default_rng([1, number])
        endings, fixed = [], {3: 0, 8: 0}
        for _ in range(experiments):
            contenders = simulate(rng, n, [0.9] * len(spreads), spreads)
            endings.append(until_decided(contenders))
            for seeds in fixed:
                fixed[seeds] += look(contenders, None, seeds)[0].outcome == "better"
        shown = " and ".join(dict.fromkeys(f"{spread:.1%}" for spread in spreads))
        print(
            f"| {n:,} | {shown} | {len(spreads)} | {_share(endings, 'better')} "
            f"| {_share(endings, 'equivalent')} | {_seeds(endings)} "
            f"| {fixed[3] / experiments:.1%} | {fixed[8] / experiments:.1%} |",
            flush=True,
        )


def power(experiments: int) -> None:
    """Print how often a true difference is found, and with how many seeds."""
    designs = " | ".join(f"{seeds} seeds: better" for seeds in FIXED)
    print(f"| images | SD over seeds | true difference | {designs} | auto: better | auto: seeds |")
    print("|---" * (5 + len(FIXED)) + "|")
    saved = []
    for number, (n, spread) in enumerate(PLACES):
        for difference in (0.005, 0.01, 0.02, 0.04):
            rng = np.random.default_rng([2, number, round(1e4 * difference)])
            endings, fixed = [], dict.fromkeys(FIXED, 0)
            for _ in range(experiments):
                contenders = simulate(rng, n, [0.9, 0.9 - difference], [spread] * 2)
                endings.append(until_decided(contenders))
                for seeds in FIXED:
                    ending = look(contenders, None, seeds)[0]
                    fixed[seeds] += ending.outcome == "better" and ending.best == 0
            saved += [ending.seeds for ending in endings]
            shares = " | ".join(f"{fixed[seeds] / experiments:.1%}" for seeds in FIXED)
            print(
                f"| {n:,} | {spread:.1%} | {100 * difference:g} points | {shares} "
                f"| {_share(endings, 'better', best=0)} | {_seeds(endings)} |",
                flush=True,
            )
    for seeds in FIXED[1:]:
        median, mean = (1 - float(of(saved)) / seeds for of in (np.median, np.mean))
        print(f"\n{median:.0%} fewer runs than {seeds} seeds in the median, {mean:.0%} on average.")


def equivalence(experiments: int) -> None:
    """Print how often contenders are called equivalent, at the margin and without a difference."""
    print(
        "| images | SD over seeds | true difference | 8 seeds: equivalent | auto: equivalent "
        "| auto: seeds |\n|---|---|---|---|---|---|"
    )
    for number, (n, spread) in enumerate(((10_000, 0.0), (40_000, 0.0), (40_000, 0.003))):
        for difference in (0.0, MARGIN):
            rng = np.random.default_rng([3, number, round(1e4 * difference)])
            endings, fixed = [], 0
            for _ in range(experiments):
                contenders = simulate(rng, n, [0.9, 0.9 - difference], [spread] * 2)
                endings.append(until_decided(contenders))
                fixed += look(contenders, None, MOST_SEEDS)[0].outcome == "equivalent"
            print(
                f"| {n:,} | {spread:.1%} | {100 * difference:g} points | {fixed / experiments:.1%} "
                f"| {_share(endings, 'equivalent')} | {_seeds(endings)} |",
                flush=True,
            )


def second_look(experiments: int) -> None:
    """Print how often equal contenders are called different by `--seeds 3`, then `--seeds 5`."""
    print(
        "| images | SD over seeds | 3 seeds: better | 3, then 5: better in the end "
        "| the same without a correction |\n|---|---|---|---|---|"
    )
    for number, (n, spread) in enumerate(PLACES):
        rng = np.random.default_rng([4, number])
        counts = np.zeros(3)
        for _ in range(experiments):
            contenders = simulate(rng, n, [0.9] * 2, [spread] * 2)
            first = look(contenders, None, 3)[0].outcome
            corrected = look(contenders, Looks((3, 5), 5, is_planned=False), 5)[0].outcome
            plain = look(contenders, None, 5)[0].outcome
            counts += [
                first == "better",
                first == "better" or corrected == "better",
                first == "better" or plain == "better",
            ]
        shares = " | ".join(f"{share:.1%}" for share in counts / experiments)
        print(f"| {n:,} | {spread:.1%} | {shares} |", flush=True)


def second_gate(experiments: int) -> None:
    """Print how often a candidate that loses the margin passes `--seeds 3`, then `--seeds 5`."""
    print(
        "| images | SD over seeds | 3 seeds: passes | 3, then 5: passes one of them "
        "| the same without a correction |\n|---|---|---|---|---|"
    )
    for number, (n, spread) in enumerate(PLACES):
        rng = np.random.default_rng([5, number])
        counts = np.zeros(3)
        for _ in range(experiments):
            reference, candidate = simulate(rng, n, [0.9, 0.9 - MARGIN], [spread] * 2)
            parts = parts_of_recipes(
                reference[:5],
                candidate[:5],
                recipe_test(reference[:5], candidate[:5]).standard_error,
            )
            level = look_levels(Looks((3, 5), 5, is_planned=False), [parts]).equivalent
            first = _passes(reference, candidate, 3, LEVEL)
            corrected = first or _passes(reference, candidate, 5, level)
            plain = first or _passes(reference, candidate, 5, LEVEL)
            counts += [first, corrected, plain]
        shares = " | ".join(f"{share:.1%}" for share in counts / experiments)
        print(f"| {n:,} | {spread:.1%} | {shares} |", flush=True)


def _passes(reference: Bools, candidate: Bools, seeds: int, level: float) -> bool:
    """Return whether a loss of the margin is rejected, one-sided, with so many seeds."""
    test = recipe_test(candidate[:seeds], reference[:seeds], 2 * level)
    return test.interval[0] > -MARGIN


def _share(endings: Sequence[Ending], outcome: str, best: int | None = None) -> str:
    hits = [
        ending.outcome == outcome and (best is None or ending.best == best) for ending in endings
    ]
    return f"{np.mean(hits):.1%}"


def _seeds(endings: Sequence[Ending]) -> str:
    counts = [ending.seeds for ending in endings]
    return f"median {np.median(counts):g}, mean {np.mean(counts):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("boundaries")
    simulations = {
        "equal": (equal, 600),
        "power": (power, 100),
        "equivalence": (equivalence, 200),
        "second_look": (second_look, 600),
        "second_gate": (second_gate, 600),
    }
    for verb, (_, experiments) in simulations.items():
        verbs.add_parser(verb).add_argument("--experiments", type=int, default=experiments)
    args = parser.parse_args()
    if args.verb == "boundaries":
        return boundaries()
    simulation, _ = simulations[args.verb]
    print(f"{args.experiments:,} simulated comparisons per row.\n")
    return simulation(args.experiments)


if __name__ == "__main__":
    main()
