"""The values of each figure as a table: the CSV file beside the picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.formatting import one_line
from headstart.report._error_images import ErrorImage
from headstart.report._gallery_images import Gallery
from headstart.report.figures._confusion_matrix import row_shares
from headstart.report.figures._line_values import plot_values
from headstart.report.figures._network_blocks import Block
from headstart.report.figures._part_scores import PartScore
from headstart.results import EffectResult, Tuning, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from headstart.report._study import Entry

Cell = str | int | float | None


@dataclass(frozen=True)
class FigureTable:
    """The values of a figure: the names of the columns, and one row per value or object."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def as_csv(self) -> str:
        """Return the table as the text of a CSV file. None is an empty cell."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([["" if cell is None else cell for cell in row] for row in self.rows])
        return out.getvalue()


def line_table(figure: Figure) -> FigureTable:
    """Return the points of the named lines of a figure."""
    rows: list[tuple[Cell, ...]] = []
    plots = plot_values(figure)
    for plot in plots:
        for line in plot.lines:
            for x, y in zip(line.x, line.y, strict=True):
                rows.append((plot.title, line.name, plot.y_label, x, y))
    x_label = plots[0].x_label if plots else ""
    return FigureTable(("plot", "line", "quantity", x_label or "x", "value"), tuple(rows))


def confusion_table(counts: NDArray[np.int64], class_names: Sequence[str]) -> FigureTable:
    """Return the cells with images of a confusion matrix."""
    shares = row_shares(counts)
    rows = [
        (
            class_names[true],
            class_names[predicted],
            int(counts[true, predicted]),
            round(float(shares[true, predicted]), 6),
        )
        for true, predicted in np.argwhere(counts)
    ]
    return FigureTable(("true class", "predicted class", "images", "share of row"), tuple(rows))


def difference_table(verdict: Verdict) -> FigureTable:
    """Return the pairs of a verdict."""
    columns = ("a", "b", "difference", "low", "high", "p_value", "p_adjusted", "outcome")
    rows: list[tuple[Cell, ...]] = []
    for pair in verdict.pairs:
        tests = (pair.p_value, pair.p_adjusted, pair.outcome)
        rows.append((pair.a, pair.b, pair.difference, *pair.interval, *tests))
    return FigureTable(columns, tuple(rows))


def block_table(blocks: Sequence[Block]) -> FigureTable:
    """Return the blocks of a network."""
    rows = [
        (
            block.title,
            " ".join(block.kinds),
            "x".join(map(str, block.output_shape)),
            block.parameters,
            block.state,
        )
        for block in blocks
    ]
    return FigureTable(("block", "layers", "output shape", "parameters", "state"), tuple(rows))


def gallery_table(gallery: Gallery) -> FigureTable:
    """Return the example predictions."""
    rows: list[tuple[Cell, ...]] = []
    for image in (*gallery.correct, *gallery.incorrect):
        probability = dict(image.probabilities).get(image.predicted)
        rows.append((image.name, image.label, image.predicted, probability))
    return FigureTable(("image", "true class", "predicted class", "probability"), tuple(rows))


def error_table(errors: Sequence[ErrorImage]) -> FigureTable:
    """Return the worst errors with the prediction of each contender."""
    rows: list[tuple[Cell, ...]] = []
    for error in errors:
        for said in error.predictions:
            rows.append(
                (error.name, error.label, said.entry.name, said.predicted, said.probability)
            )
    columns = ("image", "true class", "contender", "predicted class", "probability")
    return FigureTable(columns, tuple(rows))


def part_score_table(scored: Sequence[tuple[Entry[object], Sequence[PartScore]]]) -> FigureTable:
    """Return the accuracy of each entry on each part of the split."""
    rows: list[tuple[Cell, ...]] = []
    for entry, scores in scored:
        for score in scores:
            rows.append((entry.name, score.part, score.images, score.accuracy, *score.interval))
    columns = ("entry", "part", "images", "accuracy", "low", "high")
    return FigureTable(columns, tuple(rows))


def effect_table(effects: Sequence[EffectResult]) -> FigureTable:
    """Return the changes with their difference from the baseline."""
    rows: list[tuple[Cell, ...]] = []
    for effect in effects:
        low, high = effect.interval or (None, None)
        rows.append((effect.label, effect.outcome, effect.difference, low, high, effect.p_adjusted))
    columns = ("change", "outcome", "difference", "low", "high", "p_adjusted")
    return FigureTable(columns, tuple(rows))


def importance_table(ranked: Sequence[tuple[str, float]]) -> FigureTable:
    """Return the importance of each hyper-parameter."""
    return FigureTable(("setting", "share of variance"), tuple(ranked))


def trial_table(finding: Tuning) -> FigureTable:
    """Return the trials with their values and their scores after the last rung."""
    keys: dict[str, None] = {}
    for trial in finding.trials:
        keys |= dict.fromkeys(trial.values)
    rows: list[tuple[Cell, ...]] = []
    for trial in finding.trials:
        scores: tuple[Cell, ...] = (None, None, None)
        if trial.rungs:
            last = trial.rungs[-1]
            scores = (last.epochs, last.loss, last.accuracy)
        values = [str(trial.values[key]) if key in trial.values else None for key in keys]
        rows.append((trial.number, trial.state, *scores, *values))
    columns = ("trial", "state", "epochs", "loss", "accuracy", *map(one_line, keys))
    return FigureTable(columns, tuple(rows))


def figure_table(figure: Figure, name: str, tables: Mapping[str, FigureTable]) -> FigureTable:
    """Return the values of a figure: those that its page gives, or those of its lines."""
    return tables[name] if name in tables else line_table(figure)
