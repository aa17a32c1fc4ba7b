"""Sheets of thumbnails: many images in one JPEG."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.data import pack_sheet, sheet_columns, unpack_sheet


@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_come_back_in_order(channels: int) -> None:
    values = np.arange(0, 250, 25, dtype=np.uint8)
    images = np.broadcast_to(values[:, None, None, None], (10, 16, 24, channels))
    content, shape = pack_sheet(images, 12, 90)
    assert shape == (8, 12, channels)
    tiles = unpack_sheet(content, 10, shape)
    assert tiles.shape == (10, *shape)
    assert np.abs(tiles.mean(axis=(1, 2, 3)) - values).max() < 2


def test_small_images_keep_their_size() -> None:
    images = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 1)).astype(np.uint8)
    content, shape = pack_sheet(images, 56, 95)
    assert shape == (8, 8, 1) and sheet_columns(1) == 1
    assert np.abs(unpack_sheet(content, 1, shape).astype(int) - images).mean() < 8


def test_a_sheet_of_another_size_is_refused_before_it_is_decoded() -> None:
    content, shape = pack_sheet(np.zeros((4, 8, 8, 3), np.uint8), 8, 90)
    for count, other in ((5, shape), (4, (9, 8, 3)), (4, (8, 8, 1))):
        with pytest.raises(ValueError, match="expected a sheet of"):
            unpack_sheet(content, count, other)
