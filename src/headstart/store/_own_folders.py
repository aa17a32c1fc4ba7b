"""Folders that Headstart itself wrote, recognized by the files in them."""

from __future__ import annotations

from collections.abc import Collection

# A folder with all files of one row is ours. Unfinished runs and studies have the first two rows.
_MARKERS = (
    frozenset({"recipe.json", "data.json"}),
    frozenset({"study.json", "split.npz"}),
    frozenset({"finding.json", "report.html"}),
    frozenset({"classifier.json", "model.safetensors"}),
    frozenset({"about.json", "arrays.npz", "images.npy"}),  # an entry of the cache
)


def is_own_folder(file_names: Collection[str]) -> bool:
    """Return whether a folder with these files is a run, a study or a cache entry of Headstart."""
    names = set(file_names)
    return any(marker <= names for marker in _MARKERS)
