"""A folder of class folders, with or without train, validation and test folders above them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from headstart import progress
from headstart.data._class_names import require_distinct_classes, require_training_classes
from headstart.data._types import ImageLabels
from headstart.data.formats._protocol import TABLE_OPTIONS, LoadOptions
from headstart.data.formats._reading import require_readable_names
from headstart.data.formats.folders._classes import ClassFolder
from headstart.data.formats.folders._clutter import some_names
from headstart.data.formats.folders._errors import only_class
from headstart.data.formats.folders._file_tree import SUFFIXES_TEXT, describe_kinds, scan_folder
from headstart.data.formats.folders._layouts import find_class_folders
from headstart.data.formats.folders._masks import leave_out_masks
from headstart.data.formats.folders._unread_pictures import require_most_pictures
from headstart.data.formats.images._image_files import ImageFiles


class ClassFolders:
    """The format of a folder whose folders are classes, or parts with classes in them."""

    name = "a folder of images"
    accepted_as = "a folder of class folders"
    ignored_options = ("group_by", *TABLE_OPTIONS)

    def recognizes(self, path: Path) -> bool:
        """Return whether the path is a folder."""
        return path.is_dir()

    def list(self, path: Path, options: LoadOptions) -> ImageFiles:
        """List the images of all class folders.

        Classes are numbered by name, code point by code point, and files are sorted by path. The
        order on disk plays no part. What is left out or could be read in another way is printed on
        stderr: see `scan_folder`, `leave_out_masks` and `find_class_folders`.

        Raises:
            InputError: The folder has no images, only one class or an empty class, training lacks
                a class, half of a class would not be read, or the folders may be read in more than
                one way.
        """
        root = scan_folder(path, skip_bad=options.skip_bad)
        leave_out_masks(root)
        class_folders = find_class_folders(root)
        if not options.skip_bad:
            require_most_pictures(path, class_folders)
        _say_other_files(path, class_folders)
        class_names = tuple(sorted({folder.class_name for folder in class_folders}))
        if len(class_names) == 1:
            raise only_class(root, class_names[0])
        require_distinct_classes(class_names, str(path))

        names: list[str] = []
        for folder in class_folders:
            names += folder.images
        require_readable_names(path, names)
        counts = [len(folder.images) for folder in class_folders]
        number_of_class = {name: number for number, name in enumerate(class_names)}
        class_numbers = [number_of_class[folder.class_name] for folder in class_folders]
        labels = np.repeat(np.array(class_numbers, np.int64), counts)
        parts = np.repeat(np.array([folder.part for folder in class_folders], np.uint8), counts)

        if len(np.unique(parts)) == 1:
            return ImageFiles(path, ImageLabels(tuple(names), labels, class_names), options)
        require_training_classes(labels, parts, class_names, str(path))
        return ImageFiles(path, ImageLabels(tuple(names), labels, class_names, parts), options)


def _say_other_files(path: Path, class_folders: list[ClassFolder]) -> None:
    """Print how many files in class folders are not images, by suffix."""
    others: list[str] = []
    for folder in class_folders:
        others += folder.others
    if others:
        progress.say(
            f"{path}: ignored {describe_kinds(others)} ({some_names(others)}); read as images: "
            f"{SUFFIXES_TEXT}"
        )
