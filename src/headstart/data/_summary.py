"""Summaries of a dataset and its split: one line for the terminal, and `data.json`."""

from __future__ import annotations

from headstart.data._types import PART_NAMES, Dataset, SplitDataset, class_counts
from headstart.data._warnings import split_warnings
from headstart.formatting import cut_middle, display_name, first_names

_NAMED_CLASSES = 10
_LONGEST_NAME = 24  # letters of a class name on the line


def summary_line(data: SplitDataset) -> str:
    """Return the line that a command prints first: images, parts, and classes with their counts.

    Args:
        data: The dataset that the command opened, and its split.

    Returns:
        Such as "digits: 1,797 images (train 1,257, validation 270, test 270); 10 classes: 0 (178),
        1 (182), ...". The counts of the classes are those of the whole dataset. At most ten
        classes are named, in the order of their labels.
    """
    parts = {part: len(indices) for part, indices in data.split.parts.items()}
    used = ", ".join(f"{part} {count:,}" for part, count in parts.items())
    unused = len(data.dataset) - sum(parts.values())
    if unused:
        used += f"; {unused:,} unused"
    if data.dataset.unreadable:
        used += f"; {len(data.dataset.unreadable):,} unreadable left out"

    return f"{data.dataset.name}: {len(data.dataset):,} images ({used}); {_classes(data.dataset)}"


def _classes(dataset: Dataset) -> str:
    counts = class_counts(dataset).tolist()
    named = [
        f"{cut_middle(display_name(name), _LONGEST_NAME)} ({count:,})"
        for name, count in zip(dataset.class_names, counts, strict=True)
    ]
    return f"{len(counts):,} classes: {first_names(named, _NAMED_CLASSES)}"


def describe(data: SplitDataset) -> dict[str, object]:
    """Return the content of `data.json`.

    It says where the images come from, what they are, and how many of each class are in each part.
    Its "warnings" are sentences; see `split_warnings`.
    """
    dataset, split = data.dataset, data.split
    return {
        "name": dataset.name,
        "source": dataset.source,
        "options": dict(dataset.options),
        "fingerprint": dataset.fingerprint,
        "images": len(dataset),
        "image_shape": list(dataset.image_shape),
        "classes": len(dataset.class_names),
        "class_names": list(dataset.class_names),
        "parts": {
            name: {
                "images": len(indices),
                "per_class": class_counts(dataset, indices).tolist(),
            }
            for name, indices in split.parts.items()
        },
        "plan": None if dataset.plan is None else dataset.plan._asdict(),
        "duplicates_removed": split.duplicates_removed,
        "split_seed": split.seed,
        "split_fingerprint": split.fingerprint,
        "warnings": split_warnings(data),
        "unreadable": [
            {"name": file.name, "reason": file.reason, "part": PART_NAMES.get(file.part)}
            for file in dataset.unreadable
        ],
    }
