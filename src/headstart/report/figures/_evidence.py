"""Evidence for a class in colour over an image in grey."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.data import to_pil_image
from headstart.report.figures._style import LIGHT

PANEL_PX = 360  # longer side; smaller images are enlarged without smoothing
FOR_COLOUR, AGAINST_COLOUR = LIGHT.accents[1], LIGHT.accents[0]
_MAX_OPACITY = 0.8  # the image stays visible below the strongest evidence


def evidence_overlay(
    image: NDArray[np.uint8], evidence: NDArray[np.floating], largest: float
) -> NDArray[np.uint8]:
    """Return an image in grey with the evidence in colour.

    Orange is evidence for the class, blue against it. Its strength is the opacity.

    Args:
        image: uint8 array of shape (H, W, C).
        evidence: Array of shape (rows, columns) over the whole image. It is interpolated.
        largest: The value with full opacity.

    Returns:
        RGB pixels. The longer side has `PANEL_PX` pixels.
    """
    from matplotlib.colors import to_rgb
    from PIL import Image

    size = panel_size(image)
    resized = to_pil_image(image).convert("L").resize(size, Image.Resampling.NEAREST)
    grey = np.asarray(resized)[..., None]
    smooth = Image.fromarray(evidence.astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    values = np.asarray(smooth)[..., None]

    opacity = _MAX_OPACITY * np.clip(np.abs(values) / max(largest, 1e-12), 0, 1)
    colours = 255 * np.where(values >= 0, to_rgb(FOR_COLOUR), to_rgb(AGAINST_COLOUR))
    mixed: NDArray[np.uint8] = np.round(grey * (1 - opacity) + colours * opacity).astype(np.uint8)
    return mixed


def panel_size(image: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the width and height in pixels after scaling the longer side to `PANEL_PX`."""
    height, width = image.shape[:2]
    scale = PANEL_PX / max(height, width)
    return max(1, round(width * scale)), max(1, round(height * scale))
