"""`load`: open a dataset, whatever its format."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from headstart import progress
from headstart.data._cache import FileIndex, as_dataset, hash_files, open_or_decode
from headstart.data._resized import resize_dataset
from headstart.data._types import Dataset, Resize
from headstart.data.formats._arrays import read_arrays
from headstart.data.formats._class_folders import ClassFolders
from headstart.data.formats._idx_folder import IdxFolder
from headstart.data.formats._npz import Npz
from headstart.data.formats._path_csv import PathCsv
from headstart.data.formats._pixel_csv import PixelCsv
from headstart.data.formats._protocol import Format, Listing, LoadOptions
from headstart.data.formats._reading import translate_read_errors
from headstart.data.named._fetch import catalogue, fetch_named
from headstart.errors import InputError, suggest_name

# A new format is added here. The first format that recognizes a path reads it. So a folder is an
# IDX folder if it can be, and a CSV is a CSV of paths if it can be.
FORMATS: tuple[Format, ...] = (IdxFolder(), ClassFolders(), PathCsv(), PixelCsv(), Npz())

ACCEPTED = (
    f"a named dataset, {', '.join(form.accepted_as for form in FORMATS[:-1])}, "
    f"or {FORMATS[-1].accepted_as}"
)

_WHY_IGNORED = {
    "pixel_max": "Its pixels have a scale already. Leave the option out.",
    "group_by": "It has no columns. Give a CSV of path,label with a column for the group.",
}

Arrays = tuple[Any, Any] | tuple[Any, Any, Any]
_TABLE_SUFFIX = re.compile(r"\.(csv|csv\.gz|npz)$", re.IGNORECASE)


def load(
    source: str | Path | Arrays,
    *,
    image_size: int | None = None,
    resize: Resize = "pad",
    pixel_max: float | None = None,
    group_by: str | None = None,
) -> Dataset:
    """Open a dataset, whatever its format.

    The name of a named dataset opens that dataset. To open a folder of the same name, write
    `./mnist`, or give a `Path`. A folder with `*idx3-ubyte` files is an IDX folder. Any other
    folder is a folder of class folders. A CSV with a column of paths lists image files. Any other
    CSV holds pixels.

    Files are decoded once, into the cache. The next call reads only their names, sizes and times.
    It decodes them again if one has changed.

    Args:
        source: A name, a path, or a pair `(images, labels)` of arrays, which is not cached. See
            `read_arrays`. An optional third member holds the class names, and the labels are then
            indices into them. Of a memory map of uint8 that is larger than memory, only labels,
            names and hashes are held in memory.
        image_size: Height and width of all images, in pixels. None keeps images of one size (image
            files: up to 256 pixels) and makes all others squares of 128 pixels.
        resize: "pad" with black, "crop" around the centre, or "squish".
        pixel_max: Value of full brightness in a pixel CSV, an .npz file or arrays. None for 255.
        group_by: Column of a CSV. Images with equal values form a group, which no split divides.

    Raises:
        InputError: The source does not exist, has an unknown format or invalid content, or an
            option does not apply to it.
        ResourceError: The cache cannot be written, or a named dataset cannot be downloaded.
    """
    options = LoadOptions(image_size, resize, pixel_max, group_by)
    _check_options(options)

    if isinstance(source, tuple):
        dataset = _load_arrays(source, options)
    elif isinstance(source, str) and source in _known_names():
        dataset = _load_named(source, options)
    else:
        dataset = _load_path(source, options)

    if image_size is None or dataset.image_shape[:2] == (image_size, image_size):
        return dataset
    return resize_dataset(dataset, image_size, resize)


def _load_arrays(source: Arrays, options: LoadOptions) -> Dataset:
    _refuse_options(options, ("group_by",), "a pair of arrays")
    if len(source) not in (2, 3):
        raise InputError(
            "invalid tuple of arrays: expected (images, labels) or (images, labels, class_names), "
            f"got {len(source)} members.",
            "See the help of load.",
        )
    images, labels, *class_names = source
    decoded = read_arrays(images, labels, options.pixel_max, *class_names)
    return as_dataset(decoded, "arrays", "", options.as_dict())


def _load_named(name: str, options: LoadOptions) -> Dataset:
    _refuse_options(options, ("pixel_max", "group_by"), f"the named dataset {name}")
    if Path(name).exists():
        progress.say(f"opening the named dataset {name}; for the folder {name}, write ./{name}")
    return replace(fetch_named(name), options=options.as_dict())


def _load_path(source: str | Path, options: LoadOptions) -> Dataset:
    path = _existing_path(source)
    with translate_read_errors(path):
        listing = _list_files(path, options)
        index = FileIndex(path, listing)
        key = index.known_key() or hash_files(listing, f"hashing {path.name}")
        dataset = open_or_decode(
            key,
            listing.decode,
            name=_TABLE_SUFFIX.sub("", path.name) or path.name,
            source=str(path),
            options=options.as_dict(),
        )
    index.remember(key)
    return dataset


def _existing_path(source: str | Path) -> Path:
    """Return the absolute path of an existing file or folder."""
    if isinstance(source, str) and not source.strip():
        raise InputError("no data given: the name of the data is empty.", f"Accepted: {ACCEPTED}.")

    path = Path(source).expanduser()
    with translate_read_errors(path):
        if not path.exists():
            if len(path.parts) > 1:
                suggestion = f"named datasets: {', '.join(_known_names())}"
            else:
                suggestion = suggest_name(str(source), _known_names())
            raise InputError(
                f"{source} does not exist: it is not a file, a folder or a named dataset "
                f"({suggestion}).",
                f"Accepted: {ACCEPTED}.",
            )
        return path.resolve() if ".." in path.parts else path.absolute()


def _list_files(path: Path, options: LoadOptions) -> Listing:
    """Recognize the format of a path and list its files."""
    for form in FORMATS:
        if form.recognizes(path):
            _refuse_options(options, form.ignored_options, f"{path}, {form.name}")
            return form.list(path, options)
    raise InputError(f"{path} has an unknown format.", f"Accepted: {ACCEPTED}.")


def _refuse_options(options: LoadOptions, ignored: tuple[str, ...], source: str) -> None:
    """Raise an error if an ignored option is given, since it does not apply to the source."""
    for key in ignored:
        if getattr(options, key) is not None:
            raise InputError(f"{key} does not apply to {source}.", _WHY_IGNORED[key])


def _known_names() -> tuple[str, ...]:
    return tuple(entry.name for entry in catalogue())


def _check_options(options: LoadOptions) -> None:
    size, pixel_max = options.image_size, options.pixel_max
    if size is not None and (not isinstance(size, int) or size < 1):
        raise InputError(
            f"invalid image_size: expected a positive number of pixels, got {size}.",
            "For example: --image-size 96",
        )
    if options.resize not in get_args(Resize):
        raise InputError(
            f"invalid resize '{options.resize}': expected pad, crop or squish.",
            suggest_name(options.resize, get_args(Resize)),
        )
    if pixel_max is not None and not (0 < pixel_max < math.inf):
        raise InputError(
            "invalid pixel_max: expected the value of full brightness, a number above 0, "
            f"got {pixel_max}.",
            "For example: --pixel-max 1023",
        )
