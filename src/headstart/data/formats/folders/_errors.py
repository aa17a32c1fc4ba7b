"""Errors about folders of images that cannot be read, or only by a guess."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from headstart.data.formats.folders._clutter import some_names
from headstart.data.formats.folders._file_tree import SUFFIXES_TEXT, Folder, folders_in
from headstart.data.formats.folders._foreign_files import (
    describe_foreign_files,
    find_annotations,
    suggest_labels_in_names,
)
from headstart.data.formats.folders._label_lists import lists_in
from headstart.data.formats.images._identify_file import identify_file
from headstart.errors import InputError
from headstart.formatting import counted, listing

_NAMED_FOLDERS = 5
_UNLABELLED_TABLE = re.compile("sample|submission|test")


def no_class_folders(root: Folder, top: Folder) -> InputError:
    """Return the error about a folder without class folders."""
    annotations = find_annotations(top) or find_annotations(root)
    if annotations:
        return annotated_objects(top, annotations)

    name = root.name
    hint = (
        f"Put the images of each class into a folder named after it: {name}/cats/1.jpg, "
        f"{name}/dogs/1.jpg."
    )
    foreign = describe_foreign_files(root)
    tables = tables_in(root, top)
    if tables:
        hint = f"If {tables[0]} has the labels, pass that file instead. {hint}"
    elif foreign:
        hint = f"{foreign} {hint}"
    elif in_names := suggest_labels_in_names(top):
        hint = f"{in_names} {hint}"
    elif root.images and len(folders_in(root.path.parent)) > 1:
        hint = f"If {root.path} is one class, pass the folder above it: {root.path.parent}. {hint}"
    if not (root.image_count or foreign or tables):
        hint += f" Read as images: {SUFFIXES_TEXT}."
    return InputError(
        f"{root.path} holds no class folders with images: it has {root.describe()}.", hint
    )


def part_without_classes(root: Folder, top: Folder, folder: Folder) -> InputError:
    """Return the error about a folder of training images without labels."""
    annotations = find_annotations(folder)
    if annotations:
        return annotated_objects(folder, annotations)
    hint = (
        "Put the images of each class into a folder named after it, such as "
        f"{folder.path}/cats; or pass a CSV of path,label."
    )
    tables = tables_in(folder, folder) or tables_in(root, top)
    if tables:
        hint = f"If {tables[0]} has the labels, pass that file instead. {hint}"
    return InputError(f"{folder.path} has no class folders: it has {folder.describe()}.", hint)


def tables_in(root: Folder, top: Folder) -> list[Path]:
    """Return the tables that may hold the labels of images, the likeliest first."""
    tables: list[Path] = lists_in(root)
    for folder in (root, top, *root.folders):
        for name in folder.others:
            is_table = name.lower().endswith((".csv", ".csv.gz", ".tsv"))
            if is_table and not _UNLABELLED_TABLE.search(name.lower()):
                tables.append(folder.path / name)
    return sorted(dict.fromkeys(tables), key=lambda path: "label" not in path.name.lower())


def no_training_folder(top: Folder, names: Sequence[str]) -> InputError:
    """Return the error about parts among which there are no training images."""
    return InputError(
        f"{top.path} has {some_names(names)}, but no class folders of training images.",
        "Name the folder of training images train. To split one of the folders, pass its path.",
    )


def numbered_parts(top: Folder, names: Sequence[str]) -> InputError:
    """Return the error about folders such as fold1 and fold2, or images_1 and images_2."""
    return InputError(
        f"the folders of {top.path} look like parts of the data, not like classes: "
        f"{some_names(names)}.",
        "Name them train, validation and test; or pass a CSV of path,label with a column split.",
    )


def ambiguous_part(top: Folder, name: str, others: Sequence[str]) -> InputError:
    """Return the error about a folder that may be a part or a class."""
    return InputError(
        f"{top.path / name} may be a part of the data or a class: its name is that of a part, "
        f"but it lies beside {some_names(others)}.",
        "If it is a part, move it elsewhere, or give every class a folder in it. If it is a class, "
        f"rename it, such as to {name}_class.",
    )


def divided_classes(top: Folder, divided: Sequence[str], undivided: Sequence[str]) -> InputError:
    """Return the error about classes of which only some are divided into parts."""
    return InputError(
        f"{top.path} has class folders that are divided into train and test, such as "
        f"{divided[0]}, and others with images outside these: {some_names(undivided)}.",
        "Divide every class folder, or none.",
    )


def several_datasets(top: Folder, names: Sequence[str]) -> InputError:
    """Return the error about folders that each have parts with the same class folders."""
    return InputError(
        f"{top.path} holds {len(names):,} datasets: {some_names(names)} each have folders of parts "
        "with class folders in them.",
        f"Pass one of them, such as {top.path / names[0]}. To train on all, merge their class "
        "folders.",
    )


def same_folders_in_classes(
    root: Folder, example: Path, outer: Sequence[str], inner: Sequence[str]
) -> InputError:
    """Return the error about folders of which either level may be the classes."""
    outer_names, inner_names = some_names(outer), some_names(inner)
    return InputError(
        f"the classes of {root.path} are unclear: {outer_names} have the same folders, "
        f"{inner_names}.",
        f"If {inner_names} are the classes, pass one of the outer folders, such as {example}, or "
        f"name these train, validation and test. If {outer_names} are the classes, move the images "
        "up into them, or write a CSV of path,label.",
    )


def classes_in_class(root: Folder, path: Path, inner: Sequence[str]) -> InputError:
    """Return the error about a folder among class folders that has folders of the same names."""
    return InputError(
        f"{path} may be a class or not: it lies among the class folders of {root.path}, but has "
        f"folders of the same names, {some_names(inner)}.",
        "If it holds other images of these classes, merge the folders, or name it test. If it "
        "holds masks or copies, move it elsewhere. If it is a class, move its images up into it.",
    )


def extra_folder(path: Path) -> InputError:
    """Return the error about class folders next to the folders of parts."""
    return InputError(
        f"{path} is next to a train folder, but its name is not one of train, validation, test.",
        "Rename it, or move it elsewhere.",
    )


def second_folder(path: Path, part_name: str, top: Path) -> InputError:
    """Return the error about two folders of one part."""
    return InputError(
        f"{path} is a second folder of {part_name} images in {top}.", "Merge the two folders."
    )


def empty_classes(folders: Sequence[Folder]) -> InputError:
    """Return the error about class folders without images. It names up to five of them."""
    first = folders[0]
    if len(folders) == 1:
        return InputError(
            f"the class folder {first.path} has no images: it has {first.describe()}.",
            f"{_kind_of_files(first)}Remove the folder, or put its images there.",
        )
    lines = [f"{folder.path}: {folder.describe()}" for folder in folders]
    return InputError(
        f"{len(folders):,} class folders have no images:{listing(lines, _NAMED_FOLDERS)}",
        "Remove the folders, or put their images there.",
    )


def _kind_of_files(folder: Folder) -> str:
    """Return a sentence about the first file of a class folder, if its content is known."""
    for name in folder.others:
        kind = identify_file(folder.path / name)
        return f"{name} {kind.reason}. " if kind.name else ""
    return ""


def annotated_objects(folder: Folder, name: str) -> InputError:
    """Return the error about images with annotations of objects, such as boxes."""
    return InputError(
        f"{folder.path} looks like detection or segmentation data, which are not supported: "
        f"{name} annotates objects in its {counted(len(folder.images), 'image')}.",
        "Whole images are classified. If each image has one label, write a CSV of path,label.",
    )


def other_task(folder: Folder) -> InputError:
    """Return the error about the folders of detection or segmentation data."""
    hint = "Put the images of each class into a folder named after it."
    lists = lists_in(folder)
    if lists:
        hint = f"If {lists[0]} has one label per image, write a CSV of path,label from it. {hint}"
    return InputError(
        f"{folder.path} looks like detection or segmentation data, which are not supported: it has "
        f"the folders {some_names([child.name for child in folder.folders])}.",
        hint,
    )


def only_class(root: Folder, name: str) -> InputError:
    """Return the error about a folder with one class, and which files may have the labels."""
    foreign = describe_foreign_files(root)
    tables = tables_in(root, root)
    hint = "Add images of another class."
    if tables:
        hint = f"If {tables[0]} has the labels, pass that file instead. {hint}"
    elif foreign:
        hint = f"{foreign} {hint}"
    return InputError(
        f"{root.path} has only one class, '{name}'; classification needs at least two.", hint
    )
