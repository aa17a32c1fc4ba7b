"""The figure of a network: blocks from left to right, in rows as wide as columns of a paper."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from headstart.formatting import compact_count, shape
from headstart.report._study import Entry
from headstart.report.figures._canvas import COLUMN, PAGE, new_drawing
from headstart.report.figures._fonts import cut_to_width, wrap_to_width
from headstart.report.figures._network_blocks import Block
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BLOCKS_IN_COLUMN, _BLOCKS_IN_PAGE = 3, 6  # per row
_MOST_ROWS_IN_COLUMN = 2
# In inches.
_TALLEST, _TEXT, _LINE, _MARGIN, _TITLE = 1.0, 0.66, 0.13, 0.1, 0.4
_GAP = 0.06  # between the texts of two blocks
_TITLE_SIZE, _BLOCK_SIZE, _SIZE = 8.0, 6.5, 6.0  # points
_LONGEST_KINDS = 78  # letters


def architecture_figure(entry: Entry[object], blocks: Sequence[Block]) -> Figure:
    """Draw the network of an entry.

    The height of a block is the size of its feature map and its width the number of channels, both
    on a logarithmic scale.
    """
    width, most = COLUMN, _BLOCKS_IN_COLUMN
    if len(blocks) > _MOST_ROWS_IN_COLUMN * most:
        width, most = PAGE, _BLOCKS_IN_PAGE
    per_row = ceil(len(blocks) / ceil(len(blocks) / most))
    rows = [blocks[start : start + per_row] for start in range(0, len(blocks), per_row)]
    scale = _TALLEST / max(block.height for block in blocks)
    heights = [scale * max(block.height for block in row) for row in rows]
    column_width = (width - 2 * _MARGIN) / per_row
    kinds = {block: _kinds(block, column_width) for block in blocks}
    texts = [_TEXT + _LINE * max(len(kinds[block]) for block in row) for row in rows]
    figure, axes = new_drawing(width, _TITLE + sum(heights) + sum(texts))

    accent = LIGHT.accent(entry.place)
    title = cut_to_width(entry.name, width - 2 * _MARGIN, _TITLE_SIZE, "bold")
    axes.text(_MARGIN, 0.2, title, weight="bold", color=accent, va="center", fontsize=_TITLE_SIZE)
    top = _TITLE
    for row, height, text in zip(rows, heights, texts, strict=True):
        base = top + height
        top = base + text
        for column, block in enumerate(row):
            middle = _MARGIN + column_width * (column + 0.5)
            _draw_block(axes, block, (middle, base), scale * block.height, accent)
            _write_texts(axes, block, (middle, base), kinds[block], column_width)
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


def _write_texts(
    axes: Axes, block: Block, base: tuple[float, float], kinds: Sequence[str], width: float
) -> None:
    """Write the title of a block, its kinds of layers, its output and its parameters below it."""
    middle, bottom = base
    style: dict[str, Any] = {"ha": "center", "va": "center"}
    title = cut_to_width(block.title, width - _GAP, _BLOCK_SIZE, "bold")
    axes.text(middle, bottom + 0.12, title, fontsize=_BLOCK_SIZE, weight="bold", **style)
    unit = "frozen" if block.state == "frozen" else "parameters"
    details = [
        *kinds,
        shape(block.output_shape),
        f"{compact_count(block.parameters)} {unit}" if block.parameters else "",
    ]
    for line, text in enumerate(details):
        y = bottom + 0.26 + _LINE * line
        axes.text(middle, y, text, fontsize=_SIZE, color=LIGHT.soft, **style)


def _kinds(block: Block, width: float) -> list[str]:
    """Return the kinds of layers of a block, in lines that fit its column."""
    kinds = " ".join(block.kinds)
    return wrap_to_width(kinds, width - _GAP, _SIZE, longest=_LONGEST_KINDS).split("\n")
