"""The section of the worst errors of a comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.report._error_images import ErrorImage, ExplainedPrediction
from headstart.report.pages._thumbnail import Thumbnail, jpeg_uri, thumbnail


@dataclass(frozen=True)
class ErrorRow:
    """One image with the predictions of the contenders; images are data URIs."""

    error: ErrorImage
    image: Thumbnail
    predictions: tuple[tuple[ExplainedPrediction, str], ...]


def error_rows(errors: Sequence[ErrorImage]) -> tuple[ErrorRow, ...]:
    """Return the images with the worst errors for the page."""
    rows: list[ErrorRow] = []
    for error in errors:
        predictions = tuple(
            (prediction, jpeg_uri(prediction.pixels)) for prediction in error.predictions
        )
        rows.append(ErrorRow(error, thumbnail(error.pixels), predictions))
    return tuple(rows)
