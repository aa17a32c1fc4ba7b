"""Finished runs as contenders: whether their test images are those of the comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data import SplitDataset, describe_changes, read_image_hashes
from headstart.errors import InputError
from headstart.formatting import counted
from headstart.training import read_labels


def check_same_test_images(run: Path, data: SplitDataset) -> None:
    """Check that a finished run was evaluated on the images of this comparison.

    Its training images may differ: then the verdict is about this trained model, and
    `note_of_other_training` says so.

    Raises:
        InputError: Classes, test images or their labels differ, or a test image is among those that
            the run was trained or selected with.
    """
    if has_same_split(run, data):
        return

    recorded = store.read_json(run / "data.json")
    hashes = read_image_hashes(run)
    expected = data.dataset.hashes[data.split.test]
    if recorded.get("class_names") != list(data.class_names) or not len(expected):
        raise _refusal(run, "was trained on a different split than this comparison uses", data)
    if not np.array_equal(hashes["test"], expected):
        is_reordered = sorted(map(bytes, hashes["test"])) == sorted(map(bytes, expected))
        what = "the test images in another order" if is_reordered else "other test images"
        raise _refusal(run, f"was evaluated on {what} than this comparison uses", data)
    if not np.array_equal(read_labels(run, "test"), data.dataset.labels[data.split.test]):
        raise _refusal(run, "was evaluated with other labels of the test images", data)

    seen = {row.tobytes() for row in np.concatenate([hashes["train"], hashes["validation"]])}
    leaked = sum(row.tobytes() in seen for row in expected)
    if leaked:
        raise InputError(
            f"{run} was trained or selected with {counted(leaked, 'image')} of the test images of "
            "this comparison, so its accuracy on them would be too high.",
            "Train it again without them, or pass a DATA whose test images no contender has seen.",
        )


def note_of_other_training(name: str, run: Path, data: SplitDataset) -> str:
    """Return a sentence about the training images of a finished run; empty if they are the same.

    Args:
        name: Name of the contender.
        run: Folder of the run.
        data: The data of the comparison.
    """
    if has_same_split(run, data):
        return ""
    hashes, present = read_image_hashes(run), data.dataset.hashes
    count = len(hashes["train"])
    common = _count_common(hashes["train"], present[data.split.train])
    return (
        f"{name} was trained on {counted(count, 'image')}, of which {common:,} are among the "
        f"{len(data.split.train):,} training images of this comparison. So a difference may come "
        "from the training images, and the verdict is about this trained model, not its recipe."
    )


def has_same_split(run: Path, data: SplitDataset) -> bool:
    """Return whether a run has the images and the split of this comparison."""
    recorded = store.read_json(run / "recipe.json")
    fingerprints = (data.dataset.fingerprint, data.split.fingerprint)
    return (recorded.get("dataset"), recorded.get("split")) == fingerprints


def _count_common(hashes: NDArray[np.uint8], others: NDArray[np.uint8]) -> int:
    known = {row.tobytes() for row in others}
    return sum(row.tobytes() in known for row in hashes)


def _refusal(run: Path, reason: str, data: SplitDataset) -> InputError:
    changes = describe_changes(run, data)
    return InputError(
        f"{run} {reason}{f': {changes}' if changes else ''}.",
        "Pass the data options of that run, such as --image-size, --resize, --train-images, "
        f"--validation, --test and --split-seed, which {run / 'data.json'} records; or enter its "
        f"recipe: {run / 'recipe.json'}",
    )
