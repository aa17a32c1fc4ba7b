"""Whether an exported file says what the run says, on real images."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.classifier import Classifier
from headstart.data import Dataset, SplitDataset, take
from headstart.errors import RunFailed

Answers = tuple[
    NDArray[np.float32], NDArray[np.float32]
]  # probabilities (N, K) and familiarity (N,)
Answer = Callable[[NDArray[np.uint8]], Answers]  # of images (N, H, W, C)
LARGEST_DIFFERENCE = 1e-2  # float32 in another order gives 1e-6; a backbone's features, rounded to 16 bits, up to 1e-3
LARGEST_FAMILIARITY_DIFFERENCE = 5e-2  # of logits, which reach tens; 6e-6 was seen, with a backbone
_MOST_IMAGES = 2_000
_BATCHES = (
    1,
    7,
    64,
)  # the first image alone, then seven, then by 64: a file must take every number


@dataclass(frozen=True)
class Parity:
    """How an exported file compares with its run, both in float32.

    Attributes:
        top1_agreement: share of images with the same likeliest class.
        max_difference: largest absolute difference of a probability.
        max_familiarity_difference: the same of an image's familiarity.
        n: images compared; part: which they are.
    """

    top1_agreement: float
    max_difference: float
    max_familiarity_difference: float
    n: int
    part: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def real_images(data: SplitDataset) -> tuple[str, NDArray[np.int64]]:
    """Up to 2,000 validation images; of a run without them, training images. Test images are not for choosing."""
    part, rows = (
        ("validation", data.split.validation)
        if len(data.split.validation)
        else ("train", data.split.train)
    )
    return part, np.sort(np.random.default_rng(0).permutation(rows)[:_MOST_IMAGES])


def answer_all(answer: Answer, images: NDArray[np.uint8], title: str) -> Answers:
    """The answers about all images, asked for in batches of several sizes."""
    found, start = [], 0
    sizes = [*_BATCHES[:2], *[_BATCHES[2]] * (len(images) // _BATCHES[2] + 1)]
    with progress.task(title, len(images), "images") as task:
        for size in sizes:
            batch = images[start : start + size]
            if len(batch):
                found.append(answer(batch))
                task.advance(len(batch))
            start += size
    probabilities, familiar = (np.concatenate(each) for each in zip(*found, strict=True))
    return probabilities, familiar


def as_trained(classifier: Classifier, images: NDArray[np.uint8]) -> Answers:
    """What the classifier itself says."""
    predictions = classifier.predict(images, calibrated=True)
    return predictions.probabilities, predictions.energy_scores


def check_parity(wanted: Answers, answer: Answer, images: NDArray[np.uint8], part: str) -> Parity:
    """Compare an exported file with its run.

    Raises:
        RunFailed: another class for any image, a probability that differs by more than 0.01, or a familiarity by more than 0.05.
    """
    found = answer_all(answer, images, "checking the exported file")
    same = wanted[0].argmax(1) == found[0].argmax(1)
    chances, familiar = (
        float(np.abs(ours - theirs).max()) for ours, theirs in zip(wanted, found, strict=True)
    )
    parity = Parity(float(same.mean()), chances, familiar, len(images), part)
    if not (
        same.all() and chances <= LARGEST_DIFFERENCE and familiar <= LARGEST_FAMILIARITY_DIFFERENCE
    ):
        raise RunFailed(
            f"the exported file is not what the run is, and was not written: of {len(images):,} {part} images "
            f"{int((~same).sum()):,} get another class, a probability differs by {chances:.2g}, a familiarity by {familiar:.2g}.",
            "This is a fault of Headstart or of an installed version of torch, onnx or onnxruntime; please report it.",
        )
    return parity


def milliseconds(answer: Answer, images: NDArray[np.uint8], batch: int) -> float:
    """Milliseconds an image of the quickest of several calls with `batch` images."""
    some = np.resize(images, (batch, *images.shape[1:]))
    answer(some)
    times = []
    for _ in range(20):
        start = time.perf_counter()
        answer(some)
        times.append(time.perf_counter() - start)
        if sum(times) > 2:
            break
    return 1000 * min(times) / batch


def sample_of(dataset: Dataset, rows: NDArray[np.int64], count: int) -> NDArray[np.uint8]:
    """The pixels of up to `count` of these images."""
    return take(dataset.images, np.sort(np.random.default_rng(1).permutation(rows)[:count]))
