"""Lines about what was left out of a folder of images, and what was decided."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headstart import progress
from headstart.data._types import PART_NAMES, TRAIN, UNASSIGNED
from headstart.data.formats.folders._classes import ClassFolder
from headstart.data.formats.folders._clutter import some_names
from headstart.data.formats.folders._errors import classes_in_class, same_folders_in_classes
from headstart.data.formats.folders._file_tree import Folder
from headstart.data.formats.folders._label_lists import (
    find_lines_without_names,
    find_list_of_images,
    published_splits,
)
from headstart.data.formats.folders._names import IMAGE_FOLDERS, is_companion, is_unlabelled
from headstart.data.formats.folders._part_words import EVALUATION, PartName, part_of_name
from headstart.formatting import counted

_DIGITS = re.compile(r"\d+")
_NO_CLASS = re.compile(r"BACKGROUND_Google|\d+\.clutter")


def say_wrapper(root: Folder, top: Folder) -> None:
    """Print which part the only folder is, or which folder is taken for the wrapper of classes."""
    words = top.prefix.rstrip("/").split("/") if top.prefix else []
    mentions = [part_of_name(word) for word in words]
    is_part = [mention is not None and not mention.rest for mention in mentions]
    if not all(is_part):
        progress.say(f"{root.path}: the class folders are those in {top.prefix.rstrip('/')}")

    for word, mention in zip(words, mentions, strict=True):
        if mention and not mention.rest and mention.part != TRAIN:
            progress.say(
                f"{root.path} has only the part '{word}': its images are split again into "
                "training, validation and test"
            )
            break
    say_beside_wrapped(root, top)


def say_beside_wrapped(folder: Folder, wrapped: Folder) -> None:
    """Print what is left out beside a folder that others wrap."""
    while folder is not wrapped:
        say_outside(folder, [child for child in folder.folders if not child.image_count])
        folder = next(child for child in folder.folders if wrapped.prefix.startswith(child.prefix))


def say_outside(folder: Folder, ignored: Sequence[Folder] | None = None) -> None:
    """Print what is left out in a folder of class folders, or of one folder that wraps them.

    Args:
        folder: The folder.
        ignored: The folders in it that are left out. By default those of annotations.
    """
    if folder.images:
        progress.say(
            f"{folder.path}: ignored {len(folder.images):,} images outside every class folder, "
            "which have no label"
        )
    for child in folder.folders:
        if is_unlabelled(child):
            say_without_classes(child)
    if ignored is None:
        ignored = [child for child in folder.folders if is_companion(child)]
    if ignored:
        names = some_names([child.name for child in ignored])
        progress.say(f"{folder.path}: ignored folders without images: {names}")


def say_without_classes(folder: Folder) -> None:
    """Print that a folder is left out, and which file may have the labels of its images."""
    if not folder.image_count:
        progress.say(f"{folder.path}: ignored, because it has no images")
        return
    ignored = f"{folder.path}: ignored {counted(folder.image_count, 'image')} outside every class"
    listed = find_list_of_images(folder)
    nameless = None if listed else find_lines_without_names(folder)
    if listed is None and nameless is None:
        progress.say(
            f"{ignored} folder, which have no label. To predict them, pass the folder to headstart "
            "submit"
        )
        return
    reason = f"{listed} names them. If it has their labels,"
    if nameless is not None:
        reason = (
            f"{nameless} has as many lines, but does not name them. If these are their labels in "
            "the order of the file names, look up what they stand for:"
        )
    progress.say(
        f"{ignored} folder. {reason} move each image into a folder of its class, or write a CSV of "
        "path,label,split for all images"
    )


def say_published(root: Folder, class_folders: Sequence[ClassFolder]) -> None:
    """Print what a published dataset has besides class folders: its own split, and no class."""
    for name in {item.class_name for item in class_folders}:
        if _NO_CLASS.fullmatch(name):
            progress.say(
                f"{root.path}: '{name}' is read as a class. If its images belong to no class, as "
                "those of Caltech, move the folder elsewhere"
            )
    splits = published_splits(root)
    if splits and all(item.part == UNASSIGNED for item in class_folders):
        progress.say(
            f"{root.path}: the split in {some_names(splits)} is not read, and another one is "
            "drawn. To use it, write a CSV of path,label,split"
        )


def say_evaluation(top: Folder, parts: dict[str, int]) -> None:
    """Print what a word such as "eval" was taken for."""
    for name, part in parts.items():
        mention: PartName | None = part_of_name(name)
        if mention and mention.part == EVALUATION:
            progress.say(f"{top.path / name}: read as the {PART_NAMES[part]} images")


def say_nested(root: Folder, class_folders: Sequence[ClassFolder]) -> None:
    """Print that folders in class folders are not classes of their own.

    Raises:
        InputError: Either level may be the classes: several class folders have the same folders in
            them, as color, grayscale and segmented of PlantVillage have 38; or one has folders
            named like the classes beside it, as masks/cat and masks/dog beside cat and dog.
    """
    nested: list[str] = []
    inner_names: dict[str, set[str]] = {}
    for item in class_folders:
        usual = {item.class_name.casefold(), *IMAGE_FOLDERS}
        inner = [name for name in item.nested if name.rpartition("/")[2].casefold() not in usual]
        names = inner_names.setdefault(item.class_name, set())
        names.update(name.rpartition("/")[2] for name in inner)
        nested += inner
        if len(names) > 1 and names < {other.class_name for other in class_folders}:
            raise classes_in_class(root, root.path / inner[0].rpartition("/")[0], sorted(names))
    if not nested:
        return

    shared = set.intersection(*inner_names.values())
    # Years, magnifications (40X, 100X) and numbered sessions are series of a class, not classes.
    is_series = len({_DIGITS.sub("", name) for name in shared}) < 2
    has_own_images = any(map(_has_own_images, class_folders))
    are_alike = len(inner_names) > 1 and set.union(*inner_names.values()) == shared
    if are_alike and not is_series and not has_own_images:
        outer = root.path / nested[0].rpartition("/")[0]
        raise same_folders_in_classes(root, outer, list(inner_names), sorted(shared))
    progress.say(
        f"{root.path}: images in folders of a class folder belong to that class: "
        f"{some_names(nested)}. To make these folders classes, move them up"
    )


def _has_own_images(item: ClassFolder) -> bool:
    """Return whether images lie directly in a class folder."""
    nested = tuple(f"{folder}/" for folder in item.nested)
    return any(not image.startswith(nested) for image in item.images)
