"""The named datasets."""

from __future__ import annotations

from typing import Any


def datasets() -> list[dict[str, Any]]:
    """The named datasets: size, shape, and where each would come from."""
    from headstart.data import available_edition, catalogue, is_cached, source_of

    found = []
    for entry in catalogue():
        shown = available_edition(entry.name)
        found.append(
            {
                "name": entry.name,
                "title": entry.title,
                "train": shown.train_count,
                "test": shown.test_count,
                "images": shown.count,
                "classes": len(shown.class_names),
                "image_shape": list(shown.image_shape),
                "cached": is_cached(entry.name),
                "from": source_of(entry.name),
                "licence": entry.licence,
            }
        )
    return found


def get_dataset(name: str) -> dict[str, Any]:
    """Fetch a named dataset into the cache and say what it is.

    Raises:
        InputError: no such name; ResourceError: no source has it.
    """
    from headstart.data import fetch_named, source_of

    dataset = fetch_named(name)
    return {
        "name": dataset.name,
        "images": len(dataset),
        "classes": len(dataset.class_names),
        "class_names": list(dataset.class_names),
        "image_shape": list(dataset.image_shape),
        "fingerprint": dataset.fingerprint,
        "from": source_of(name),
    }
