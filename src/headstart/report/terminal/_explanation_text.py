"""The terminal output of `explain`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.formatting import probability
from headstart.report.terminal._tables import JsonMapping


def explanation_lines(result: JsonMapping) -> str:
    """Return one line per classifier, and the path of the figure.

    Args:
        result: The JSON of `explain`.
    """
    lines: list[str] = []
    for explanation in result["explanations"]:
        prediction = f"{explanation['label']}, {probability(explanation['probability'])}"
        if explanation["label"] != explanation["predicted"]:
            prediction += f" (predicted: {explanation['predicted']})"
        place = evidence_place(np.array(explanation["occlusion"]["values"]))
        name = f"{explanation['model']} ({explanation['run']})"
        lines.append(f"{name}: {prediction}. Most evidence: {place}.")
        if explanation["grad_cam"] is None:
            lines.append("  Occlusion only: Grad-CAM needs feature maps, and this model has none.")
    return "\n".join([*lines, f"Figure: {result['figure']}"])


def evidence_place(values: NDArray[np.floating]) -> str:
    """Return the ninth of the image with most of the evidence for the class, in words.

    Args:
        values: Evidence of shape (rows, columns) over the whole image.
    """
    rows, columns = values.shape
    positive = np.kron(np.maximum(values, 0), np.ones((3, 3)))
    ninths = positive.reshape(3, rows, 3, columns).sum(axis=(1, 3))
    if not ninths.any():
        return "none"

    row, column = (int(index) for index in np.unravel_index(ninths.argmax(), ninths.shape))
    words = [("upper", "", "lower")[row], ("left", "", "right")[column]]
    return " ".join(filter(None, words)) or "middle"
