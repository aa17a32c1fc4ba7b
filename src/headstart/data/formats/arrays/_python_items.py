"""The images and labels of a dataset object of Python, one item after the other."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from headstart import progress
from headstart.data._types import PART_NAMES, UNASSIGNED, DecodedImages
from headstart.data.formats._labelled_rows import RowTable, label_rows, plain_label
from headstart.data.formats._protocol import LoadOptions
from headstart.data.formats.arrays._arrays import to_uint8
from headstart.data.formats.folders._part_words import part_of_name, resolve_evaluation
from headstart.data.formats.images._encoded_images import Spool
from headstart.data.formats.images._image_files import ImageSources, decode_images
from headstart.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

_ITEMS_PER_BLOCK = 256
_PNG_MODES = frozenset({"1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"})
_IMAGE_KEYS = ("image", "img", "pixel_values")
_LABEL_KEYS = ("label", "labels", "target", "class", "fine_label")
_EXPECTED = "an object with __len__ and __getitem__ that returns (image, label)"


class ImageDataset(Protocol):
    """A dataset as PyTorch, torchvision and `datasets` define it: items by number.

    An item is `(image, label)`, or a mapping with an image and a label. An image is a Pillow image,
    a tensor of shape (C, H, W), or an array of shape (H, W) or (H, W, C).
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass
class _Collected:
    """Images and labels of all items so far.

    Attributes:
        encoded: Pillow images, each encoded without loss.
        pixels: Uint8 blocks of arrays. Either these or `encoded` are empty.
        table: Labels, groups and parts.
    """

    encoded: Spool
    pixels: list[NDArray[np.uint8]] = field(default_factory=list)
    table: RowTable = field(default_factory=RowTable)


def is_dataset(source: object) -> bool:
    """Return whether an object is a dataset, or a mapping of parts to datasets."""
    if isinstance(source, Mapping):
        return bool(source) and all(is_dataset(value) for value in source.values())
    return hasattr(source, "__len__") and hasattr(source, "__getitem__")


def read_items(
    source: ImageDataset | Mapping[str, ImageDataset], options: LoadOptions, folder: Path
) -> DecodedImages:
    """Read all items of a dataset into memory.

    Args:
        source: The dataset, or datasets by the name of their part, such as "train" and "test".
        options: The options of `load`.
        folder: A temporary folder.

    Raises:
        InputError: An item is not an image and a label, or images differ in kind, or options do not
            apply.
    """
    datasets = _datasets_by_part(source)
    names = _class_names(next(iter(datasets.values())), options)
    with (folder / "items.tmp").open("w+b") as file:
        collected = _Collected(Spool(file))
        for part, dataset in datasets.items():
            _collect(dataset, part, options, collected)
        if not collected.table.labels:
            raise InputError("the dataset has no items.", "Pass a dataset of images and labels.")

        rows, labels = label_rows(collected.table, names, "the dataset")
        if collected.pixels:
            pixels = np.concatenate(collected.pixels)
            return labels.with_pixels(pixels if len(rows) == len(pixels) else pixels[rows])
        spool = collected.encoded
        spool.flush()
        sources = ImageSources(Path("the dataset"), lambda row: spool.source_of(int(rows[row])))
        return decode_images(sources, labels, options, folder)


def _datasets_by_part(source: Any) -> dict[int, Any]:
    if not isinstance(source, Mapping):
        return {UNASSIGNED: source}
    part_of: dict[Any, int] = {}
    for name in source:
        mention = part_of_name(str(name))
        if mention is None and len(source) > 1:
            raise InputError(
                f"invalid part '{name}' of the dataset: expected train, validation or test.",
                "Pass a mapping such as {'train': train_set, 'test': test_set}, without others.",
            )
        part_of[name] = UNASSIGNED if mention is None else mention.part

    datasets: dict[int, Any] = {}
    for name, part in resolve_evaluation(part_of).items():
        if part in datasets:
            raise InputError(
                f"the dataset has two {PART_NAMES.get(part, 'undivided')} parts.",
                "Give each part once.",
            )
        datasets[part] = source[name]
    if len(datasets) == 1:
        return {UNASSIGNED: next(iter(datasets.values()))}
    return dict(sorted(datasets.items()))


def _class_names(dataset: Any, options: LoadOptions) -> tuple[str, ...] | None:
    """Return the names of the classes by number, if the dataset or the one it wraps has them."""
    features = getattr(dataset, "features", None)
    if isinstance(features, Mapping):
        keys = _LABEL_KEYS if options.label_column is None else (options.label_column,)
        used = [features[key] for key in keys if key in features]
        names = getattr(used[0], "names", None) if used else None
        return None if names is None else tuple(map(str, names))

    while dataset is not None:
        names = getattr(dataset, "classes", None)
        if isinstance(names, (list, tuple)) and names:
            return tuple(map(str, names))
        dataset = getattr(dataset, "dataset", None)  # of a Subset
    return None


