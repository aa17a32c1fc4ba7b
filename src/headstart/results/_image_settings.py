"""The size and the shape that `fit` chose for the images of a dataset."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from headstart.formatting import percent
from headstart.results._base import Fraction, ResultModel

_PARTICIPLES = {
    "pad": "padded with black",
    "crop": "cropped around the centre",
    "squish": "squished",
}


class ImageSettings(ResultModel):
    """Size and shape to which image files were brought."""

    image_size: int = Field(description="Height and width of all images, in pixels.")
    resize: Literal["pad", "crop", "squish"] = Field(
        description="How images that are not square became square."
    )
    original_px: int = Field(
        description="Median of the shorter sides of at most 300 image files, in pixels."
    )
    images: int = Field(
        description="Number of training and validation images on which `resize` was chosen; 0 if "
        "it was not measured."
    )
    accuracy: dict[str, Fraction] = Field(
        description="Cross-validated accuracy of a linear probe on frozen features, by resize, as "
        "a fraction; empty if nothing was measured."
    )

    @property
    def sentence(self) -> str:
        """Return the settings and their reason in words."""
        options = f"--image-size {self.image_size} --resize {self.resize}"
        size = (
            f"All images become squares of {self.image_size} pixels ({options}). The median "
            f"shorter side of the files is {self.original_px} pixels."
        )
        if not self.accuracy:
            return size
        scores = ", ".join(f"{name} {percent(score)}" for name, score in self.accuracy.items())
        reason = "a linear probe then has the lowest loss"
        if self.resize == "pad":
            reason = "no other method is more accurate by one standard error"
        return (
            f"{size} Images are {_PARTICIPLES[self.resize]}, because {reason}. Accuracies of a "
            f"linear probe on {self.images:,} training and validation images: {scores}."
        )
