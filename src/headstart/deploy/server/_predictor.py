"""Predictions of batches in one thread or several, which share the cores."""

from __future__ import annotations

import threading
import time

import numpy as np
import torch
from numpy.typing import NDArray

from headstart.classifier import BaseClassifier
from headstart.deploy._model import Model
from headstart.machine import usable_cores
from headstart.results import JsonObject

LARGEST_BATCH = 32  # images per prediction
_MOST_THREADS = 4
# A model that takes longer for a full batch gets several threads. A faster one would wait for
# Python's lock more than it computes (benchmarks/serve.md). A run is timed on one core, and an
# exported file on the threads of its session, which are as many as the cores.
_SLOW_BATCH_SECONDS = 0.05
Pixels = NDArray[np.uint8]


class Predictor:
    """Predicts batches of images, in several threads at the same time if that is faster.

    Threads that compute one batch together wait for each other. So each batch of a run gets one
    core while there are enough batches, and more cores while there are fewer. The batches of an
    exported file share the threads of its session.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        self._lock = threading.Lock()
        self._busy = 0  # batches that are computed now
        self.all_cores = usable_cores()
        if isinstance(model, BaseClassifier):
            self.all_cores = min(self.all_cores, torch.get_num_threads())
        self._cores = 1

    def warm_up(self) -> int:
        """Predict once per usual size, and return how many threads should call `predict`."""
        black = np.zeros(self._model.image_shape, np.uint8)
        for size in (1, LARGEST_BATCH):  # the first call with a batch size is slower
            self.predict([black] * size)
        seconds = []
        for _ in range(2):
            started = time.perf_counter()
            self.predict([black] * LARGEST_BATCH)
            seconds.append(time.perf_counter() - started)
        if isinstance(self._model, BaseClassifier):
            use_cores(self.all_cores)  # predictions changed it for this thread
        if min(seconds) < _SLOW_BATCH_SECONDS:
            return 1
        self._cores = self.all_cores
        return min(_MOST_THREADS, self._cores)

    def predict(self, images: list[Pixels]) -> list[JsonObject]:
        """Return the JSON of the prediction of each image."""
        with self._lock:
            self._busy += 1
            cores = max(1, self._cores // self._busy)
        try:
            if isinstance(self._model, BaseClassifier):
                use_cores(cores)
            rows = self._model.predict(np.stack(images)).as_json([""] * len(images))
        finally:
            with self._lock:
                self._busy -= 1
        for row in rows:
            del row["image"]  # a request has no name for its image
        return rows


def use_cores(cores: int) -> None:
    """Let PyTorch compute with so many cores when it is called by this thread."""
    if torch.get_num_threads() != cores:
        torch.set_num_threads(cores)
