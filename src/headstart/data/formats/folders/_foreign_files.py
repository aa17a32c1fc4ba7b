"""Descriptions of the files in a folder without class folders, for the error about it."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path, PurePath

from headstart.data.formats._json_files import annotates_objects, read_json
from headstart.data.formats._unsupported_files import ARCHIVE_NAME, describe_unsupported
from headstart.data.formats.folders._clutter import some_names
from headstart.data.formats.folders._file_tree import Folder, describe_kinds
from headstart.data.formats.images._identify_file import identify_file
from headstart.data.formats.images._suffixes import USUAL_SUFFIXES, conversion_of
from headstart.data.formats.tables._csv_table import is_table

_ANNOTATION_FILE = re.compile(
    r"(.*[._-])?coco.*\.json|instances_.*\.json|via_.*\.json|data\.ya?ml", re.IGNORECASE
)
_BOX_LINE = re.compile(r"\d+(\s+-?\d*\.?\d+){4,}\s*")
_CIFAR_BATCH = re.compile(r"(data|test)_batch(_\d)?(\.bin)?")
_NUMBERED = re.compile(r"(?P<name>.*[^\W\d_].*?)[ _.-]*\(?\d+\)?", re.DOTALL)
_LONGEST_LINE = 1 << 20
_LARGEST_TEXT = 1000  # characters of an annotation that are looked at


def find_annotations(folder: Folder) -> str:
    """Return the name of a file that annotates objects in the images of a folder, or "".

    It is one for all images, as COCO has it, or one beside each image, as those of Pascal VOC,
    LabelMe and YOLO. A text of words beside each image may be a caption, so it does not count. Nor
    does JSON without fields of objects, as img2dataset writes it.
    """
    for name in folder.others:
        if _ANNOTATION_FILE.fullmatch(name):
            return name
    stems = {PurePath(name).stem for name in folder.images}
    beside = [name for name in folder.others if PurePath(name).stem in stems]
    if len(beside) * 2 < len(stems) or not beside:
        return ""
    suffix = PurePath(beside[0]).suffix.lower()
    if suffix == ".json":
        content = read_json(folder.path / beside[0])
        is_caption = isinstance(content, dict) and content and not annotates_objects(content)
        return "" if is_caption else beside[0]
    if suffix == ".xml":
        return beside[0]
    return beside[0] if suffix == ".txt" and _has_boxes(folder, beside[0]) else ""


def _has_boxes(folder: Folder, name: str) -> bool:
    try:
        with (folder.path / name).open(encoding="utf-8", errors="replace") as file:
            return _BOX_LINE.fullmatch(file.readline(_LARGEST_TEXT)) is not None
    except OSError:
        return False


def describe_foreign_files(root: Folder) -> str:
    """Say what the files in a folder, or in the folders in it, are and what to do, or return ""."""
    for folder in (root, *root.folders):
        if any(_CIFAR_BATCH.fullmatch(name) for name in folder.others):
            return "CIFAR-10 is a named dataset. Read it with: headstart train cifar10."
        for name in sorted(folder.others, key=lambda name: name.endswith(".json")):
            if name.endswith(".cls") and folder.images:
                return (
                    "This looks like a WebDataset, with the number of the class in a .cls file for "
                    "each image. Write these numbers to a CSV of path,label, and pass that file."
                )
            if name.endswith(".json") and _is_beside_image(folder, name):
                return (
                    f"There is a JSON file beside each image, as in a WebDataset: {name} has the "
                    f"fields {_fields_of(read_json(folder.path / name))}. If one of them is the "
                    "class, write it to a CSV of path,label, and pass that file."
                )
            if name == "metadata.jsonl":
                return _advise_metadata(folder.path / name)
            if ARCHIVE_NAME.search(name) or is_table(Path(name)):
                continue
            described = describe_unsupported(folder.path / name)
            if described is not None:
                return f"{name} is {described[0]}. {described[1].rstrip('.')}."
    return _kind_of_nested_file(root)


def _is_beside_image(folder: Folder, name: str) -> bool:
    stem = PurePath(name).stem
    return any(PurePath(image).stem == stem for image in folder.images)


def _advise_metadata(path: Path) -> str:
    """Say which fields a metadata.jsonl needs, and which ones its first line has."""
    text = "Each line of metadata.jsonl needs the fields file_name and label."
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            fields = json.loads(file.readline(_LONGEST_LINE))
    except (OSError, ValueError, RecursionError):
        return text
    return f"{text} Line 1 has {_fields_of(fields)}." if isinstance(fields, dict) else text


def _fields_of(content: object) -> str:
    return some_names(list(content)) if isinstance(content, dict) and content else "none"


def _kind_of_nested_file(root: Folder) -> str:
    """Describe the first file whose suffix is not that of an image, if its content is known."""
    for folder in root.folders:
        for name in folder.others:
            if ARCHIVE_NAME.search(name):
                continue
            conversion = conversion_of(PurePath(name).suffix)
            kind = identify_file(folder.path / name)
            if conversion and not kind.name:
                return f"{describe_kinds(folder.others)}: not read as images. {conversion}"
            if kind.name in USUAL_SUFFIXES:
                suffix = USUAL_SUFFIXES[kind.name]
                return (
                    f"Give each file its suffix: {name} is {kind.name}, so name it {name}{suffix}."
                )
            return f"{name} {kind.reason}." if kind.name else ""
    return ""


def suggest_labels_in_names(folder: Folder) -> str:
    """Return what to do if the names of files seem to hold classes, such as cat_001.jpg, or ""."""
    counts: Counter[str] = Counter()
    for name in folder.images:
        match = _NUMBERED.fullmatch(PurePath(name).stem)
        if match is None:
            return ""
        counts[match["name"]] += 1
    if len(counts) < 2 or min(counts.values()) < 2:
        return ""
    return (
        f"If the file names hold the classes, as in {folder.images[0]}, write a CSV of path,label."
    )
