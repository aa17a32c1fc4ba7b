"""Matplotlib without state: figures from the object API, saved as PNG and SVG, or as SVG that lives in the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart import store
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PNG_DPI = 160
# parse_math off: a class called "$5 note" is no formula. A fixed salt: SVG identifiers are random otherwise.
RULES: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "text.parse_math": False,
    "text.color": LIGHT.ink,
    "svg.hashsalt": "headstart",
    "axes.labelcolor": LIGHT.soft,
    "axes.labelsize": 8,
    "axes.edgecolor": LIGHT.line,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": LIGHT.line,
    "grid.linewidth": 0.6,
    "xtick.color": LIGHT.line,
    "ytick.color": LIGHT.line,
    "xtick.labelcolor": LIGHT.soft,
    "ytick.labelcolor": LIGHT.soft,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


@contextmanager
def canvas() -> Iterator[None]:
    """Draw and save inside: our style, and no warning for letters that the bundled fonts lack (they show as boxes)."""
    from matplotlib import rc_context

    with rc_context(RULES), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(Glyph|Matplotlib currently does not support)")
        yield


def figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that belongs to no window."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def bare_axes(drawing: Figure, width: float, height: float) -> Axes:
    """Axes over the whole figure, without frame or ticks, one unit an inch, the origin at the top left."""
    axes = drawing.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return axes


def save(drawing: Figure, folder: Path, name: str) -> None:
    """Write `name.png` and `name.svg`, on white; the same drawing gives the same bytes."""
    for ending, options in (
        ("png", {"dpi": PNG_DPI}),
        ("svg", {"metadata": {"Date": None, "Creator": None}}),
    ):
        buffer = io.BytesIO()
        drawing.savefig(buffer, format=ending, facecolor=LIGHT.paper, **options)
        drawing.set_layout_engine(
            "none"
        )  # laid out by the first; a second time costs as much as the drawing
        store.write_bytes(folder / f"{name}.{ending}", buffer.getvalue())


def inline_svg(drawing: Figure, name: str, accent: str = "") -> str:
    """The drawing as an SVG element for the page: real text in the page's font, colours from the page's theme.

    Args:
        name: unique on the page; identifiers inside begin with it.
        accent: the colour that becomes the contender's `--accent`; all other accents become those of the page.
    """
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):
        drawing.savefig(
            buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
    text = re.sub(r"<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.S)
    text = text[text.index("<svg") :]
    text = re.sub(
        r'<svg [^>]*viewBox="([^"]*)"[^>]*>',
        r'<svg viewBox="\1" aria-hidden="true" focusable="false">',
        text,
        count=1,
    )
    referenced = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    text = re.sub(
        r' id="([^"]*)"', lambda hit: f' id="{name}-{hit[1]}"' if hit[1] in referenced else "", text
    )
    text = re.sub(r'(href="|url\()#', rf"\1#{name}-", text)
    themed = {
        LIGHT.ink: "ink",
        LIGHT.soft: "soft",
        LIGHT.line: "line",
        LIGHT.paper: "paper",
        LIGHT.warn: "warn",
    }
    themed |= {colour: f"a{place}" for place, colour in enumerate(LIGHT.accents)}
    themed |= {accent: "accent"} if accent else {}
    for colour, variable in themed.items():
        text = text.replace(colour, f"var(--{variable})")
    return re.sub(r">\s+<", "><", text).strip()
