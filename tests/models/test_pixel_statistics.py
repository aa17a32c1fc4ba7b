"""Statistics of pixels: counted by level, they are those of adding up."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headstart.classifier._input_transforms import _mean_and_std, _mean_and_std_of_pixels


@pytest.mark.parametrize("shape", [(3000, 16, 16, 3), (70, 9, 5, 1), (1, 1, 1, 3)])
def test_mean_and_deviation_of_pixels_are_the_same_bits(shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    expected = _mean_and_std(images.reshape(-1, shape[-1]))
    for found, value in zip(_mean_and_std_of_pixels(images), expected, strict=True):
        assert torch.equal(found, value)
