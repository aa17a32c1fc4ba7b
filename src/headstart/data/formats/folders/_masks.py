"""Masks of a segmentation beside their images, such as `a.png` and `a_mask.png`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from headstart import progress
from headstart.data.formats.folders._clutter import some_names
from headstart.data.formats.folders._file_tree import Folder
from headstart.formatting import counted

_MASK = re.compile(
    r"(?P<stem>.+)[ _.-]+(mask|segmentation|seg|groundtruth|ground_truth|gt|annotation|label)s?"
    r"([ _.-]?\d+)?",
    re.IGNORECASE | re.DOTALL,
)
_MASK_FOLDER = re.compile(r"masks?|segmentations?|segmented|ground[ _-]?truths?", re.IGNORECASE)
_LEAST_PAIRED = 0.5  # of a folder's images without masks; a single pair may be two photographs


def leave_out_masks(root: Folder) -> None:
    """Remove masks from a tree of folders, and print how many.

    A file is a mask if its name says so, and the image that it belongs to lies beside it. In a
    folder, at least half of the other images have to have one: `face_mask.jpg` alone is a
    photograph.
    """
    masks = _remove_masks(root)
    if masks:
        progress.say(
            f"{root.path}: left out {counted(len(masks), 'mask')} of other images, as in "
            f"segmentation data: {some_names(masks)}. If they are photographs, rename them"
        )


def _remove_masks(folder: Folder) -> list[str]:
    """Remove masks from a folder and those below it, and return their names."""
    names = _masks_among(folder.images)
    removed = [folder.prefix + name for name in names]
    kept = set(names)
    folder.images = [name for name in folder.images if name not in kept]
    for child in folder.folders:
        removed += _remove_masks(child)
    folder.image_count -= len(removed)
    return removed


def find_mask_folders(folder: Folder) -> list[Folder]:
    """Return the folders of masks in a class folder, such as cat/masks beside cat/images.

    At least half of their images have the name of an image elsewhere in the class folder.
    """
    candidates = [child for child in folder.folders if _MASK_FOLDER.fullmatch(child.name)]
    if not candidates:
        return []
    stems = {_stem(name) for name in folder.images}
    for child in folder.folders:
        if child not in candidates:
            stems |= {_stem(PurePosixPath(name).name) for name in child.walk_images()}
    masks = []
    for child in candidates:
        names = [_stem(PurePosixPath(name).name) for name in child.walk_images()]
        if names and sum(name in stems for name in names) >= _LEAST_PAIRED * len(names):
            masks.append(child)
    return masks


def _masks_among(images: Sequence[str]) -> list[str]:
    stems = {_stem(name).casefold() for name in images}
    masks: list[str] = []
    owners: set[str] = set()
    for name in images:
        match = _MASK.fullmatch(_stem(name))
        if match and match["stem"].casefold() in stems:
            masks.append(name)
            owners.add(match["stem"].casefold())
    others = len(images) - len(masks)
    return masks if len(masks) > 1 and len(owners) >= _LEAST_PAIRED * others else []


def _stem(name: str) -> str:
    return name.rpartition(".")[0]
