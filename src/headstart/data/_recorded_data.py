"""Differences between the data that a run was made with and the data of now."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart import store
from headstart.data._class_names import quote_names
from headstart.data._split_file import FILE_NAME
from headstart.data._summary import describe
from headstart.data._types import SplitDataset

Recorded = dict[str, Any]  # the content of data.json, of any version


def describe_changes(folder: Path, data: SplitDataset) -> str:
    """Say how the data of a run differ from these.

    Args:
        folder: The folder of the run.
        data: The data that a command opened.

    Returns:
        A list such as "397 images there, 398 now; 2 images of its split are gone or changed". Empty
        if the run recorded nothing that differs.
    """
    recorded = store.read_json_or(folder / "data.json", {})
    present = describe(data)
    changes = [
        _changed_value(recorded, present, "source", "{old} there, {new} now"),
        _changed_value(recorded, present, "images", "{old:,} images there, {new:,} now"),
        _changed_value(recorded, present, "image_shape", "image shape {old} there, {new} now"),
        *_changed_classes(recorded.get("class_names", []), list(data.class_names)),
        *_changed_options(recorded.get("options", {}), data.dataset.options),
        _changed_value(recorded, present, "split_seed", "split seed {old} there, {new} now"),
        _changed_images(folder / FILE_NAME, data),
    ]
    if not any(changes):
        changes = [
            _changed_part(recorded, present, part) for part in ("train", "validation", "test")
        ]
    return "; ".join(change for change in changes if change)


def _changed_value(recorded: Recorded, present: Recorded, key: str, sentence: str) -> str:
    old, new = recorded.get(key), present[key]
    if old is None or old == new:
        return ""
    return sentence.format(old=old, new=new)


def _changed_options(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return a phrase for each option of `load` that differs, as it is typed."""

    def typed(values: Mapping[str, Any], key: str) -> str:
        option = f"--{key.replace('_', '-')}"
        return f"no {option}" if values.get(key) is None else f"{option} {values[key]}"

    keys = [key for key in {**old, **new} if key in old and old[key] != new.get(key)]
    return [f"{typed(old, key)} there, {typed(new, key)} now" for key in keys]


def _changed_classes(old: list[str], new: list[str]) -> list[str]:
    added = [name for name in new if name not in old]
    removed = [name for name in old if name not in new]
    return [
        f"classes {word}: {quote_names(names)}"
        for word, names in (("added", added), ("removed", removed))
        if names
    ]


def _changed_images(split_file: Path, data: SplitDataset) -> str:
    try:
        with split_file.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            parts = [file[f"{part}_hashes"] for part in ("train", "validation", "test")]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return ""
    old = np.concatenate(parts)
    count = int((~np.isin(_as_numbers(old), _as_numbers(data.dataset.hashes))).sum())
    if not count:
        return ""
    is_one = count == 1
    return (
        f"{count:,} of the {len(old):,} images of its split {'is' if is_one else 'are'} gone or "
        "changed"
    )


def _as_numbers(hashes: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the first eight bytes of each hash."""
    return np.ascontiguousarray(hashes[:, :8]).view(np.uint64)[:, 0]


def _changed_part(recorded: Recorded, present: Recorded, part: str) -> str:
    old = recorded.get("parts", {}).get(part, {})
    new = present["parts"][part]
    if not old or old == new:
        return ""
    if old["images"] != new["images"]:
        return f"{old['images']:,} {part} images there, {new['images']:,} now"
    return f"other labels of the {part} images"
