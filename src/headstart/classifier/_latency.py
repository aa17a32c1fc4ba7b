"""The time that a classifier takes for one image on this machine."""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from headstart.classifier._base_classifier import BaseClassifier

_WARM_UP_CALLS = 3
_LEAST_CALLS, _MOST_CALLS = 5, 50


def measure_ms_per_image(classifier: BaseClassifier, *, seconds: float = 2.0) -> float:
    """Return the milliseconds of one prediction of one image, as the median of repeated calls.

    Three calls warm up first: the first one packs weights and chooses kernels. The median ignores
    calls during which the machine did something else. Decoding of a file is not included.

    Args:
        classifier: One network or an ensemble.
        seconds: Time for all calls after the first. There are 5 to 50 calls.
    """
    image = np.random.default_rng(0).integers(0, 256, (1, *classifier.image_shape), np.uint8)
    for _ in range(_WARM_UP_CALLS):
        classifier.predict(image)

    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < _LEAST_CALLS or (len(times) < _MOST_CALLS and time.perf_counter() < end):
        start = time.perf_counter()
        classifier.predict(image)
        times.append(time.perf_counter() - start)
    return 1000 * median(times)
