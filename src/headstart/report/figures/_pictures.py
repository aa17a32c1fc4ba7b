"""The figures without axes: networks as blocks, galleries of images."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.formatting import compact_count, shape, shorten
from headstart.report._load import Entry, Run
from headstart.report.figures._canvas import bare_axes
from headstart.report.figures._network_blocks import Block
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BLOCKS_A_ROW = 10
MOST_BARS = 4


@dataclass(frozen=True)
class Shown:
    """One image of a gallery: uint8 `(H, W, C)`, its names, and its most probable classes, best first."""

    image: NDArray[np.uint8]
    name: str
    label: str
    predicted: str
    chances: tuple[tuple[str, float], ...]


def read_gallery(run: Run, class_names: tuple[str, ...]) -> tuple[list[Shown], list[Shown]] | None:
    """The right and the wrong predictions that the run set aside; None when it kept no images or no predictions."""
    kept, predictions = run.folder / "gallery.npz", run.folder / "predictions.csv"
    if not kept.is_file() or not predictions.is_file():
        return None
    with np.load(kept, allow_pickle=False) as arrays:
        right, wrong, images = (arrays[name] for name in ("right", "wrong", "images"))
    rows = _rows(predictions, {int(index) for index in [*right, *wrong]}, class_names)
    both = [
        _shown(image, rows[int(index)]) if int(index) in rows else None
        for image, index in zip(images, [*right, *wrong], strict=True)
    ]
    return [one for one in both[: len(right)] if one], [one for one in both[len(right) :] if one]


def _rows(
    path: Path, wanted: set[int], class_names: tuple[str, ...]
) -> dict[int, tuple[list[str], list[tuple[str, float]]]]:
    found = {}
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        first = next(lines).index("correct") + 1
        for line in lines:
            if int(line[0]) in wanted:
                chances = [
                    (name, float(text))
                    for name, text in zip(class_names, line[first:], strict=True)
                ]
                found[int(line[0])] = (
                    line,
                    sorted(chances, key=lambda chance: -chance[1])[:MOST_BARS],
                )
    return found


def _shown(image: NDArray[np.uint8], row: tuple[list[str], list[tuple[str, float]]]) -> Shown:
    line, chances = row
    return Shown(image, line[1], line[3], line[4], tuple(chances))


def architecture(entry: Entry, drawn: list[Block]) -> Figure:
    """Blocks from left to right, in rows: height is the side of the feature map, width its channels, both logarithmic."""
    from matplotlib.figure import Figure

    rows = [
        drawn[start : start + MOST_BLOCKS_A_ROW]
        for start in range(0, len(drawn), MOST_BLOCKS_A_ROW)
    ]
    tallest = max(block.height for block in drawn)
    above = [1.2 * max(block.height for block in row) / tallest for row in rows]
    width, height = 1.12 * len(rows[0]) + 0.3, 0.5 + sum(above) + 0.95 * len(rows)
    figure = Figure(figsize=(width, height))
    axes = bare_axes(figure, width, height)
    axes.text(
        0.15,
        0.22,
        shorten(entry.name, 60),
        weight="bold",
        color=LIGHT.accent(entry.place),
        va="center",
        fontsize=10,
    )
    base = -0.45
    for row, room in zip(rows, above, strict=True):
        base += room + 0.95
        for column, block in enumerate(row):
            _draw_block(
                axes,
                block,
                0.71 + 1.12 * column,
                base,
                1.2 * block.height / tallest,
                LIGHT.accent(entry.place),
            )
    return figure


def _draw_block(
    axes: Axes, block: Block, middle: float, base: float, tall: float, accent: str
) -> None:
    """One block that stands on `base`, its text below; learned filled, frozen hatched, the rest empty."""
    from matplotlib.patches import FancyBboxPatch

    wide = 0.95 * block.width
    axes.add_patch(
        FancyBboxPatch(
            (middle - wide / 2, base - tall),
            wide,
            tall,
            boxstyle="round,pad=0,rounding_size=0.04",
            linewidth=0.6,
            edgecolor=LIGHT.soft,
            facecolor=accent if block.state == "learned" else LIGHT.wash,
            hatch="////" if block.state == "frozen" else None,
        )
    )
    unit = "frozen" if block.state == "frozen" else "parameters"
    words = [
        shorten(block.title, 16),
        shorten(" ".join(block.kinds), 20),
        shape(block.output_shape),
        f"{compact_count(block.parameters)} {unit}" if block.parameters else "",
    ]
    for line, word in enumerate(words):
        is_title = line == 0
        axes.text(
            middle,
            base + 0.12 + 0.155 * line,
            word,
            ha="center",
            va="center",
            fontsize=7 if is_title else 6,
            weight="bold" if is_title else "normal",
            color=LIGHT.ink if is_title else LIGHT.soft,
        )


def gallery(entry: Entry, right: list[Shown], wrong: list[Shown]) -> Figure:
    """Nine right and nine wrong predictions in two rows."""
    from matplotlib.figure import Figure

    width, height = 1.15 * max(len(right), len(wrong), 4) + 0.2, 4.3
    figure = Figure(figsize=(width, height))
    axes = bare_axes(figure, width, height)
    axes.text(
        0.15,
        0.25,
        shorten(entry.name, 60),
        weight="bold",
        color=LIGHT.accent(entry.place),
        va="center",
        fontsize=10,
    )
    for row, (title, group) in enumerate(
        (("right, drawn at random", right), ("wrong, drawn at random", wrong))
    ):
        top = 0.65 + 1.85 * row
        axes.text(0.15, top - 0.12, title, fontsize=7.5, color=LIGHT.soft, va="center")
        for column, one in enumerate(group):
            left = 0.15 + 1.15 * column
            image = one.image[..., 0] if one.image.shape[-1] == 1 else one.image
            axes.imshow(
                image,
                cmap="gray",
                vmin=0,
                vmax=255,
                interpolation="nearest",
                aspect="auto",
                extent=(left, left + 1, top + 1, top),
            )
            axes.text(
                left, top + 1.12, f"true: {shorten(one.label, 13)}", fontsize=6.2, va="center"
            )
            axes.text(
                left,
                top + 1.27,
                f"said: {shorten(one.predicted, 13)} {100 * one.chances[0][1]:.0f}%",
                fontsize=6.2,
                va="center",
                color=LIGHT.soft,
            )
    axes.set(xlim=(0, width), ylim=(height, 0))
    return figure
