"""Open and split the data of a verb; list and fetch the named datasets."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Unpack, cast

from headstart import progress
from headstart.api._keys import SPLIT_KEYS
from headstart.api._quick_audit import quick_audit
from headstart.data import (
    LOAD_KEYS,
    PART_NAMES,
    Dataset,
    EvaluateOn,
    LoadKeys,
    Source,
    Split,
    SplitDataset,
    apply_plan,
    check_source,
    load as load_dataset,
    make_split,
    summary_line,
    with_and_without_plan,
)

Data = Source | Dataset

# Image size and split of a published experiment, where user and dataset leave them open: 150x150
# pixels, 70% training and 30% validation images.
_PUBLISHED_DATA: dict[str, Mapping[str, float]] = {
    "cnn-scenes": {"image_size": 150, "validation": 0.3, "test": 0.0}
}


def load(data: Data, **options: Unpack[LoadKeys]) -> Dataset:
    """Open a dataset: a name, a path, arrays, a data frame, or a map-style dataset.

    A dataset that is open already is returned as it is; a plan is applied to it, if it has none
    yet.

    Args:
        data: A name, a path, arrays, a data frame, a map-style dataset, or an open dataset.
        options: Options of `headstart.data.load`: image_size, resize, pixel_max, group_by,
            label_column, path_column, skip_bad, plan and cache.

    Returns:
        The dataset: uint8 images of shape (N, H, W, C), int64 labels of shape (N,), class names and
        groups.

    Raises:
        InputError: The source does not exist, has an unknown format or invalid content, or an
            option does not apply to it.
        ResourceError: The cache cannot be written, or a named dataset cannot be downloaded.
    """
    if not isinstance(data, Dataset):
        return load_dataset(data, **options)
    plan = options.get("plan")
    return apply_plan(data, Path(plan)) if plan is not None and data.plan is None else data


def load_torch(data: Data, keys: Mapping[str, Any]) -> None:
    """Check that data exist, then import PyTorch. A line on the terminal says so meanwhile.

    The import takes seconds. A verb calls this after its own checks, and before it imports a module
    that needs PyTorch, so that a wrong command ends at once.

    Args:
        data: What `load` accepts.
        keys: Keys of the verb. Those of `load` are checked.

    Raises:
        InputError: The path does not exist, or a key of `load` is invalid.
    """
    if not isinstance(data, Dataset):
        given = {key: value for key, value in keys.items() if value is not None}
        check_source(data, cast("LoadKeys", select_keys(LOAD_KEYS, given)))
    with progress.waiting("loading PyTorch"):
        import_module("torch")


def split(
    dataset: Dataset,
    *,
    validation: float | None = None,
    test: float | None = None,
    train_images: int | None = None,
    split_seed: int = 0,
    evaluate_on: EvaluateOn | None = None,
) -> Split:
    """Split a dataset into train, validation and test images.

    `headstart.data.make_split` documents the rules; its `seed` is called `split_seed` here.

    Args:
        dataset: A dataset that `load` opened.
        validation: Fraction of the images for validation, in [0, 1). By default the dataset's own
            validation images, or 0.15.
        test: The same for the test images.
        train_images: Number of training images to keep, stratified by class. None keeps all.
        split_seed: Seed of the random choices.
        evaluate_on: "validation" evaluates on the dataset's own validation images, and draws others
            for validation. "test" or None draws test images if the dataset has none.

    Returns:
        Indices of the training, validation and test images.

    Raises:
        InputError: A fraction or a number is out of range, contradicts the dataset's own parts, or
            leaves a class without training images.
    """
    return make_split(
        dataset,
        validation=validation,
        test=test,
        train_images=train_images,
        seed=split_seed,
        evaluate_on=evaluate_on,
    )


def open_data(data: Data, keys: Mapping[str, Any], model: str = "") -> SplitDataset:
    """Open and split the data of a verb, and print their summary on stderr.

    Args:
        data: What `load` accepts.
        keys: Keys of the verb. Those of `load` and `split` are used.
        model: Name of the model. A published experiment brings its own image size and split, which
            explicit keys and the dataset's own parts replace.

    Returns:
        The dataset and its split.

    Raises:
        InputError: The data cannot be opened or split as asked.
    """
    given = {key: value for key, value in keys.items() if value is not None}
    published = _PUBLISHED_DATA.get(model, {})
    dataset = load(data, **select_keys(LOAD_KEYS, published, given))

    own_parts = {name for part, name in PART_NAMES.items() if (dataset.parts == part).any()}
    if given.get("evaluate_on") == "validation":
        own_parts.add("test")
    published = {key: value for key, value in published.items() if key not in own_parts}
    opened = SplitDataset(dataset, split(dataset, **select_keys(SPLIT_KEYS, published, given)))

    progress.say(summary_line(opened))
    for sentence in quick_audit(opened):
        progress.say(sentence)
    return opened


def open_with_and_without_plan(
    data: Data, keys: Mapping[str, Any]
) -> tuple[SplitDataset, SplitDataset | None]:
    """Open and split the data of a comparison with a plan.

    Args:
        data: What `load` accepts.
        keys: Keys of the verb, among them `plan`.

    Returns:
        The data with the plan, and the same data without it. They have the same evaluation images,
        which the plan does not change. The latter is None if the two cannot be compared: the plan
        is already applied, or it removes a class.
    """
    if isinstance(data, Dataset) and data.plan is not None:
        return open_data(data, keys), None
    original = open_data(data, {**keys, "plan": None})
    planned, without = with_and_without_plan(original, Path(keys["plan"]))
    if planned.class_names == without.class_names:
        return planned, without
    progress.say("the plan removes a class, so only the data with the plan are compared")
    return open_data(data, keys), None


def select_keys(names: tuple[str, ...], *mappings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries with these names; later mappings win."""
    selected: dict[str, Any] = {}
    for mapping in mappings:
        selected.update({name: mapping[name] for name in names if name in mapping})
    return selected


def datasets() -> list[dict[str, Any]]:
    """Return the named datasets: size, image shape, licence, and where each would come from.

    Returns:
        One object per dataset: `name`, `title`, numbers of images `train`, `test` and `images`,
        `classes`, `image_shape` (height, width, channels), `cached`, `from` and `licence`.
    """
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

    Args:
        name: A name that `datasets` lists.

    Returns:
        `name`, `images`, `classes`, `class_names`, `image_shape` (height, width, channels),
        `fingerprint` and `from`.

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
