"""The figure of an explanation: the image, Grad-CAM and occlusion, one row a contender."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data import to_pil_image
from headstart.formatting import percent, shorten
from headstart.report.figures import _canvas
from headstart.report.figures._style import LIGHT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from headstart.deploy import Explanation

FOR, AGAINST = LIGHT.accents[1], LIGHT.accents[0]
STRONGEST = 0.8  # opacity of the strongest evidence: what lies below stays visible
SIDE_PX = 360  # of a panel; images are enlarged to it without smoothing
_PANEL, _GAP, _MARGIN, _TITLE = 2.2, 0.18, 0.2, 0.52  # inches


def overlay(
    image: NDArray[np.uint8], values: NDArray[np.floating], largest: float
) -> NDArray[np.uint8]:
    """Evidence in colour over an image in grey: warm speaks for the class, blue against it, strength is opacity.

    Args:
        image: `(H, W, C)`.
        values: `(rows, columns)` over the whole image; cells are smoothed into each other.
        largest: the value of full strength.

    Returns:
        RGB, `SIDE_PX` on its longer side.
    """
    from matplotlib.colors import to_rgb
    from PIL import Image

    width, height = _shown_size(image)
    grey = np.asarray(
        to_pil_image(image).convert("L").resize((width, height), Image.Resampling.NEAREST)
    )
    smooth = np.asarray(
        Image.fromarray(values.astype(np.float32)).resize(
            (width, height), Image.Resampling.BILINEAR
        )
    )
    strength = np.clip(np.abs(smooth) / max(largest, 1e-12), 0, 1)[..., None] * STRONGEST
    colours = np.where(smooth[..., None] >= 0, to_rgb(FOR), to_rgb(AGAINST)) * 255
    mixed: NDArray[np.uint8] = np.round(
        grey[..., None] * (1 - strength) + colours * strength
    ).astype(np.uint8)
    return mixed


def write_explanation(
    path: Path, rows: Sequence[tuple[str, NDArray[np.uint8], Explanation]]
) -> Path:
    """Write the figure as PNG: for each contender its name, the image as it sees it, and its explanation.

    Occlusion has one scale for all rows, because its unit is the same in any two networks; Grad-CAM has a scale a row.
    """
    from matplotlib.figure import Figure

    width = 2 * _MARGIN + 3 * _PANEL + 2 * _GAP
    height = _MARGIN + len(rows) * (_TITLE + _PANEL + 0.3) + 0.35
    largest = max(float(np.abs(found.occlusion.values).max()) for _, _, found in rows)
    with _canvas.canvas():
        drawing = Figure(figsize=(width, height))
        axes = _canvas.bare_axes(drawing, width, height)
        for place, (name, image, found) in enumerate(rows):
            _draw_row(
                axes, _MARGIN + place * (_TITLE + _PANEL + 0.3), name, place, image, found, largest
            )
        note = f"orange speaks for the class, blue against; full colour: {largest:.1f} of log-odds lost when covered"
        axes.text(_MARGIN, height - 0.25, note, fontsize=7.5, color=LIGHT.soft, va="center")
        axes.set(xlim=(0, width), ylim=(height, 0))
        buffer = io.BytesIO()
        drawing.savefig(
            buffer,
            format="png",
            dpi=_canvas.PNG_DPI,
            facecolor=LIGHT.paper,
            metadata={"Software": None},
        )
    store.write_bytes(path, buffer.getvalue())
    return path


def _draw_row(
    axes: Axes,
    top: float,
    name: str,
    place: int,
    image: NDArray[np.uint8],
    found: Explanation,
    largest: float,
) -> None:
    axes.text(
        _MARGIN,
        top + 0.1,
        shorten(name, 40),
        weight="bold",
        color=LIGHT.accent(place),
        va="center",
        fontsize=10,
    )
    says = f"says {shorten(found.label, 40)}, {percent(found.probability, 1)}"
    if found.label != found.predicted:
        says = f"says {shorten(found.predicted, 30)}; what speaks for {shorten(found.label, 30)}, {percent(found.probability)}"
    axes.text(_MARGIN, top + 0.34, says, va="center", fontsize=9)
    top += _TITLE
    cam = found.grad_cam
    panels: list[tuple[str, NDArray[np.uint8] | None]] = [
        ("what the model sees", np.asarray(to_pil_image(image))),
        (f"Grad-CAM, {'x'.join(map(str, cam.values.shape))} places" if cam else "Grad-CAM", None),
        ("occlusion", overlay(image, found.occlusion.values, largest)),
    ]
    if cam:
        panels[1] = (panels[1][0], overlay(image, cam.values, 1.0))
    for column, (title, pixels) in enumerate(panels):
        left = _MARGIN + column * (_PANEL + _GAP)
        axes.text(left, top + _PANEL + 0.13, title, fontsize=7.5, color=LIGHT.soft, va="center")
        if pixels is None:
            text = "This model has no\nfeature maps to ask."
            axes.text(
                left + _PANEL / 2,
                top + _PANEL / 2,
                text,
                ha="center",
                va="center",
                fontsize=8,
                color=LIGHT.soft,
            )
            continue
        wide, tall = (_PANEL * side / max(_shown_size(image)) for side in _shown_size(image))
        options: dict[str, Any] = (
            {"cmap": "gray", "vmin": 0, "vmax": 255} if pixels.ndim == 2 else {}
        )
        extent = (left, left + wide, top + (_PANEL + tall) / 2, top + (_PANEL - tall) / 2)
        axes.imshow(pixels, interpolation="nearest", aspect="auto", extent=extent, **options)


def _shown_size(image: NDArray[np.uint8]) -> tuple[int, int]:
    """Width and height in pixels when enlarged or reduced to `SIDE_PX`."""
    height, width = image.shape[:2]
    scale = SIDE_PX / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))


def explanation_lines(found: dict[str, Any]) -> str:
    """What `explain` found, for the terminal: a line a classifier, and where the figure is."""
    lines = []
    for one in found["explanations"]:
        where = _where(np.array(one["occlusion"]["values"]))
        says = f"{one['label']}, {percent(one['probability'])}"
        says += "" if one["label"] == one["predicted"] else f" (it predicts {one['predicted']})"
        lines.append(f"{one['model']} ({one['run']}): {says}; it rests on {where}.")
        if one["grad_cam"] is None:
            lines.append("  It has no feature maps, which Grad-CAM needs: occlusion only.")
    return "\n".join([*lines, f"Figure: {found['figure']}"])


def _where(values: NDArray[np.floating]) -> str:
    """Which of the nine parts of the image has most of what speaks for the class, in words: "the upper left part most"."""
    rows, columns = values.shape
    thirds = (
        np.kron(np.maximum(values, 0), np.ones((3, 3)))
        .reshape(3, rows, 3, columns)
        .sum(axis=(1, 3))
    )
    if not thirds.any():
        return "no part of the image"
    row, column = np.unravel_index(thirds.argmax(), thirds.shape)
    words = " ".join(filter(None, [("upper", "", "lower")[row], ("left", "", "right")[column]]))
    return f"the {words} part most" if words else "the middle most"
