"""One-line summaries of a dataset and its split, for terminals and notebooks."""

from __future__ import annotations

from headstart.data._types import Dataset, Split, class_counts

_NAMED_CLASSES = 10


def summary_line(dataset: Dataset, split: Split) -> str:
    """Return the line that a command prints first: images, parts, and classes with their counts.

    Args:
        dataset: The dataset that the command opened.
        split: Its split into train, validation and test images.

    Returns:
        Such as "digits: 1,797 images (train 1,257, validation 270, test 270); 10 classes: 0 (178),
        1 (182), ...". The counts of the classes are those of the whole dataset. At most ten
        classes are named, in the order of their labels.
    """
    parts = {
        "train": len(split.train),
        "validation": len(split.validation),
        "test": len(split.test),
    }
    used = ", ".join(f"{part} {count:,}" for part, count in parts.items())
    unused = len(dataset) - sum(parts.values())
    if unused:
        used += f"; {unused:,} unused"

    return f"{dataset.name}: {len(dataset):,} images ({used}); {_classes(dataset)}"


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
