"""Draw the pictures of docs/method.md, one per idea.

        python benchmarks/method_figures.py docs/images

The intervals of the pictures are computed by `headstart.evaluation` from simulated images.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from headstart import store
from headstart.evaluation import (
    SliceMembers,
    accuracy_interval,
    compare_slices,
    recipe_test,
    reuse_optimism,
)
from headstart.report.figures._canvas import drawing_style, figure_bytes, new_figure
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

BLUE, ORANGE, GREY = LIGHT.accents[0], LIGHT.accents[1], LIGHT.soft
WIDTH = 6.4


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder

    figures: dict[str, Callable[[], Figure]] = {
        "method-mcnemar": discordant_images,
        "method-seeds": images_and_seeds,
        "method-groups": images_in_groups,
        "method-outcomes": three_outcomes,
        "method-folds": folds,
        "method-steps": same_steps,
        "method-sets": prediction_sets,
        "method-looks": looks_at_seeds,
        "method-gate": gate,
        "method-reuse": reused_test_images,
        "method-robust": robust_or_not,
        "method-subgroups": subgroups,
        "method-verify": verified_report,
    }
    for name, draw in figures.items():
        with drawing_style():
            store.write_bytes(folder / f"{name}.png", figure_bytes(draw(), "png"))
        print(folder / f"{name}.png")


def discordant_images() -> Figure:
    """Draw forty images of which eleven decide."""
    figure, axes = _bare(WIDTH, 1.5)
    kinds = [GREY] * 26 + [LIGHT.line] * 3 + [BLUE] * 8 + [ORANGE] * 3
    for place, colour in enumerate(kinds):
        axes.add_patch(_square(place % 20, -(place // 20), colour))
    axes.set(xlim=(-0.2, 20.2), ylim=(-2.6, 1.2))
    for left, text, colour in (
        (0, "both correct", GREY),
        (4.6, "both wrong", LIGHT.soft),
        (9, "only A correct: 8", BLUE),
        (14.6, "only B correct: 3", ORANGE),
    ):
        axes.text(left, -2.1, text, color=colour, fontsize=8, va="center")
    return figure


def images_and_seeds() -> Figure:
    """Draw three runs of two recipes with the intervals of their accuracies."""
    generator = np.random.default_rng(4)
    figure = new_figure(WIDTH, 1.9)
    axes = figure.add_subplot()
    recipes = (("similar seeds", 0.002, 0.902, BLUE), ("different seeds", 0.025, 0.9, ORANGE))
    for row, (name, spread, accuracy, colour) in enumerate(recipes):
        rates = accuracy + spread * np.array([-1.0, 0.1, 0.9])
        is_easy = generator.permutation(np.linspace(0, 1, 2000))
        runs = np.stack([is_easy < rate for rate in rates])
        low, high = accuracy_interval(runs)
        axes.plot([100 * low, 100 * high], [row, row], color=colour, linewidth=3, alpha=0.35)
        axes.plot(100 * runs.mean(axis=1), [row] * 3, "o", color=colour, markersize=5)
        axes.text(100 * runs.mean(), row + 0.28, name, color=colour, ha="center", fontsize=8)
    axes.set(xlabel="accuracy on 2,000 test images, %", yticks=[], ylim=(-0.5, 1.7))
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    return figure


def images_in_groups() -> Figure:
    """Draw the images of sixteen patients, and both intervals of the accuracy."""
    generator = np.random.default_rng(3)
    patients, images = 16, 12
    rates = generator.beta(1.6, 0.5, patients)
    correct = generator.random((patients, images)) < np.sort(rates)[:, None]
    figure = new_figure(WIDTH, 3.0)
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 1))
    for patient in range(patients):
        for image in range(images):
            colour = BLUE if correct[patient, image] else LIGHT.line
            upper.add_patch(_square(patient, image, colour))
    upper.set(xlim=(-0.3, patients + 0.1), ylim=(-0.3, images + 0.2), yticks=[], xticks=[])
    upper.set(xlabel="one column per patient, one square per image; blue is correct")
    upper.spines[:].set_visible(False)
    upper.grid(visible=False)

    flat = correct.ravel()
    groups = np.repeat(np.arange(patients), images)
    rows = (
        ("over patients", accuracy_interval(flat, groups=groups), BLUE),
        ("over images", accuracy_interval(flat), ORANGE),
    )
    for row, (name, (low, high), colour) in enumerate(rows):
        lower.plot([100 * low, 100 * high], [row, row], color=colour, linewidth=4)
        lower.text(100 * high + 1, row, name, color=colour, va="center", fontsize=8)
    lower.plot([100 * flat.mean()] * 2, [0, 1], "o", color=LIGHT.ink, markersize=4)
    lower.set(xlim=(40, 110), ylim=(-0.6, 1.6), yticks=[], xlabel="accuracy, 95% interval, %")
    lower.set(xticks=range(40, 101, 10))
    lower.spines["left"].set_visible(False)
    lower.grid(visible=False)
    return figure


def three_outcomes() -> Figure:
    """Draw intervals of a difference that are better, equivalent and undecided."""
    figure = new_figure(WIDTH, 2.4)
    axes = figure.add_subplot()
    axes.axvspan(-0.5, 0.5, color=LIGHT.wash, zorder=0)
    axes.axvline(0, color=LIGHT.ink, linewidth=1)
    rows = (
        (-0.7, 1.6, "undecided: both zero and one point fit", GREY),
        (-0.25, 0.35, "equivalent: within the margin", ORANGE),
        (0.12, 0.42, "better, by less than the margin", BLUE),
        (0.6, 1.7, "better", BLUE),
    )
    for row, (low, high, text, colour) in enumerate(rows):
        axes.plot([low, high], [row, row], color=colour, linewidth=3, solid_capstyle="butt")
        axes.plot((low + high) / 2, row, "o", color=colour, markersize=5)
        axes.text(1.95, row, text, color=colour, va="center", fontsize=8)
    axes.text(-0.55, 3.75, "margin ±0.5", color=GREY, ha="right", fontsize=8)
    axes.set(xlim=(-1.2, 4.4), ylim=(-0.6, 4.1), yticks=[], xticks=[-1, -0.5, 0, 0.5, 1, 1.5])
    axes.set_xlabel("accuracy of A minus accuracy of B, percentage points", loc="left")
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)
    return figure


def folds() -> Figure:
    """Draw five folds: each image is tested once."""
    figure, axes = _bare(WIDTH, 2.3)
    wide = 2.0
    for row in range(5):
        for fold in range(5):
            is_test = fold == row
            colour = BLUE if is_test else LIGHT.line
            axes.add_patch(_box(fold * wide, -row, wide - 0.08, 0.8, colour))
            if is_test:
                axes.text(
                    (fold + 0.48) * wide,
                    0.4 - row,
                    "test",
                    color="white",
                    ha="center",
                    va="center",
                    fontsize=8,
                )
        start = ((row + 1) % 5) * wide
        axes.add_patch(_box(start, -row, 0.45, 0.8, ORANGE))
        axes.text(10.15, 0.4 - row, f"model {row + 1}", fontsize=8, va="center")
    axes.text(0, -4.9, "grey: training images", fontsize=8, color=GREY)
    axes.text(
        3.2,
        -4.9,
        "orange: validation images, cut from the training images",
        fontsize=8,
        color=ORANGE,
    )
    axes.set(xlim=(-0.1, 11.6), ylim=(-5.2, 1))
    return figure


def same_steps() -> Figure:
    """Draw the steps of three seeds on a busy machine, planned separately and together."""
    figure = new_figure(WIDTH, 2.0)
    for place, (title, epochs) in enumerate(
        (
            ("each seed has its own time", (1.2, 3.2, 3.2)),
            ("planned once for all seeds", (2.6,) * 3),
        )
    ):
        axes = figure.add_subplot(1, 2, place + 1)
        colours = [ORANGE if value < 2 else BLUE for value in epochs]
        axes.barh(["seed 0", "seed 1", "seed 2"], epochs, color=colours, height=0.55)
        axes.invert_yaxis()
        axes.set_title(title, fontsize=9)
        axes.set(xlim=(0, 3.5), xlabel="epochs")
        axes.grid(visible=False)
    return figure


def prediction_sets() -> Figure:
    """Draw the probabilities of the true classes of validation images, and the threshold."""
    generator = np.random.default_rng(1)
    probabilities = np.concatenate([generator.beta(9, 1, 360), generator.beta(1.5, 2, 40)])
    threshold = float(np.quantile(probabilities, 0.05))
    figure = new_figure(WIDTH, 2.2)
    axes = figure.add_subplot()
    edges = np.arange(0, 1.0001, 0.025)
    counts = np.histogram(probabilities, edges)[0]
    colours = [ORANGE if left < threshold - 0.0125 else BLUE for left in edges[:-1]]
    axes.bar(edges[:-1], counts, 0.025, align="edge", color=colours)
    tallest = float(counts.max())
    axes.axvline(threshold, color=LIGHT.ink, linewidth=1)
    axes.text(threshold - 0.02, 0.8 * tallest, "threshold", ha="right", fontsize=8)
    axes.text(threshold - 0.02, 0.62 * tallest, "5% below", ha="right", fontsize=8, color=ORANGE)
    axes.text(threshold + 0.02, 0.62 * tallest, "95% above", fontsize=8, color=BLUE)
    axes.set(xlabel="calibrated probability of the true class", ylabel="validation images")
    axes.grid(visible=False)
    return figure


def looks_at_seeds() -> Figure:
    """Draw a comparison that ends at its third look, and the intervals of its difference."""
    figure = new_figure(WIDTH, 2.2)
    axes = figure.add_subplot()
    looks = ((3, -0.4, 2.4), (4, -0.1, 2.0), (5, 0.25, 1.75))
    axes.axhline(0, color=LIGHT.ink, linewidth=1)
    for seeds, low, high in looks:
        colour = BLUE if low > 0 else GREY
        axes.plot([seeds, seeds], [low, high], color=colour, linewidth=3, solid_capstyle="butt")
        axes.plot(seeds, (low + high) / 2, "o", color=colour, markersize=5)
    axes.text(5.15, 1.0, "decided: the seeds end", color=BLUE, fontsize=8, va="center")
    axes.axvspan(5.9, 8.4, ymin=0, ymax=0.32, color=LIGHT.wash)
    axes.text(7.15, -0.35, "not trained", color=GREY, fontsize=8, ha="center")
    axes.set(xlim=(2.5, 8.5), ylim=(-0.8, 2.7), xticks=range(3, 9))
    axes.set(xlabel="seeds per contender", ylabel="difference, points")
    axes.grid(visible=False)
    return figure


def gate() -> Figure:
    """Draw intervals of a candidate that passes, fails, and is not decided."""
    figure = new_figure(WIDTH, 2.0)
    axes = figure.add_subplot()
    axes.axvline(0, color=LIGHT.line, linewidth=1)
    axes.axvline(-0.5, color=LIGHT.ink, linewidth=1)
    rows = (
        (-1.7, -0.6, "exit 1: worse by more than the margin", ORANGE),
        (-0.9, 0.5, "exit 4: the margin lies in the interval", GREY),
        (-0.35, 0.75, "exit 0: not worse than the margin allows", BLUE),
    )
    for row, (low, high, text, colour) in enumerate(rows):
        axes.plot([low, high], [row, row], color=colour, linewidth=3, solid_capstyle="butt")
        axes.plot((low + high) / 2, row, "o", color=colour, markersize=5)
        axes.text(1.0, row, text, color=colour, va="center", fontsize=8)
    axes.text(-0.53, 2.55, "margin", color=LIGHT.ink, ha="right", fontsize=8)
    axes.set(xlim=(-2, 3.4), ylim=(-0.6, 2.9), yticks=[], xticks=[-1.5, -1, -0.5, 0, 0.5])
    axes.set_xlabel("accuracy of the candidate minus that of the reference, points", loc="left")
    axes.spines["left"].set_visible(False)
    axes.grid(visible=False)
    return figure


def reused_test_images() -> Figure:
    """Draw how much optimism the models evaluated so far allow, on 1,000 test images at 90%."""
    studies = np.unique(np.geomspace(1, 100, 30).astype(int))
    bounds = [reuse_optimism(0.9, 1000, [10] * int(count)) for count in studies]
    figure = new_figure(WIDTH, 2.3)
    axes = figure.add_subplot()
    feedback = [100 * bound.of_feedback for bound in bounds]
    selection = [100 * bound.of_selection for bound in bounds]
    axes.plot(10 * studies, feedback, color=ORANGE, linewidth=2)
    axes.plot(10 * studies, selection, color=BLUE, linewidth=2)
    axes.text(
        280, 20, "each study planned with earlier scores", color=ORANGE, fontsize=8, ha="right"
    )
    axes.text(1000, 0.8, "only the best is selected", color=BLUE, fontsize=8, ha="right")
    axes.set_xscale("log")
    axes.set(xlabel="models evaluated on the same 1,000 test images (ten per study)")
    axes.set(ylabel="optimism, points", ylim=(0, None))
    axes.set_xticks([10, 100, 1000], ["10", "100", "1,000"])
    return figure


def robust_or_not() -> Figure:
    """Draw two verdicts, recomputed without the images of each check.

    In the second one, A knows the 10% of the test images that have near copies in training.
    """
    generator = np.random.default_rng(5)
    images = 2000
    ease = generator.random(images)
    is_copy = generator.random(images) < 0.1
    label = generator.integers(0, 5, images)
    suspected = generator.random(images) < 0.02
    everything = np.zeros(images, bool)
    checks = (
        ("verdict", everything),
        ("without near copies", is_copy),
        ("without suspected labels", suspected),
        ("without one class", label == 0),
    )
    figure = new_figure(WIDTH, 2.1)
    axes_of = figure.subplots(1, 2, sharey=True, sharex=True)
    for axes, title, gain in zip(axes_of, ("robust", "not robust"), (0.04, 0.002), strict=True):
        knows_copies = is_copy & (title == "not robust")
        luck = generator.normal(0, 0.05, (2, 3, images))
        a = (ease + luck[0] < 0.88 + gain) | knows_copies
        b = ease + luck[1] < 0.88
        axes.axvline(0, color=LIGHT.ink, linewidth=1)
        for row, (_, is_left_out) in enumerate(checks):
            test = recipe_test(a[:, ~is_left_out], b[:, ~is_left_out])
            low, high = (100 * end for end in test.interval)
            colour = BLUE if low > 0 else GREY
            axes.plot([low, high], [row, row], color=colour, linewidth=3, solid_capstyle="butt")
            axes.plot(100 * test.difference, row, "o", color=colour, markersize=5)
        axes.set_title(title, fontsize=9)
        axes.set(xlabel="accuracy of A minus B, points", ylim=(3.5, -0.5))
        axes.grid(visible=False)
    axes_of[0].set_yticks(range(4), [name for name, _ in checks])
    return figure


def subgroups() -> Figure:
    """Draw the deviations of twenty subgroups, and their limits with and without a correction."""
    generator = np.random.default_rng(5)
    images, count = 2000, 20
    ease = generator.random(images)
    a, b = (ease + generator.normal(0, 0.15, (1, images)) < 0.88 for _ in "ab")
    part = generator.integers(0, count, images)
    b &= ~((part == 0) & (generator.random(images) < 0.16))
    members = [SliceMembers("group", str(number), part == number) for number in range(count)]
    found = {item.name: item for item in compare_slices(a, b, members).slices}
    differences = (a.astype(float) - b)[0]
    contrasts = []  # of each subgroup: its mean minus that of the other images, in standard errors
    for number in range(count):
        is_inside = part == number
        inside, outside = differences[is_inside], differences[~is_inside]
        error = (inside.var() / len(inside) + outside.var() / len(outside)) ** 0.5
        contrast = np.where(is_inside, 1 / len(inside), -1 / len(outside)) / error
        contrasts.append(contrast)
    weights = np.array(contrasts).T
    statistics = np.abs(differences @ weights)
    signs = generator.choice([-1.0, 1.0], (999, images))
    at_random = np.abs((signs * (differences - differences.mean())) @ weights)
    single = float(np.quantile(at_random, 0.95))
    corrected = float(np.quantile(at_random.max(axis=1), 0.95))

    figure = new_figure(WIDTH, 2.2)
    axes = figure.add_subplot()
    for number, statistic in enumerate(statistics):
        is_significant = found[str(number)].p_adjusted <= 0.05
        colour = BLUE if is_significant else ORANGE if statistic > single else GREY
        axes.bar(number, statistic, color=colour, width=0.7)
    for height, text in ((single, "limit for one subgroup"), (corrected, "limit for 20 subgroups")):
        axes.axhline(height, color=LIGHT.ink, linewidth=1, linestyle=":")
        axes.text(count + 0.2, height + 0.08, text, fontsize=8)
    axes.set(xlim=(-0.8, 26), xticks=[], ylabel="deviation / its error")
    axes.set_xlabel("20 subgroups, of which only the first really differs", loc="left")
    axes.grid(visible=False)
    return figure


def verified_report() -> Figure:
    """Draw what `verify` compares: the page, its data, and the predictions in the data."""
    figure, axes = _bare(WIDTH, 1.7)
    boxes = (
        (0, "the page that you read", "accuracy 92.7%", ORANGE),
        (3.6, "the page, written again", "accuracy 92.1%", BLUE),
        (7.2, "the predictions in it", "1,842 of 2,000 correct", BLUE),
    )
    for left, title, text, colour in boxes:
        axes.add_patch(_box(left, 0, 2.9, 1.1, LIGHT.wash))
        axes.text(left + 1.45, 1.35, title, fontsize=8, ha="center")
        axes.text(left + 1.45, 0.55, text, fontsize=9, ha="center", va="center", color=colour)
    for left, sign, text, colour in (
        (3.25, "≠", "edited", ORANGE),
        (6.85, "=", "recomputed", BLUE),
    ):
        axes.text(left, 0.55, sign, fontsize=13, ha="center", va="center", color=colour)
        axes.text(left, -0.35, text, fontsize=8, ha="center", color=colour)
    axes.set(xlim=(-0.1, 10.2), ylim=(-0.6, 1.7))
    return figure


def _bare(width: float, height: float) -> tuple[Figure, Axes]:
    figure = new_figure(width, height)
    axes = figure.add_subplot()
    axes.set_axis_off()
    return figure, axes


def _square(x: float, y: float, colour: str) -> Rectangle:
    return _box(x, y, 0.8, 0.8, colour)


def _box(x: float, y: float, width: float, height: float, colour: str) -> Rectangle:
    from matplotlib.patches import Rectangle

    return Rectangle((x, y), width, height, facecolor=colour, edgecolor="none")


if __name__ == "__main__":
    main()
