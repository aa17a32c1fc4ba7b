"""Open and split the data of a verb; list and fetch the named datasets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart import progress
from headstart.api._keys import LOAD_KEYS, SPLIT_KEYS
from headstart.data import (
    PART_NAMES,
    Dataset,
    Resize,
    Split,
    SplitDataset,
    load as load_dataset,
    make_split,
    summary_line,
)

Data = str | Path | tuple[Any, Any] | tuple[Any, Any, Any] | Dataset

# Image size and split of a published experiment, where user and dataset leave them open: 150x150
# pixels, 70% training and 30% validation images.
_PUBLISHED_DATA: dict[str, dict[str, Any]] = {
    "cnn-scenes": {"image_size": 150, "validation": 0.3, "test": 0.0}
}


def load(
    data: Data,
    *,
    image_size: int | None = None,
    resize: Resize = "pad",
    pixel_max: float | None = None,
    group_by: str | None = None,
) -> Dataset:
    """Open a dataset: a name, a folder, a CSV, an IDX folder, `.npz`, or arrays.

    The arguments are those of `headstart.data.load`. A dataset that is open already is returned as
    it is.
    """
    if isinstance(data, Dataset):
        return data
    return load_dataset(
        data, image_size=image_size, resize=resize, pixel_max=pixel_max, group_by=group_by
    )


def split(
    dataset: Dataset,
    *,
    validation: float | None = None,
    test: float | None = None,
    train_images: int | None = None,
    split_seed: int = 0,
) -> Split:
    """Split a dataset into train, validation and test images.

    The arguments are those of `headstart.data.make_split`, whose `seed` is called `split_seed`
    here.
    """
    return make_split(
        dataset, validation=validation, test=test, train_images=train_images, seed=split_seed
    )


def open_data(data: Data, keys: Mapping[str, Any], model: str = "") -> SplitDataset:
    """Open and split the data of a verb, and print their summary on stderr.

    Args:
        data: what `load` accepts.
        keys: keys of the verb. Those of `load` and `split` are used.
        model: name of the model. A published experiment brings its own image size and split, which
            explicit keys and the dataset's own parts replace.
    """
    given = {key: value for key, value in keys.items() if value is not None}
    published = _PUBLISHED_DATA.get(model, {})
    dataset = load(data, **_select(LOAD_KEYS, published, given))

    own_parts = {name for part, name in PART_NAMES.items() if (dataset.parts == part).any()}
    published = {key: value for key, value in published.items() if key not in own_parts}
    opened = SplitDataset(dataset, split(dataset, **_select(SPLIT_KEYS, published, given)))

    progress.say(summary_line(opened))
    return opened


def _select(names: tuple[str, ...], *mappings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries with these names; later mappings win."""
    selected: dict[str, Any] = {}
    for mapping in mappings:
        selected.update({name: mapping[name] for name in names if name in mapping})
    return selected


def datasets() -> list[dict[str, Any]]:
    """Return the named datasets: size, image shape, licence, and where each would come from."""
    from headstart.data import available_edition, catalogue, is_cached, source_of

    rows = []
    for entry in catalogue():
        current = available_edition(entry.name)
        rows.append(
            {
                "name": entry.name,
                "title": entry.title,
                "train": current.train_count,
                "test": current.test_count,
                "images": current.count,
                "classes": len(current.class_names),
                "image_shape": list(current.image_shape),
                "cached": is_cached(entry.name),
                "from": source_of(entry.name),
                "licence": entry.licence,
            }
        )
    return rows


def get_dataset(name: str) -> dict[str, Any]:
    """Fetch a named dataset into the cache and describe it.

    Raises:
        InputError: The name is unknown.
        ResourceError: No source provides the dataset.
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