def _collect(dataset: Any, part: int, options: LoadOptions, collected: _Collected) -> None:
    """Read the items of one part."""
    arrays: list[NDArray[Any]] = []
    title = "reading the dataset"
    with progress.task(title, len(dataset), "images") as task:
        for index in range(len(dataset)):
            image, label, group = _split_item(dataset[index], options, index)
            table = collected.table
            table.labels.append(plain_label(_scalar(label, index)))
            table.paths.append(None)
            table.parts.append(part)
            table.places.append(("the dataset", index))
            if group is not None:
                table.groups.append(str(_scalar(group, index)))

            array = _as_array(image)
            if array is None:
                _add_encoded(image, index, collected)
            else:
                arrays.append(array)
            if len(arrays) == _ITEMS_PER_BLOCK:
                _add_pixels(arrays, options, collected)
                arrays = []
            task.advance()
    if arrays:
        _add_pixels(arrays, options, collected)
    if len(collected.encoded) and collected.pixels:
        raise InputError(
            "the dataset mixes Pillow images with arrays or tensors.", "Return one kind of image."
        )


def _split_item(item: Any, options: LoadOptions, index: int) -> tuple[Any, Any, Any]:
    """Return the image, the label and the group of an item."""
    if isinstance(item, Mapping):
        image = _find(item, options.path_column, _IMAGE_KEYS, "image", index)
        label = _find(item, options.label_column, _LABEL_KEYS, "label", index)
        group = None
        if options.group_by is not None:
            group = _find(item, options.group_by, (), "group_by", index)
        return image, label, group

    for option in ("path_column", "label_column", "group_by"):
        if getattr(options, option) is not None:
            raise InputError(
                f"{option} does not apply to a dataset of (image, label).",
                "Leave the option out, or return a mapping with names.",
            )
    if not isinstance(item, Sequence) or isinstance(item, str) or len(item) < 2:
        raise InputError(
            f"invalid item {index} of the dataset: expected (image, label), got "
            f"{type(item).__name__}.",
            f"Pass {_EXPECTED}; or a pair of arrays, (images, labels).",
        )
    return item[0], item[1], None


def _find(
    item: Mapping[str, Any], name: str | None, usual: Sequence[str], role: str, index: int
) -> Any:
    for key in (name,) if name is not None else usual:
        if key in item:
            return item[key]
    wanted = name or " or ".join(usual)
    raise InputError(
        f"item {index} of the dataset has no {role}: expected {wanted}, got "
        f"{', '.join(map(str, item)) or 'nothing'}.",
        "Name it with path_column or label_column.",
    )


def _scalar(value: Any, index: int) -> Any:
    """Return a label as a plain number or text."""
    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if array.size == 1:
        return array.reshape(-1)[0].item() if array.dtype.kind != "O" else value
    raise InputError(
        f"item {index} of the dataset has {array.size} labels: multi-label is not supported.",
        "Return one class per image. Of one-hot labels, return label.argmax().",
    )


def _as_array(image: Any) -> NDArray[Any] | None:
    """Return a tensor or an array with the channels last, or None for another image."""
    if hasattr(image, "detach"):
        array = np.asarray(image.detach().cpu())
        return np.moveaxis(array, 0, -1) if array.ndim == 3 else array
    if not isinstance(image, np.ndarray):
        return None
    has_channels_first = image.ndim == 3 and image.shape[0] in (1, 3) and image.shape[2] > 3
    return np.moveaxis(image, 0, -1) if has_channels_first else image


def _add_pixels(arrays: list[NDArray[Any]], options: LoadOptions, collected: _Collected) -> None:
    shapes = {array.shape for array in arrays}
    if collected.pixels:
        height, width, channels = collected.pixels[0].shape[1:]
        shapes |= {(height, width, channels)} if arrays[0].ndim == 3 else {(height, width)}
    if len(shapes) > 1:
        raise InputError(
            f"the images of the dataset differ in shape: {' and '.join(map(str, sorted(shapes)))}.",
            "Make them one size in the dataset's transform, or return Pillow images.",
        )
    block = to_uint8(np.stack(arrays), options.pixel_max, "the images of the dataset")
    collected.pixels.append(block)


def _add_encoded(image: Any, index: int, collected: _Collected) -> None:
    """Encode a Pillow image without loss, so that it is decoded like any file."""
    if isinstance(image, Mapping) and isinstance(image.get("bytes"), bytes):
        content = image["bytes"]
    elif isinstance(image, bytes):
        content = image
    elif hasattr(image, "save") and hasattr(image, "mode"):
        content = _png(image)
    else:
        raise InputError(
            f"invalid image of item {index} of the dataset: expected a Pillow image, a tensor or "
            f"an array, got {type(image).__name__}.",
            f"Pass {_EXPECTED}.",
        )
    collected.encoded.add(content)


def _png(image: Image) -> bytes:
    file = io.BytesIO()
    encodable = image if image.mode in _PNG_MODES else image.convert("RGB")
    encodable.save(file, "PNG", compress_level=1)
    return file.getvalue()
