"""Matplotlib without global state: style, empty figures, and output as files or as inline SVG."""

from __future__ import annotations

import io
import logging
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.report.figures._fonts import BUNDLED, use_fallback_fonts
from headstart.report.figures._line_values import hover_data
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

PNG_DPI = 160
COLUMN, PAGE = 3.3, 7.0  # inches: one column of a paper, and two with the gap between them
PHONE = 3.7  # inches: the width of a figure for a phone
PROGRESS_SIZES = {"wide": (PAGE, 3.4), "narrow": (PHONE, 3.4)}  # inches
_MAX_DECIMALS = 3  # of a tick in percent
# parse_math is off because a class called "$5 note" is not a formula.
# The salt is fixed because SVG identifiers are random otherwise.
# Any, because Matplotlib lists each of its parameters in the type.
_RC_PARAMS: Any = {
    "font.family": [BUNDLED],
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
_NO_SVG_METADATA = {"Date": None, "Creator": None}


@contextmanager
def drawing_style() -> Iterator[None]:
    """Apply the style of all figures, for drawing and for saving.

    Matplotlib's warnings about letters without a font are silenced, because `figure_bytes` names
    these letters once. So are those about fallback fonts that have no bold face, and about a home
    folder that cannot be written.
    """
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        from matplotlib import rc_context

        with rc_context(_RC_PARAMS), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "(Glyph|Matplotlib currently does not support)")
            yield
    finally:
        logger.setLevel(level)


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure that no window owns.

    Args:
        width: Width in inches.
        height: Height in inches.
    """
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def new_drawing(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure with axes for free drawing, without frame and ticks.

    One unit is one inch. The origin is at the top left.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    return figure, axes


def draw_pixels(
    axes: Axes, pixels: NDArray[np.uint8], extent: tuple[float, float, float, float]
) -> None:
    """Draw an image without smoothing, in grey levels if it has one channel.

    Args:
        axes: Where to draw.
        pixels: uint8 array of shape (H, W), (H, W, 1) or (H, W, 3).
        extent: Its left, right, bottom and top in data coordinates.
    """
    axes.imshow(
        pixels[..., 0] if pixels.shape[2:] == (1,) else pixels,
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="nearest",
        aspect="auto",
        extent=extent,
    )


def percent_axis(axis: Axis, most_ticks: int = 5) -> None:
    """Give an axis of fractions ticks in percent, with as few decimals as they need.

    Args:
        axis: The axis.
        most_ticks: The largest number of intervals between ticks.
    """
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def tick_text(value: float, _: object) -> str:
        return percent_tick(value, axis.get_majorticklocs())

    axis.set_major_locator(MaxNLocator(most_ticks, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(FuncFormatter(tick_text))


def percent_tick(value: float, ticks: Iterable[float]) -> str:
    """Return the text of one tick of an axis of fractions, with the decimals that all need."""
    for decimals in range(_MAX_DECIMALS):
        if all(abs(round(100 * tick, decimals) - 100 * tick) < 1e-6 for tick in ticks):
            return f"{100 * value:.{decimals}f}%"
    return f"{100 * value:.{_MAX_DECIMALS}f}%"


def figure_bytes(figure: Figure, suffix: str) -> bytes:
    """Return the content of a PNG or SVG file on a white background.

    Args:
        figure: The figure.
        suffix: "png" or "svg".
    """
    options: dict[str, Any] = {"metadata": _NO_SVG_METADATA}
    if suffix == "png":
        options = {"dpi": PNG_DPI}

    use_fallback_fonts(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=suffix, facecolor=LIGHT.paper, **options)
    return buffer.getvalue()


def inline_by_width(
    draw: Callable[[tuple[float, float]], Figure],
    name: str,
    sizes: Mapping[str, tuple[float, float]] = PROGRESS_SIZES,
) -> tuple[tuple[str, Markup], ...]:
    """Return a figure as SVG elements, "wide" for a screen and "narrow" for a phone.

    Args:
        draw: Draws the figure in a size in inches.
        name: Begins the identifiers in the elements.
        sizes: The size of each element, by the words "wide" and "narrow".
    """
    return tuple(
        (width, inline_svg(draw(size), f"{name}-{width}")) for width, size in sizes.items()
    )


def draw_in_style(draw: Callable[[], Figure]) -> Figure:
    """Return what a function of a page draws, in the style of all figures."""
    with drawing_style():
        return draw()


def png_in_style(draw: Callable[[], Figure]) -> bytes:
    """Return what a function of a page draws, as the content of a PNG file."""
    with drawing_style():
        return figure_bytes(draw(), "png")


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write `name.png` and `name.svg`. The same figure gives the same bytes."""
    for suffix in ("png", "svg"):
        store.write_bytes(folder / f"{name}.{suffix}", figure_bytes(figure, suffix))
        # The first file fixes the layout. A second layout costs as much time as the drawing. With
        # "none" instead of None, Matplotlib would still draw twice.
        figure.set_layout_engine(None)


def inline_svg(figure: Figure, prefix: str, accent: str = "") -> Markup:
    """Return a figure as an SVG element of a page: real text, in the fonts and colours of the page.

    The values of its named lines are in the attribute `data-values`, for the script of the page.

    The element is safe to insert, because Matplotlib escapes texts.

    Args:
        figure: The figure.
        prefix: Prefix of all identifiers in the element; unique on the page.
        accent: Colour that becomes `--accent`. Other accents become those of the page.
    """
    from markupsafe import Markup, escape
    from matplotlib import rc_context

    buffer = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=_NO_SVG_METADATA)
    svg = _without_prolog(buffer.getvalue())
    values = hover_data(figure)
    if values:
        svg = svg.replace("<svg ", f'<svg data-values="{escape(values)}" ', 1)
    svg = _with_prefix(svg, prefix)
    svg = _with_theme(svg, accent)
    return Markup(re.sub(r">\s+<", "><", svg).strip())


def _without_prolog(svg: str) -> str:
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = svg[svg.index("<svg") :]
    opening = r'<svg viewBox="\1" aria-hidden="true" focusable="false">'
    return re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', opening, svg, count=1)


def _with_prefix(svg: str, prefix: str) -> str:
    """Prefix the identifiers that are referenced, and remove all others."""
    referenced = set(re.findall(r'(?:href="|url\()#([^")]+)', svg))

    def renamed(match: re.Match[str]) -> str:
        return f' id="{prefix}-{match[1]}"' if match[1] in referenced else ""

    svg = re.sub(r' id="([^"]*)"', renamed, svg)
    return re.sub(r'(href="|url\()#', rf"\1#{prefix}-", svg)


def _with_theme(svg: str, accent: str) -> str:
    """Replace the colours of the light theme by variables of the page."""
    variables = {
        LIGHT.ink: "ink",
        LIGHT.soft: "soft",
        LIGHT.line: "line",
        LIGHT.paper: "paper",
        LIGHT.warn: "warn",
    }
    variables |= {colour: f"a{place}" for place, colour in enumerate(LIGHT.accents)}
    if accent:
        variables[accent] = "accent"

    for colour, variable in variables.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg
