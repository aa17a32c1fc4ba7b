"""A dataset with the images of a plan dropped and relabelled."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._cache_entry import open_or_decode
from headstart.data._class_names import quote_names
from headstart.data._fingerprints import content_key, dataset_fingerprint
from headstart.data._memory_maps import create_map, is_large_map, put, take
from headstart.data._plan_file import PlanRow, raise_problems, read_plan
from headstart.data._split_subsets import with_parts
from headstart.data._types import AppliedPlan, Dataset, DecodedImages, SplitDataset
from headstart.errors import InputError, did_you_mean
from headstart.formatting import one_line


@dataclass(frozen=True)
class PlannedChanges:
    """The changes of a plan to the images of a dataset.

    Attributes:
        labels: Int64 array of shape (N,) with the labels under the plan.
        dropped: Boolean array of shape (N,). True for images that the plan drops.
        relabelled: The same for images whose label it changes.
    """

    labels: NDArray[np.int64]
    dropped: NDArray[np.bool_]
    relabelled: NDArray[np.bool_]


def apply_plan(dataset: Dataset, path: Path) -> Dataset:
    """Return a dataset without the images that a plan drops, and with its new labels.

    A class that loses all its images is removed. One line on stderr reports the counts.

    Args:
        dataset: The dataset as it was read.
        path: The plan.

    Raises:
        InputError: The plan is invalid, names images or classes that do not exist, gives labels
            that the images do not have, or drops every image.
    """
    path = path.absolute()
    changes = planned_changes(dataset, read_plan(path), path)
    dropped, relabelled = int(changes.dropped.sum()), int(changes.relabelled.sum())
    progress.say(
        f"dropped {dropped:,}, relabelled {relabelled:,} of {len(dataset):,} images ({path.name})"
    )

    kept = np.flatnonzero(~changes.dropped)
    if not len(kept):
        raise InputError(
            f"{path} drops all {len(dataset):,} images.", "Remove rows with the action drop."
        )
    if len(np.unique(changes.labels[kept])) < 2:
        raise InputError(
            f"{path} leaves one class, and a classifier needs two.",
            "Remove rows with the action drop or relabel.",
        )
    reduced = dataset if len(kept) == len(dataset) else _keep(dataset, kept)
    labels, class_names = _remove_empty_classes(changes.labels[kept], dataset, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return replace(
        reduced,
        labels=labels,
        class_names=class_names,
        fingerprint=dataset_fingerprint(reduced.hashes, labels, reduced.parts, class_names),
        options={**dataset.options, "plan": str(path)},
        plan=AppliedPlan(str(path), digest, dropped, relabelled),
    )


def planned_changes(dataset: Dataset, rows: Sequence[PlanRow], path: Path) -> PlannedChanges:
    """Return what a plan changes.

    A row applies to every image of its name and label.

    Args:
        dataset: The dataset without the plan.
        rows: The rows of the plan.
        path: The file of the plan, for messages.

    Raises:
        InputError: Images or classes do not exist, or labels differ. At most 20 are listed.
    """
    needed = {row.image for row in rows}
    places: dict[str, list[int]] = {name: [] for name in needed}
    for place, name in enumerate(dataset.image_names):
        if name in needed:
            places[name].append(place)
    is_complete = all(places.values())
    moved = {} if is_complete else _names_by_file(dataset)

    unreadable = {file.name for file in dataset.unreadable}
    label_of = {name: number for number, name in enumerate(dataset.class_names)}
    changes = PlannedChanges(
        dataset.labels.copy(), np.zeros(len(dataset), bool), np.zeros(len(dataset), bool)
    )
    problems: list[str] = []
    for row in rows:
        if row.image in unreadable and row.action != "relabel":
            continue  # left out already
        matching, problem = _matching_images(dataset, row, places[row.image], moved)
        if not problem and row.action == "relabel" and row.new_label not in label_of:
            suggestion = did_you_mean(row.new_label, dataset.class_names).removesuffix(".")
            problem = f"line {row.line}: '{one_line(row.new_label)}' is not a class{suggestion}"
        if problem:
            problems.append(problem)
        elif row.action == "drop":
            changes.dropped[matching] = True
        elif row.action == "relabel":
            changes.labels[matching] = label_of[row.new_label]
    raise_problems(path, problems)

    changes.relabelled[:] = (changes.labels != dataset.labels) & ~changes.dropped
    return changes


def with_and_without_plan(original: SplitDataset, path: Path) -> tuple[SplitDataset, SplitDataset]:
    """Return the same data with and without a plan, for a comparison of their training images.

    Both have the same validation and test images. Images that the plan drops or relabels are in
    neither, so no decision of the plan enters the evaluation.

    Args:
        original: The dataset without the plan, and its split.
        path: The plan.

    Returns:
        The data with the plan, then the data without it.

    Raises:
        InputError: The plan does not fit the data, or a part has no images left.
    """
    planned = apply_plan(original.dataset, path)
    changes = planned_changes(original.dataset, read_plan(path), path)
    touched = changes.dropped | changes.relabelled
    split = original.split
    validation = split.validation[~touched[split.validation]]
    test = split.test[~touched[split.test]]
    for name, before, after in (
        ("validation", split.validation, validation),
        ("test", split.test, test),
    ):
        if len(before) and not len(after):
            raise InputError(
                f"{path} changes all {len(before):,} {name} images, so none can compare.",
                "Remove rows of that part from the plan.",
            )
        if len(before) > len(after):
            progress.say(
                f"{len(before) - len(after):,} of {len(before):,} {name} images are left out of "
                f"the evaluation, because {path.name} changes them"
            )

    new_places = np.cumsum(~changes.dropped) - 1
    train = split.train[~changes.dropped[split.train]]
    with_plan = (new_places[train], new_places[validation], new_places[test])
    without_plan = (split.train, validation, test)
    return (
        with_parts(SplitDataset(planned, split), with_plan),
        with_parts(original, without_plan),
    )


def _names_by_file(dataset: Dataset) -> dict[str, list[str]]:
    """Return the names of all images by the name of their file, in lower case."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for name in dataset.image_names:
        names[_file_of(name)].append(name)
    return names


def _similar_names(written: str, names: Sequence[str]) -> Sequence[str]:
    """Return the names that differ from a written one only in their first folders, or all names."""
    path = written.replace("\\", "/").lower()
    return [name for name in names if path.endswith(name.lower())] or names


def _file_of(name: str) -> str:
    return PureWindowsPath(name).name.lower()


def _matching_images(
    dataset: Dataset, row: PlanRow, places: list[int], moved: Mapping[str, list[str]]
) -> tuple[list[int], str]:
    """Return the images of a row, or why there are none.

    Args:
        dataset: The dataset.
        row: The row.
        places: The images of its name.
        moved: The names of all images by their file, where some names of the plan do not exist.
    """
    if not places:
        problem = f"line {row.line}: no image is named '{one_line(row.image)}'"
        similar = _similar_names(row.image, moved.get(_file_of(row.image), []))
        if len(similar) == 1:
            problem += f": did you mean '{one_line(similar[0])}'?"
        return [], problem
    if not row.label:
        return places, ""
    labels = [dataset.class_names[dataset.labels[place]] for place in places]
    matching = [place for place, label in zip(places, labels, strict=True) if label == row.label]
    if matching:
        return matching, ""
    return [], (
        f"line {row.line}: {one_line(row.image)} has the label '{one_line(labels[0])}', "
        f"not '{one_line(row.label)}'"
    )


def _remove_empty_classes(
    labels: NDArray[np.int64], dataset: Dataset, path: Path
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels and class names without the classes that lost all their images."""
    names = dataset.class_names
    before = np.bincount(dataset.labels, minlength=len(names)) > 0
    is_used = ~before | (np.bincount(labels, minlength=len(names)) > 0)
    if is_used.all():
        return labels, names

    removed = [name for name, used in zip(names, is_used, strict=True) if not used]
    classes = "1 class is" if len(removed) == 1 else f"{len(removed):,} classes are"
    progress.say(f"{path.name}: {classes} removed with all images: {quote_names(removed)}")
    new_numbers = np.cumsum(is_used) - 1
    kept = tuple(name for name, used in zip(names, is_used, strict=True) if used)
    return new_numbers[labels].astype(np.int64), kept


def _keep(dataset: Dataset, rows: NDArray[np.int64]) -> Dataset:
    """Return a dataset of some of the images. Those of a large map are copied into the cache."""
    images = dataset.images
    kept = DecodedImages(
        images,
        dataset.labels[rows],
        dataset.class_names,
        dataset.parts[rows],
        tuple(dataset.image_names[row] for row in rows.tolist()),
        None if dataset.groups is None else dataset.groups[rows],
    )
    if is_large_map(images):

        def decode(building: Path) -> DecodedImages:
            copied = create_map(building, len(rows), dataset.image_shape)
            with progress.task(f"copying {dataset.name}", len(rows), "images") as task:
                for place, row in enumerate(rows.tolist()):
                    put(copied, place, images[row])
                    task.advance()
            return replace(kept, images=copied)

        digest = hashlib.sha256(rows.tobytes()).hexdigest()
        key = content_key("kept", dataset.fingerprint, digest)
        images = open_or_decode(key, decode, name=dataset.name, source=dataset.source).images
    else:
        images = take(images, rows)
    return replace(
        dataset,
        images=images,
        labels=kept.labels,
        parts=dataset.parts[rows],
        hashes=dataset.hashes[rows],
        image_names=kept.image_names or (),
        groups=kept.groups,
    )
