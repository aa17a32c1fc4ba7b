"""The drawings that stand in the page itself, as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.report._load import Entry
from headstart.report.figures import _canvas, _curves
from headstart.report.figures._curves import Limits
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

Row = dict[str, Any]


def svg(drawing: Figure, name: str, accent: str = "") -> Markup:
    """`inline_svg` for a template: safe, because matplotlib escapes its texts."""
    from markupsafe import Markup

    return Markup(_canvas.inline_svg(drawing, name, accent))


def panels(entries: tuple[Entry, ...]) -> list[Row]:
    """The curves: one row a metric, one panel an entry, on shared axes; no row when there are none."""
    entries = _curves.with_curves(entries)
    across = _curves.epoch_limits(entries)
    rows = []
    for metric in ("loss", "accuracy") if entries else ():
        up = _curves.limits(entries, metric)
        drawn = [
            svg(
                _curves.curve_panel(entry, metric, across[entry.name], up, len(entries)),
                f"{metric}{number}",
                LIGHT.accent(entry.place),
            )
            for number, entry in enumerate(entries)
        ]
        rows.append({"metric": metric, "panels": list(zip(entries, drawn, strict=True))})
    return rows


def small_panels(
    entries: tuple[Entry, ...], metric: str, up: Limits, name: str, behind: Entry | None = None
) -> Row:
    """One row of many small panels; `name` begins their identifiers, `behind` stands pale behind each."""
    across = _curves.epoch_limits((*entries, behind) if behind else entries)
    drawn = [
        svg(
            _curves.small_panel(entry, metric, across[entry.name], up, behind),
            f"{name}{number}",
            LIGHT.accent(entry.place),
        )
        for number, entry in enumerate(entries)
    ]
    return {"metric": metric, "panels": list(zip(entries, drawn, strict=True))}
