"""The size and the shape that `fit` chose for the images of a dataset."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.formatting import percent
from headstart.results._base import Fraction, ResultModel

_DEFAULT_PX = 128
_DONE = {"pad": "padded with black", "crop": "cropped around the centre", "squish": "squished"}


class ImageSettings(ResultModel):
    """Size and shape to which image files of different sizes were brought."""

    image_size: int = Field(description="Height and width of all images, in pixels.")
    resize: Literal["pad", "crop", "squish"] = Field(
        description="How images that are not square became square."
    )
    original_px: int = Field(
        description="Median of the shorter side of the image files, in pixels."
    )
    images: int = Field(
        description="Number of training and validation images on which `resize` was chosen; 0 if "
        "it was not, because it was given or nearly all images are square."
    )
    accuracy: dict[str, Fraction] = Field(
        description="Cross-validated accuracy of a linear probe on frozen features, by resize, as "
        "a fraction; empty if nothing was measured."
    )

    @property
    def are_default(self) -> bool:
        """Return whether `load` brings images to the same size and shape if it is not told."""
        return (self.image_size, self.resize) == (_DEFAULT_PX, "pad")

    @property
    def sentence(self) -> str:
        """Return the settings and their reason in words."""
        size = (
            f"All images become squares of {self.image_size} pixels; the shorter side of their "
            f"files has {self.original_px}."
        )
        if not self.accuracy:
            return size
        scores = ", ".join(f"{name} {percent(score)}" for name, score in self.accuracy.items())
        return (
            f"{size} They are {_DONE[self.resize]} (--resize {self.resize}), because the loss of a "
            f"linear probe is then lowest on {self.images:,} training and validation images. Its "
            f"accuracies: {scores}."
        )
