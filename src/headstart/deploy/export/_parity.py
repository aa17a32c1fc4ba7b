"""The parity check: an exported file must reproduce its run on real images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.classifier import BaseClassifier
from headstart.data import Dataset, SplitDataset, take
from headstart.errors import RunFailed
from headstart.results import JsonObject

# Float32 sums in another order differ by 1e-6. Features of a backbone, rounded to 16 bits, differ
# by up to 1e-3.
LARGEST_DIFFERENCE = 1e-2
# Energy scores are logits, which reach tens. The largest difference seen is 6e-6, with a backbone.
LARGEST_ENERGY_DIFFERENCE = 5e-2
_MOST_IMAGES = 2_000
# The first image alone, then seven, then batches of 64: a file must accept any number of images.
_FIRST_BATCHES, _BATCH_SIZE = (1, 7), 64
_TIMED_CALLS, _TIMED_SECONDS = 20, 2.0


class Outputs(NamedTuple):
    """Outputs of a model for N images.

    Attributes:
        probabilities: `(N, K)`, calibrated.
        energy_scores: `(N,)`.
    """

    probabilities: NDArray[np.float32]
    energy_scores: NDArray[np.float32]


PredictFunction = Callable[[NDArray[np.uint8]], Outputs]  # from images (N, H, W, C)


@dataclass(frozen=True)
class Parity:
    """Comparison of an exported file with its run, both in float32.

    Attributes:
        top1_agreement: Share of images with the same most probable class.
        max_difference: Largest absolute difference between two probabilities.
        max_energy_difference: Largest absolute difference between two energy scores.
        n: Number of images compared.
        part: The split of these images.
    """

    top1_agreement: float
    max_difference: float
    max_energy_difference: float
    n: int
    part: str

    def as_json(self) -> JsonObject:
        """Return the fields by name. The energy score is called `familiarity`, as in the file."""
        return {
            "top1_agreement": self.top1_agreement,
            "max_difference": self.max_difference,
            "max_familiarity_difference": self.max_energy_difference,
            "n": self.n,
            "part": self.part,
        }


def choose_images(data: SplitDataset) -> tuple[str, NDArray[np.int64]]:
    """Return up to 2,000 validation images, or training images if there are none.

    Test images are not used, because the check decides whether a file is written.
    """
    if len(data.split.validation):
        part, rows = "validation", data.split.validation
    else:
        part, rows = "train", data.split.train
    return part, np.sort(np.random.default_rng(0).permutation(rows)[:_MOST_IMAGES])


def sample_images(dataset: Dataset, rows: NDArray[np.int64], count: int) -> NDArray[np.uint8]:
    """Return the pixels of up to `count` of these images."""
    return take(dataset.images, np.sort(np.random.default_rng(1).permutation(rows)[:count]))


def predict_with_run(classifier: BaseClassifier, images: NDArray[np.uint8]) -> Outputs:
    """Return the outputs of the classifier itself."""
    predictions = classifier.predict(images, calibrated=True)
    return Outputs(predictions.probabilities, predictions.energy_scores)


def predict_in_batches(predict: PredictFunction, images: NDArray[np.uint8], title: str) -> Outputs:
    """Return the outputs for all images, computed in batches of several sizes."""
    sizes = [*_FIRST_BATCHES, *[_BATCH_SIZE] * (len(images) // _BATCH_SIZE + 1)]
    batches: list[Outputs] = []
    start = 0
    with progress.task(title, len(images), "images") as task:
        for size in sizes:
            batch = images[start : start + size]
            if len(batch):
                batches.append(predict(batch))
                task.advance(len(batch))
            start += size
    return Outputs(
        np.concatenate([batch.probabilities for batch in batches]),
        np.concatenate([batch.energy_scores for batch in batches]),
    )


def check_parity(
    expected: Outputs, predict: PredictFunction, images: NDArray[np.uint8], part: str
) -> Parity:
    """Compare an exported file with its run.

    Args:
        expected: Outputs of the run.
        predict: Predicts with the exported file.
        images: uint8 `(N, H, W, C)`.
        part: The split of these images.

    Raises:
        RunFailed: An image changes class, a probability differs by more than 0.01, or an energy
            score by more than 0.05.
    """
    actual = predict_in_batches(predict, images, "checking the exported file")
    is_same_class = expected.probabilities.argmax(1) == actual.probabilities.argmax(1)
    parity = Parity(
        top1_agreement=float(is_same_class.mean()),
        max_difference=_largest_difference(expected.probabilities, actual.probabilities),
        max_energy_difference=_largest_difference(expected.energy_scores, actual.energy_scores),
        n=len(images),
        part=part,
    )

    is_close = (
        parity.max_difference <= LARGEST_DIFFERENCE
        and parity.max_energy_difference <= LARGEST_ENERGY_DIFFERENCE
    )
    if not is_same_class.all() or not is_close:
        raise RunFailed(
            "the exported model does not reproduce the run, so it was not written: "
            f"{int((~is_same_class).sum()):,} of {len(images):,} {part} images change class, "
            f"a probability differs by {parity.max_difference:.2g}, "
            f"an energy score by {parity.max_energy_difference:.2g}.",
            "Please report this as a bug, with the versions of torch, onnx and onnxruntime.",
        )
    return parity


def _largest_difference(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    return float(np.abs(a - b).max())


def measure_ms_per_image(
    predict: PredictFunction, images: NDArray[np.uint8], batch_size: int
) -> float:
    """Return the time per image in milliseconds, from the fastest of several calls."""
    batch = np.resize(images, (batch_size, *images.shape[1:]))
    predict(batch)

    times: list[float] = []
    while len(times) < _TIMED_CALLS and sum(times) <= _TIMED_SECONDS:
        start = time.perf_counter()
        predict(batch)
        times.append(time.perf_counter() - start)
    return 1000 * min(times) / batch_size
