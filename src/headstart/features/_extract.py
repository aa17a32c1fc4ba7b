"""Extraction of features: a backbone applied to images, one batch per thread."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from headstart import progress
from headstart.classifier import (
    Precision,
    best_device,
    independent_threads,
    use_bfloat16,
)
from headstart.data import take
from headstart.models import Backbone

# Pixels per batch and thread: 64 images at 128 pixels. Larger batches are slower, except for a
# backbone that splits them itself (benchmarks/features.md).
_PIXELS_PER_BATCH = 1 << 20
_LEAST_BATCH = 8

Rows = NDArray[np.int64]
FeatureValues = NDArray[np.float16]


def batch_size(backbone: Backbone) -> int:
    """Return the number of images per batch; twice as many where the backbone splits batches."""
    factor = 2 if backbone.splits_batches else 1
    return max(_LEAST_BATCH, factor * _PIXELS_PER_BATCH // backbone.input_px**2)


def extract_features(
    backbone: Backbone,
    images: NDArray[np.uint8],
    rows: Rows,
    precision: Precision,
    title: str = "",
    batch: int | None = None,
) -> Generator[FeatureValues, None, None]:
    """Yield the features of images, batch by batch, in their order.

    On a CPU every thread works on batches of its own. Threads that share a layer wait for each
    other at its end: that costs a fifth where nothing else runs, and most of the speed where
    another process holds one core for a moment.

    Args:
        backbone: A folded backbone on the device.
        images: uint8 array of shape (N, H, W, C).
        rows: int64 indices of shape (n,) of some of them.
        precision: Precision of the arithmetic.
        title: Title of the progress bar.
        batch: Images per batch; None for what `batch_size` returns.

    Yields:
        Float16 arrays of shape (batch, features).
    """
    device, threads = best_device(), torch.get_num_threads()
    size = batch or batch_size(backbone)
    batches = [rows[start : start + size] for start in range(0, len(rows), size)]
    is_rounded = use_bfloat16(precision)

    def compute(batch: Rows) -> FeatureValues:
        if device.type == "cpu":
            torch.set_num_threads(1)
        with (
            torch.inference_mode(),
            torch.autocast(device.type, torch.bfloat16, enabled=is_rounded),
        ):
            pixels = torch.from_numpy(take(images, batch)).to(device)
            features: FeatureValues = backbone(pixels.permute(0, 3, 1, 2)).half().cpu().numpy()
            return features

    # On a GPU in the caller's thread: the current CUDA device is a property of each thread.
    results: Iterator[FeatureValues] = map(compute, batches)
    if device.type == "cpu":
        results = _map_in_threads(compute, batches, independent_threads())

    title = title or f"features at {backbone.input_px} px"
    with progress.task(title, len(rows), "images") as task:
        try:
            for features in results:
                task.advance(len(features))
                yield features
        finally:
            torch.set_num_threads(threads)  # also for threads that start later


def _map_in_threads(
    function: Callable[[Rows], FeatureValues], batches: list[Rows], threads: int
) -> Iterator[FeatureValues]:
    """Yield the result of each batch in order. At most two batches per thread are waiting."""
    workers = max(1, min(threads, len(batches)))
    waiting: deque[Future[FeatureValues]] = deque()
    remaining = iter(batches)
    with ThreadPoolExecutor(workers) as pool:
        try:
            for batch in itertools.islice(remaining, 2 * workers):
                waiting.append(pool.submit(function, batch))
            while waiting:
                features = waiting.popleft().result()
                for batch in itertools.islice(remaining, 1):
                    waiting.append(pool.submit(function, batch))
                yield features
        finally:
            pool.shutdown(cancel_futures=True)
