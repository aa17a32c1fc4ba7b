"""One-line summaries of a dataset and its split, for terminals and notebooks."""

from __future__ import annotations

from headstart.data._types import Dataset, SplitDataset, class_counts

_NAMED_CLASSES = 10


def summary_line(data: SplitDataset) -> str:
    """Return the line that a command prints first: images, parts, and classes with their counts.

    Args:
        data: The dataset that the command opened, and its split.

    Returns:
        Such as "digits: 1,797 images (train 1,257, validation 270, test 270); 10 classes: 0 (178),
        1 (182), ...". The counts of the classes are those of the whole dataset. At most ten
        classes are named, in the order of their labels.
    """
    parts = {
        "train": len(data.split.train),
        "validation": len(data.split.validation),
        "test": len(data.split.test),
    }
    used = ", ".join(f"{part} {count:,}" for part, count in parts.items())
    unused = len(data.dataset) - sum(parts.values())
    if unused:
        used += f"; {unused:,} unused"

    return f"{data.dataset.name}: {len(data.dataset):,} images ({used}); {_classes(data.dataset)}"


def _classes(dataset: Dataset) -> str:
    counts = class_counts(dataset).tolist()
    named = [
        f"{name} ({count:,})"
        for name, count in zip(dataset.class_names[:_NAMED_CLASSES], counts, strict=False)
    ]
    text = f"{len(counts):,} classes: {', '.join(named)}"
    if len(counts) > _NAMED_CLASSES:
        text += f" and {len(counts) - _NAMED_CLASSES:,} more"

    return text
