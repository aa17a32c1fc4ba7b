"""The images that are predicted: pixels, or files that are opened when they are needed."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from headstart.data import ImageSource
    from headstart.deploy import Model, PredictedFiles


@dataclass(frozen=True)
class InputImages:
    """The images of a call of `predict`.

    Attributes:
        names: Their names in results and messages.
        sources: Paths, contents of files, or open files; empty for pixels.
        pixels: uint8 array of shape (N, H, W, C); None for files.
    """

    names: list[str]
    sources: list[ImageSource]
    pixels: NDArray[np.uint8] | None = None

    @classmethod
    def of(
        cls, images: str | ImageSource | Sequence[str | ImageSource] | NDArray[np.uint8]
    ) -> InputImages:
        """List the images that are given.

        Raises:
            InputError: Nothing is given, a path does not exist, or a folder holds no images.
        """
        from headstart.deploy import named_sources

        if isinstance(images, np.ndarray):
            pixels = images if images.ndim == 4 else images[None]
            names = [f"image {number}" for number in range(1, len(pixels) + 1)]
            return cls(names, [], pixels)
        if not isinstance(images, Sequence) or isinstance(images, str | bytes):
            images = [images]
        return cls(*named_sources(images))

    def predict(self, model: Model, *, skip_bad: bool = False) -> PredictedFiles:
        """Predict their classes.

        Raises:
            InputError: An image cannot be read, or the pixels have another shape or type.
        """
        from headstart.deploy import PredictedFiles, predict, predict_pixels

        if self.pixels is not None:
            return PredictedFiles(predict_pixels(model, self.pixels), {})
        return predict(model, self.sources, self.names, skip_bad=skip_bad)

    def without(self, rows: Container[int]) -> InputImages:
        """Return the images that are not in these rows of files."""
        kept = [row for row in range(len(self.names)) if row not in rows]
        sources = [self.sources[row] for row in kept if self.sources]
        return InputImages([self.names[row] for row in kept], sources, self.pixels)

    def first(self, count: int, model: Model) -> NDArray[np.uint8]:
        """Return the first images as the model receives them, uint8 of shape (N, H, W, C)."""
        from headstart.deploy import open_images

        if self.pixels is not None:
            return self.pixels[:count]
        return open_images(self.sources[:count], self.names[:count], model)
