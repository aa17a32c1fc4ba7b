"""The time of a backbone per image, measured within the seconds that there are."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from headstart.data import Dataset, Split, SplitDataset
from headstart.features import _input_size, seconds_per_image
from headstart.models.recipes import make_recipe

RECIPE = make_recipe("efficientnet-lite0", {"input_px": 64})
SECONDS_PER_IMAGE = 0.01


class SlowBackbone:
    """A backbone of 64 pixels on a machine whose clock only its images advance."""

    input_px, splits_batches = 64, False

    def __init__(self) -> None:
        self.now = 0.0
        self.batches: list[list[int]] = []

    def extract(
        self, _backbone: Any, _dataset: Any, rows: Any, _precision: Any, _title: str, size: int
    ) -> Iterator[None]:
        parts = [len(rows[start : start + size]) for start in range(0, len(rows), size)]
        self.batches.append(parts)
        self.now += SECONDS_PER_IMAGE * len(rows)
        yield from [None] * len(parts)


@pytest.mark.parametrize(("seconds", "images"), [(None, 1024), (100.0, 1024), (1.0, 100)])
def test_timing_a_backbone_takes_no_longer_than_it_may(
    digits: Dataset,
    digits_split: Split,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float | None,
    images: int,
) -> None:
    slow = SlowBackbone()
    monkeypatch.setattr(_input_size, "extract_features", slow.extract)
    monkeypatch.setattr(_input_size, "_load_for_timing", lambda *_: slow)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    monkeypatch.setattr(time, "perf_counter", lambda: slow.now)
    data = SplitDataset(digits, digits_split)
    assert len(np.unique(data.split.train)) > 1024

    assert seconds_per_image(RECIPE, data, seconds) == pytest.approx(SECONDS_PER_IMAGE)
    timed = slow.batches[-1]
    assert sum(timed) == images
    assert len(timed) == 4  # two batches per thread


@pytest.mark.parametrize(("seconds", "left"), [(5.2, "There are 5 s"), (-2.0, "No time is left")])
def test_a_limit_that_is_over_leaves_no_negative_time(
    digits: Dataset,
    digits_split: Split,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    left: str,
) -> None:
    monkeypatch.setattr(_input_size.FeatureTimer, "_seconds", lambda *_: 7.0)
    recipe = make_recipe("efficientnet-lite0")
    timer = _input_size.FeatureTimer(recipe, SplitDataset(digits, digits_split))
    assert f"about 7 s even at 32 pixels. {left} for them." in timer.describe_excess(seconds)
