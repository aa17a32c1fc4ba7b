"""The figure of a network: blocks from left to right, in rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from headstart.formatting import compact_count, shape, shorten, wrap_name
from headstart.report._study import Entry
from headstart.report.figures._canvas import new_drawing
from headstart.report.figures._network_blocks import Block
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_BLOCKS_PER_ROW = 10
# In inches.
_COLUMN, _TALLEST, _TEXT, _LINE = 1.12, 1.2, 0.8, 0.155


def architecture_figure(entry: Entry[object], blocks: Sequence[Block]) -> Figure:
    """Draw the network of an entry.

    The height of a block is the size of its feature map and its width the number of channels, both
    on a logarithmic scale.
    """
    rows = [
        blocks[start : start + MAX_BLOCKS_PER_ROW]
        for start in range(0, len(blocks), MAX_BLOCKS_PER_ROW)
    ]
    scale = _TALLEST / max(block.height for block in blocks)
    heights = [scale * max(block.height for block in row) for row in rows]
    width = _COLUMN * len(rows[0]) + 0.3
    texts = [_TEXT + _LINE * max(len(_kinds(block).split("\n")) for block in row) for row in rows]
    figure, axes = new_drawing(width, 0.5 + sum(heights) + sum(texts))

    accent = LIGHT.accent(entry.place)
    title = shorten(entry.name, 60)
    axes.text(0.15, 0.22, title, weight="bold", color=accent, va="center", fontsize=10)
    top = 0.5
    for row, height, text in zip(rows, heights, texts, strict=True):
        base = top + height
        top = base + text
        for column, block in enumerate(row):
            middle = 0.15 + _COLUMN * (column + 0.5)
            _draw_block(axes, block, (middle, base), scale * block.height, accent)
    return figure


def _draw_block(
    axes: Axes, block: Block, base: tuple[float, float], height: float, accent: str
) -> None:
    """Draw a block that stands on `base`, with its text below.

    Trained blocks are filled, frozen ones hatched, and blocks without parameters empty.
    """
    from matplotlib.patches import FancyBboxPatch

    middle, bottom = base
    width = 0.95 * block.width
    patch = FancyBboxPatch(
        (middle - width / 2, bottom - height),
        width,
        height,
        boxstyle="round,pad=0,rounding_size=0.04",
        linewidth=0.6,
        edgecolor=LIGHT.soft,
        facecolor=accent if block.state == "trained" else LIGHT.wash,
        hatch="////" if block.state == "frozen" else None,
    )
    axes.add_patch(patch)

    title = shorten(block.title, 16)
    axes.text(middle, bottom + 0.12, title, ha="center", va="center", fontsize=7, weight="bold")
    unit = "frozen" if block.state == "frozen" else "parameters"
    details = [
        *_kinds(block).split("\n"),
        shape(block.output_shape),
        f"{compact_count(block.parameters)} {unit}" if block.parameters else "",
    ]
    for line, text in enumerate(details):
        y = bottom + 0.275 + _LINE * line
        axes.text(middle, y, text, ha="center", va="center", fontsize=6, color=LIGHT.soft)


def _kinds(block: Block) -> str:
    """Return the kinds of layers of a block, in lines."""
    return wrap_name(" ".join(block.kinds), 20, lines=4, longest=78)
