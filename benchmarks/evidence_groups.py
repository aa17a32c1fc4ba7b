"""Measure the statistics of `headstart.evaluation` where images come in groups.

    python benchmarks/evidence_groups.py accuracy
    python benchmarks/evidence_groups.py difference
    python benchmarks/evidence_groups.py alarms
    python benchmarks/evidence_groups.py crossing

Each simulates a population of groups, images and runs whose true accuracies are known, and prints a
Markdown table. evidence_groups.md holds the results. Beside each number is the one that the same
function gives if images are taken as independent.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from headstart.evaluation import (
    accuracy_interval,
    compare_curves,
    exact_mcnemar,
    paired_bootstrap,
    recipe_test,
)

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]
Ints = NDArray[np.int64]
NOISE, RECIPE = 0.15, 0.15  # shares of the variance that are specific to a run and to a recipe
GROUPS = (10, 20, 50, 200, 1000)
CORRELATIONS = (0.0, 0.1, 0.3, 0.5)
IMAGES_PER_GROUP = 20
SPREAD = 0.005  # standard deviation of the true accuracy over seeds
DIFFERENCE = 0.02
LABELS = (10, 30, 100, 300, 1000)  # per class


@cache
def latent_share(accuracy: float, correlation: float) -> float:
    """Return the share of the latent variance that the images of a group have in common.

    Args:
        accuracy: Accuracy of a run.
        correlation: Correlation of being correct between two images of a group.
    """
    if correlation == 0:
        return 0.0
    z = norm.ppf(accuracy)
    both = accuracy**2 + correlation * accuracy * (1 - accuracy)

    def excess(share: float) -> float:
        together = multivariate_normal([0, 0], [[1, share], [share, 1]])
        return float(together.cdf([z, z])) - both

    return float(brentq(excess, 0.0, 0.9999, xtol=1e-5))


def draw_groups(rng: np.random.Generator, groups: int, unequal: bool) -> Ints:
    """Return the group of each image: 20 images per group, or a lognormal number around it."""
    if not unequal:
        return np.repeat(np.arange(groups), IMAGES_PER_GROUP)
    sizes = IMAGES_PER_GROUP * rng.lognormal(-0.5, 1.0, groups)
    return np.repeat(np.arange(groups), np.maximum(1, np.rint(sizes).astype(np.int64)))


@dataclass(frozen=True)
class Design:
    """A kind of experiment.

    Attributes:
        seeds: Runs per recipe.
        groups: Number of groups.
        unequal: Whether groups differ in size.
        accuracy: Mean accuracy of recipe 0 over all images and seeds.
        correlation: Correlation of being correct between two images of a group.
        recipe: Share of the variance that is specific to a recipe.
    """

    seeds: int
    groups: int
    unequal: bool
    accuracy: float
    correlation: float
    recipe: float = RECIPE

    def draw(
        self, rng: np.random.Generator, accuracies: tuple[float, ...]
    ) -> tuple[Ints, list[Bools]]:
        """Return the group of each image, and which images each run of each recipe classifies.

        An image is classified correctly where the sum of six normal variables is above 0: the ease
        of the image, the recipe's effect on it, the run's effect on it, and the same three for
        its group.

        Args:
            rng: Generator of the population.
            accuracies: Mean accuracy of each recipe.
        """
        groups = draw_groups(rng, self.groups, self.unequal)
        common = latent_share(self.accuracy, self.correlation)

        def effects(rows: int, share: float) -> Floats:
            scale_group, scale_image = (common * share) ** 0.5, ((1 - common) * share) ** 0.5
            of_group = rng.standard_normal((rows, self.groups), dtype=np.float32)
            of_image = rng.standard_normal((rows, len(groups)), dtype=np.float32)
            return (
                np.float32(scale_group) * of_group[:, groups] + np.float32(scale_image) * of_image
            )

        ease = effects(1, 1 - self.recipe - NOISE)
        correct = []
        for accuracy in accuracies:
            score = ease + effects(1, self.recipe) + effects(self.seeds, NOISE)
            z = float(norm.ppf(accuracy))
            luck = SPREAD / float(norm.pdf(z)) if self.seeds > 1 else 0.0
            of_seed = rng.standard_normal((self.seeds, 1)) * luck
            correct.append(np.asarray(score + of_seed + z * (1 + luck**2) ** 0.5 > 0))
        return groups, correct


def covered(of: str, design: Design, experiments: int, seed: int) -> tuple[float, float, float]:
    """Return the coverage over groups and over images, and the ratio of the two median widths."""
    rng = np.random.default_rng(
        [seed, design.groups, design.seeds, round(1000 * design.correlation), design.unequal]
    )
    accuracies = (design.accuracy, design.accuracy - DIFFERENCE)
    truth = design.accuracy if of == "accuracy" else DIFFERENCE
    hits = np.zeros(2)
    widths = np.zeros((2, experiments))
    for number in range(experiments):
        groups, correct = design.draw(rng, accuracies[: 1 if of == "accuracy" else 2])
        for way, known in enumerate((groups, None)):
            if of == "accuracy":
                low, high = accuracy_interval(correct[0], groups=known)
            elif design.seeds == 1:
                low, high = paired_bootstrap(*correct, resamples=2000, groups=known)
            else:
                low, high = recipe_test(*correct, groups=known).interval
            hits[way] += low <= truth <= high
            widths[way, number] = high - low
    over_groups, over_images = hits / experiments
    medians = np.median(widths, axis=1)
    return float(over_groups), float(over_images), float(medians[0] / medians[1])


def accuracy(experiments: int) -> None:
    """Print the share of experiments whose 95% interval of an accuracy contains the true value."""
    print_head("| seeds | accuracy | sizes | groups |")
    for seeds, unequal, groups in product((1, 2, 3), (False, True), GROUPS):
        print_row("accuracy", Design(seeds, groups, unequal, 0.9, 0.0), experiments)
    for unequal, groups in product((False, True), GROUPS):
        print_row("accuracy", Design(1, groups, unequal, 0.7, 0.0), experiments)


def difference(experiments: int) -> None:
    """Print the share of experiments whose 95% interval of a difference contains the true value."""
    print_head("| seeds | accuracy | sizes | groups |")
    for seeds, unequal, groups in product((1, 2, 3), (False, True), GROUPS):
        print_row("difference", Design(seeds, groups, unequal, 0.9, 0.0), experiments)


def print_head(columns: str) -> None:
    cells = [f" correlation {correlation:g} |" for correlation in CORRELATIONS]
    print(columns, *cells, sep="")
    print("|---" * (columns.count("|") - 1 + len(cells)) + "|")


def repetitions(experiments: int, groups: int) -> int:
    """Return fewer experiments where there are many images: half for 200 groups and more."""
    return experiments if groups < 200 else experiments // 2


def print_row(of: str, design: Design, experiments: int) -> None:
    """Print coverage over groups, then in parentheses over images, and the ratio of widths."""
    repeats = repetitions(experiments, design.groups)
    cells = []
    for correlation in CORRELATIONS:
        correlated = replace(design, correlation=correlation)
        over_groups, over_images, ratio = covered(of, correlated, repeats, 0)
        cells.append(f"{marked(over_groups, 0.93, 0.97)} ({over_images:.0%}; {ratio:.1f})")
    print_cells(design, cells)


def print_cells(design: Design, cells: list[str]) -> None:
    sizes = "unequal" if design.unequal else "equal"
    print(f"| {design.seeds} | {design.accuracy:.0%} | {sizes} | {design.groups:,} |", end="")
    print(*(f" {cell} |" for cell in cells), sep="", flush=True)


def marked(share: float, lowest: float, highest: float) -> str:
    """Return a share in percent, in bold outside a range."""
    return f"{share:.1%}" if lowest <= share <= highest else f"**{share:.1%}**"


def alarms(experiments: int) -> None:
    """Print how often equal recipes are called different at level 0.05."""
    print_head("| seeds | accuracy | sizes | groups |")
    for seeds, unequal, groups in product((1, 3), (False, True), GROUPS):
        cells = []
        for correlation in CORRELATIONS:
            design = Design(seeds, groups, unequal, 0.9, correlation)
            repeats = repetitions(experiments, groups)
            over_groups, over_images = false_alarms(design, repeats, 1)
            cells.append(f"{marked(over_groups, 0, 0.065)} ({over_images:.0%})")
        print_cells(design, cells)


def false_alarms(design: Design, experiments: int, seed: int) -> tuple[float, float]:
    """Return the share of significant differences of equal recipes, over groups and images."""
    rng = np.random.default_rng([seed, design.groups, design.seeds, design.unequal])
    significant = np.zeros(2)
    for _ in range(experiments):
        groups, (a, b) = design.draw(rng, (design.accuracy, design.accuracy))
        for way, known in enumerate((groups, None)):
            if design.seeds == 1:
                p_value = exact_mcnemar(a[0], b[0], known).p_value
            else:
                p_value = recipe_test(a, b, groups=known).p_value
            significant[way] += p_value <= 0.05
    over_groups, over_images = significant / experiments
    return float(over_groups), float(over_images)


def crossing(experiments: int) -> None:
    """Print the coverage of crossings of learning curves, and of the labels to match."""
    slow, quick = 0.10 + 0.25 * np.log10(LABELS), 0.45 + 0.10 * np.log10(LABELS)
    crosses = 10 ** (0.35 / 0.15)
    print("| seeds | groups | correlation | crossing | labels to match |\n" + "|---" * 5 + "|")
    for seeds, groups, correlation in product((1, 3), (20, 100), (0.0, 0.3)):
        rng = np.random.default_rng([2, seeds, groups, round(10 * correlation)])
        hits = np.zeros((2, 2))
        for _ in range(experiments):
            design = Design(seeds, groups, False, 0.7, correlation)
            numbers, correct = design.draw(rng, (*slow.tolist(), *quick.tolist()))
            a, b = np.stack(correct[: len(LABELS)]), np.stack(correct[len(LABELS) :])
            for way, known in enumerate((numbers, None)):
                curves = compare_curves(LABELS, b, a, groups=known)
                estimates = (curves.crossing(), curves.matching(0))
                truths = (crosses, 10 ** (0.45 / 0.25))
                for which, (estimate, truth) in enumerate(zip(estimates, truths, strict=True)):
                    low, high = estimate.interval
                    hits[which, way] += low <= truth <= high
        shares = hits / experiments
        print(
            f"| {seeds} | {groups} | {correlation:g} |",
            *(f" {over_groups:.1%} ({over_images:.0%}) |" for over_groups, over_images in shares),
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = {
        "accuracy": accuracy,
        "difference": difference,
        "alarms": alarms,
        "crossing": crossing,
    }
    parser.add_argument("verb", choices=verbs)
    parser.add_argument("--experiments", type=int, default=400)
    args = parser.parse_args()
    verbs[args.verb](args.experiments)


if __name__ == "__main__":
    main()
