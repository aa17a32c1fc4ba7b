"""The worst errors of a comparison, with the evidence that each contender saw."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.classifier import BaseClassifier, load_classifier
from headstart.data import Dataset
from headstart.deploy._explain import Evidence, evidence
from headstart.training import read_correct, read_losses

MOST_ERRORS = 6
# No further error is explained after this time. A comparison reserves 8 s for its report.
_SECONDS = 3.0


def explain_errors(
    runs: Mapping[str, Path], dataset: Dataset, rows: NDArray[np.int64], part: str, path: Path
) -> None:
    """Write the images with the largest loss, and the evidence for the predictions, as `.npz`.

    Nothing is written if every contender classifies every image correctly.

    The arrays, for E images and K contenders:
        - `names`, `labels` `(E,)` and `images` `(E, H, W, C)`
        - `contenders` and `kinds` `(K,)`: names, and the kind of attribution map
        - `said` and `chances` `(K, E)`: predicted class and its probability
        - `heat-k` `(E, rows, columns)` of contender k, each map scaled by its largest value

    Args:
        runs: For each contender, the run that represents it, with weights.
        dataset: The dataset of all runs.
        rows: Indices of the evaluated images.
        part: Their split, "test" or "validation".
        path: The file to write.

    Raises:
        ResourceError: Captum is not installed.
    """
    worst = _worst_rows(list(runs.values()), rows, part)
    if not len(worst):
        return

    classifiers = [load_classifier(run) for run in runs.values()]
    images = dataset.images[worst]
    explained = _explain_in_time(classifiers, images)

    shown = worst[: len(explained)].tolist()
    kinds = ["Grad-CAM" if item.attribution.layer else "occlusion" for item in explained[0]]
    arrays = {
        "names": np.array([dataset.image_names[row] for row in shown]),
        "labels": np.array([dataset.class_names[dataset.labels[row]] for row in shown]),
        "images": images[: len(explained)],
        "contenders": np.array(list(runs)),
        "kinds": np.array(kinds),
        "said": np.array([[item.label for item in items] for items in explained]).T,
        "chances": np.array([[item.probability for item in items] for items in explained]).T,
    }
    for contender in range(len(classifiers)):
        maps = [items[contender].attribution.values for items in explained]
        arrays[f"heat-{contender}"] = np.array([_scale_to_one(values) for values in maps])

    store.write_bytes(path, store.npz_bytes(arrays))


def _worst_rows(runs: Sequence[Path], rows: NDArray[np.int64], part: str) -> NDArray[np.int64]:
    """Return the images that some run misclassifies, those with the largest mean loss first."""
    is_wrong = np.any([~read_correct(run, part) for run in runs], axis=0)
    losses = np.mean([read_losses(run, part) for run in runs], axis=0)
    order = np.argsort(np.where(is_wrong, -losses, np.inf), kind="stable")
    return rows[order[: min(MOST_ERRORS, int(is_wrong.sum()))]]


def _explain_in_time(
    classifiers: Sequence[BaseClassifier], images: NDArray[np.uint8]
) -> list[list[Evidence]]:
    """Return the evidence of each classifier per image, for at least one image."""
    explained: list[list[Evidence]] = []
    end = time.perf_counter() + _SECONDS
    with progress.task("explaining the worst errors", len(images), "images") as task:
        for image in images:
            if explained and time.perf_counter() > end:
                break
            explained.append([evidence(classifier, image) for classifier in classifiers])
            task.advance()
    return explained


def _scale_to_one(values: NDArray[np.float32]) -> NDArray[np.float32]:
    scaled: NDArray[np.float32] = values / max(float(np.abs(values).max()), 1e-12)
    return scaled
