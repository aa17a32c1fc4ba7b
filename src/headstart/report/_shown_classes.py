"""The classes that a table or figure of predictions shows for one image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def shown_classes(prediction: Mapping[str, Any], top: int) -> list[tuple[str, float]]:
    """Return the most probable classes of an image, and always the predicted one.

    With costs, the predicted class may be less probable than all of these. It is then the last one.

    Args:
        prediction: One prediction, as in the JSON of `predict`.
        top: Number of classes.

    Returns:
        Names and probabilities, the most probable first.
    """
    probabilities, label = prediction["probabilities"], prediction["label"]
    shown = list(probabilities.items())[:top]
    if label not in dict(shown):
        shown[-1] = (label, probabilities[label])
    return shown
