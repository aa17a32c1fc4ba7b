"""A folder of class folders, with or without train, validation and test folders above them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from headstart import progress
from headstart.data._class_names import require_distinct_classes, require_training_classes
from headstart.data._types import PART_NAMES, TEST, TRAIN, UNASSIGNED, VALIDATION
from headstart.data.formats._file_tree import (
    SUFFIXES_TEXT,
    describe_contents,
    describe_kinds,
    files_below,
    folders_in,
    images_in,
    is_image,
)
from headstart.data.formats._image_files import ImageFiles
from headstart.data.formats._part_words import PART_OF_WORD
from headstart.data.formats._protocol import LoadOptions
from headstart.errors import InputError


class ClassFolders:
    """The format of a folder whose folders are classes, or parts with classes in them."""

    name = "a folder of images"
    accepted_as = "a folder of class folders"
    ignored_options = ("pixel_max", "group_by")

    def recognizes(self, path: Path) -> bool:
        """Return whether the path is a folder."""
        return path.is_dir()

    def list(self, path: Path, options: LoadOptions) -> ImageFiles:
        """List the images of all class folders.

        Classes are numbered by name, code point by code point, and files are sorted by path. The
        order on disk plays no part. A folder that an archive wrapped around the others is skipped.
        Images outside every class folder have no label. They are ignored, with a line on stderr.

        Raises:
            InputError: The folder has no images, only one class or an empty class, a part has
                no labels, or training lacks a class.
        """
        images = _find_images(path)
        class_names = tuple(sorted({image.class_name for image in images}))
        require_distinct_classes(class_names, str(path))

        number_of_class = {name: number for number, name in enumerate(class_names)}
        labels = np.array([number_of_class[image.class_name] for image in images], np.int64)
        names = tuple(image.name for image in images)

        parts = np.array([image.part for image in images], np.uint8)
        if len(np.unique(parts)) == 1:
            return ImageFiles(path, names, labels, class_names, options)
        require_training_classes(labels, parts, class_names, str(path))
        return ImageFiles(path, names, labels, class_names, options, parts)


class _LabelledFile(NamedTuple):
    """An image in a class folder. Its name is relative to the folder that the user named."""

    name: str
    class_name: str
    part: int


def _find_images(folder: Path) -> list[_LabelledFile]:
    """Find every image in a class folder, in the order of parts, classes and files."""
    root = _skip_wrappers(folder)
    _say_if_only_one_part(folder, root)

    images: list[_LabelledFile] = []
    empty_folders: list[Path] = []
    other_files: list[Path] = []
    for part, part_folder in _find_parts(root).items():
        for class_folder in folders_in(part_folder):
            files = list(files_below(class_folder))
            names = [path.relative_to(folder).as_posix() for path in files if is_image(path)]
            images += [_LabelledFile(name, class_folder.name, part) for name in names]
            other_files += [path for path in files if not is_image(path)]
            if not names:
                empty_folders.append(class_folder)

    if not images:
        raise _no_class_folders(folder, root)
    if empty_folders:
        first = empty_folders[0]
        raise InputError(
            f"the class folder {first} has no images: it has {describe_contents(first)}.",
            "Remove the folder, or put its images there.",
        )
    if other_files:
        progress.say(
            f"{folder}: ignored {describe_kinds(other_files)}; read as images: {SUFFIXES_TEXT}"
        )
    return images


def _no_class_folders(folder: Path, root: Path) -> InputError:
    hint = (
        f"Put the images of each class into a folder named after it: {folder.name}/cats/1.jpg, "
        f"{folder.name}/dogs/1.jpg. Read as images: {SUFFIXES_TEXT}."
    )
    if images_in(root):
        hint = f"If {folder} is one class, give the folder above it: {folder.parent}. {hint}"
    return InputError(
        f"{folder} holds no class folders with images: it has {describe_contents(folder)}.", hint
    )


def _find_parts(root: Path) -> dict[int, Path]:
    """Find the folder of each part whose folders are classes.

    Returns:
        The folder by part. Without a folder of training images, the only part is UNASSIGNED.
    """
    children = folders_in(root)
    unwrapped = {child: _skip_wrappers(child) for child in children}
    part_of = {
        child: PART_OF_WORD[child.name.lower()]
        for child in children
        if child.name.lower() in PART_OF_WORD
    }
    train_folders = [child for child, part in part_of.items() if part == TRAIN]

    if not any(folders_in(unwrapped[child]) for child in train_folders):
        if children and len(part_of) == len(children):
            last = children[-1]
            raise InputError(
                f"{last} has no class folders: it has {describe_contents(last)}.",
                f"Put the images of each class into a folder named after it, such as {last}/cats; "
                "or give a CSV of path,label.",
            )
        _say_unlabelled(root)
        return {UNASSIGNED: root}

    _say_unlabelled(root)
    folder_of_part: dict[int, Path] = {}
    for child in children:
        _say_unlabelled(unwrapped[child])
        if not folders_in(unwrapped[child]):
            continue
        if child not in part_of:
            raise InputError(
                f"{child} is next to a train folder, but its name is not one of train, "
                "validation, test.",
                "Rename it, or move it elsewhere.",
            )
        part = part_of[child]
        if part in folder_of_part:
            raise InputError(
                f"{child} is a second folder of {PART_NAMES[part]} images in {root}.",
                "Merge the two folders.",
            )
        folder_of_part[part] = unwrapped[child]
    return folder_of_part


def _skip_wrappers(folder: Path) -> Path:
    """Return the first folder below `folder` that holds more than one wrapped folder.

    A wrapper holds nothing but a folder of folders, or a folder of its own name, as in
    seg_train/seg_train.
    """
    while True:
        children = folders_in(folder)
        if len(children) != 1 or images_in(folder):
            return folder
        child = children[0]
        if not folders_in(child) and child.name.lower() != folder.name.lower():
            return folder
        folder = child


def _say_if_only_one_part(folder: Path, root: Path) -> None:
    words = [
        word
        for word in root.relative_to(folder).parts
        if PART_OF_WORD.get(word.lower()) in (VALIDATION, TEST)
    ]
    if words:
        progress.say(
            f"{folder} has only the part '{words[0]}': its images are split again into training, "
            "validation and test"
        )


def _say_unlabelled(folder: Path) -> None:
    count = len(images_in(folder))
    if count:
        progress.say(
            f"{folder}: ignored {count:,} images outside every class folder, which have no label"
        )
