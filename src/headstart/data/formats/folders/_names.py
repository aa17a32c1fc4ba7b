"""Folders of images by their names and contents: classes, parts, wrappers, annotations."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headstart.data.formats.folders._errors import other_task
from headstart.data.formats.folders._file_tree import Folder
from headstart.data.formats.folders._part_words import part_of_name, resolve_evaluation

# Folders of these names hold what belongs to images. Without images in them they are not classes.
_COMPANION_WORDS = (
    "annotation annotations label labels mask masks imagesets bbox bboxes xml xmls json txt csv "
    "meta metadata doc docs model models notebook notebooks script scripts src code split splits "
    "segmentationclass segmentationobject"
)
_COMPANIONS = frozenset(_COMPANION_WORDS.split())
IMAGE_FOLDERS = frozenset(
    {"image", "images", "img", "imgs", "jpegimages", "photo", "photos", "input", "inputs"}
)
_ANNOTATION_FOLDERS = frozenset({"annotation", "annotations", "labels", "bboxes", "xml", "xmls"})
_UNLABELLED = re.compile(r"(?<![^\W\d_])unlabell?ed(?![^\W\d_])", re.IGNORECASE)
_DATE = re.compile(r"(19|20)\d\d([-_.]?)[01]\d\2[0-3]\d|[0-3]?\d([-_.])[01]?\d\3(19|20)\d\d")
_NUMBERED_PART = re.compile(
    r"(.*[\W_])?(cv|fold|split|part|batch|set|chunk|shard|images?)[\W_]*\d+", re.IGNORECASE
)
_PLACEHOLDERS = frozenset({"unknown", "unclassified", "unsorted", "all", "all_classes", "none"})


def class_level(folder: Folder) -> list[Folder]:
    """Return the folders in a folder that may be classes or parts.

    Folders of annotations without images are left out, and those of unlabelled images.

    Raises:
        InputError: The folders are those of detection or segmentation data.
    """
    children = [
        child for child in folder.folders if not is_companion(child) and not is_unlabelled(child)
    ]
    names = {child.name.casefold() for child in children}
    is_masks = names <= _COMPANIONS | IMAGE_FOLDERS and bool(names & _COMPANIONS)
    is_boxes = len(children) == 1 and not children[0].folders and has_annotations(folder)
    if names & IMAGE_FOLDERS and (is_masks or is_boxes):
        raise other_task(folder)
    return children


def skip_wrappers(folder: Folder) -> Folder:
    """Return the first folder below `folder` that holds more than one wrapped folder.

    A wrapper holds nothing but a folder of folders, or a folder of its own name, as in
    seg_train/seg_train, or a folder named like "images". Folders without images beside one named
    "images" are ignored: CUB-200 has attributes and parts there.
    """
    while True:
        children = class_level(folder)
        with_images = [child for child in children if child.image_count]
        if len(with_images) == 1 and _holds_image_folders(with_images[0]):
            children = with_images
        if len(children) != 1 or folder.images:
            return folder
        child = children[0]
        is_class = child.name.casefold() not in {folder.name.casefold(), *IMAGE_FOLDERS}
        if not child.folders and is_class:
            return folder
        folder = child


def _holds_image_folders(folder: Folder) -> bool:
    """Return whether a folder is named like "images", and has several folders of images."""
    is_usual = folder.name.casefold() in IMAGE_FOLDERS
    return is_usual and sum(child.image_count > 0 for child in folder.folders) > 1


def name_parts(children: Sequence[Folder]) -> dict[str, int]:
    """Return the part by name, for the folders whose names say nothing besides a part.

    Names with the same addition, such as dogs_train and dogs_test, count if there are class folders
    in them.
    """
    named = {child.name: part_of_name(child.name) for child in children}
    parts = {name: mention.part for name, mention in named.items() if mention and not mention.rest}
    decorated = {name: mention for name, mention in named.items() if mention and mention.rest}
    if not parts and len({mention.rest for mention in decorated.values()}) == 1:
        of_classes = [child for child in children if child.name in decorated and child.folders]
        candidates = {name: mention.part for name, mention in decorated.items()}
        if of_classes and len(set(candidates.values())) > 1:
            parts = candidates
    return resolve_evaluation(parts)


def has_annotations(folder: Folder) -> bool:
    """Return whether a folder of annotations lies in a folder: one text per image."""
    annotations = [
        child for child in folder.folders if child.name.casefold() in _ANNOTATION_FOLDERS
    ]
    for child in annotations:
        kinds = {name.rpartition(".")[2].lower() for name in child.walk_others()}
        if kinds & {"txt", "xml", "json"} and not kinds & {"csv", "tsv"}:
            return True
    return False


def is_companion(folder: Folder) -> bool:
    name = folder.name.casefold()
    return not folder.image_count and (name in _COMPANIONS or "devkit" in name)


def is_numbered_part(name: str) -> bool:
    """Return whether a name is that of one of several parts, such as "fold 1" or "images_001"."""
    return _NUMBERED_PART.fullmatch(name) is not None


def is_date(name: str) -> bool:
    """Return whether a name is a date with the year first or last, such as 2023-01-31."""
    return _DATE.fullmatch(name) is not None


def is_placeholder(folder: Folder, train_classes: set[str]) -> bool:
    """Return whether the only folder of a part stands for no class, as test/unknown for Keras."""
    names = [child.name for child in class_level(folder)]
    return (
        len(names) == 1 and names[0] not in train_classes and names[0].casefold() in _PLACEHOLDERS
    )


def is_unlabelled(folder: Folder) -> bool:
    """Return whether a folder's name says that its images have no labels."""
    return _UNLABELLED.search(folder.name) is not None
