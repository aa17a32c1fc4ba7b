"""Folders and file names that are read as classes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from headstart import progress
from headstart.data._types import TRAIN
from headstart.data.formats.folders._clutter import some_names
from headstart.data.formats.folders._errors import empty_classes
from headstart.data.formats.folders._file_tree import Folder
from headstart.data.formats.folders._label_lists import read_label_list
from headstart.data.formats.folders._masks import find_mask_folders
from headstart.data.formats.folders._names import class_level
from headstart.formatting import counted

_CLASS_IN_NAME = re.compile(r"(?P<name>.*[^\W\d_].*)\.(?P<number>\d+)", re.DOTALL)
_MOST_CLASSES_IN_NAMES = 50


@dataclass
class ClassFolder:
    """The images of one class in one part.

    Attributes:
        part: UNASSIGNED, TRAIN, VALIDATION or TEST.
        class_name: The class.
        images: Their names, relative to the folder that the user named.
        others: The files that are not images.
        nested: Names of the folders in the class folder that have images.
    """

    part: int
    class_name: str
    images: list[str]
    others: list[str] = field(default_factory=list)
    nested: list[str] = field(default_factory=list)


def read_parts(folder_of_part: dict[int, Folder]) -> list[ClassFolder]:
    class_folders: list[ClassFolder] = []
    for part, folder in folder_of_part.items():
        class_folders += read_classes(part, class_level(folder))
    return class_folders


def read_classes(part: int, folders: Sequence[Folder]) -> list[ClassFolder]:
    """Read each folder as a class."""
    if not any(folder.image_count for folder in folders):
        return []
    require_images(folders)
    return [read_class(part, folder.name, folder) for folder in folders]


def read_class(part: int, class_name: str, folder: Folder) -> ClassFolder:
    """Read a folder as a class, without the folders of masks in it."""
    masks = find_mask_folders(folder)
    left_out: set[str] = set()
    for child in masks:
        left_out.update(child.walk_images())
        progress.say(
            f"{child.path}: left out {counted(child.image_count, 'mask')} of other images, as in "
            "segmentation data. If they are photographs, rename the folder"
        )
    images = [name for name in folder.walk_images() if name not in left_out]
    nested = [
        child.prefix.rstrip("/")
        for child in folder.folders
        if child.image_count and child not in masks
    ]
    others = list(folder.walk_others())
    return ClassFolder(part, class_name, images, others, nested)


def require_images(folders: Sequence[Folder]) -> None:
    """Raise an error if a class folder has no images."""
    empty = [folder for folder in folders if not folder.image_count]
    if empty:
        raise empty_classes(empty)


def classes_in_file_names(part: int, folder: Folder) -> list[ClassFolder]:
    """Read images named CLASS.NUMBER, such as cat.0.jpg, if all of them are and classes are few."""
    if folder.folders or not folder.images:
        return []
    images_of: dict[str, list[str]] = {}
    for name in folder.images:
        match = _CLASS_IN_NAME.fullmatch(name.rpartition(".")[0])
        if match is None:
            return []
        images_of.setdefault(match["name"], []).append(folder.prefix + name)

    if not 2 <= len(images_of) <= _MOST_CLASSES_IN_NAMES:
        return []
    if min(len(images) for images in images_of.values()) < 2:
        return []
    progress.say(
        f"{folder.path}: read the classes from the file names, such as {folder.images[0]}: "
        f"{some_names(sorted(images_of))}"
    )
    return [ClassFolder(part, name, images_of[name]) for name in sorted(images_of)]


def listed_classes(part: int, folder: Folder, class_names: set[str]) -> list[ClassFolder]:
    """Read a folder of images whose classes are in a text file, or return nothing."""
    if part == TRAIN:
        return []
    labels = read_label_list(folder, class_names)
    if labels is None:
        return []
    progress.say(f"{folder.path}: read the classes of its images from {labels.path}")
    return [
        ClassFolder(part, name, [folder.prefix + image for image in images])
        for name, images in sorted(labels.images_of_class.items())
    ]
