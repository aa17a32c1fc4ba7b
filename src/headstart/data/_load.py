"""`load`: open a dataset, whatever its format."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack, cast, get_args

from headstart import progress, store
from headstart.data._apply_plan import apply_plan
from headstart.data._cache import open_files
from headstart.data._cache_entry import as_dataset
from headstart.data._frames import (
    DataFrame,
    is_frame,
    is_frame_of_parts,
    name_frame_in_errors,
    rows_with_images,
    write_frame,
)
from headstart.data._python_objects import DatasetObject, load_object
from headstart.data._resized import resize_dataset
from headstart.data._types import Dataset, LoadKeys, Resize
from headstart.data._unpacked import Located, locate, name_archive_in_errors
from headstart.data.formats._data_files import suggest_data_file
from headstart.data.formats._protocol import TABLE_OPTIONS, Format, Listing, LoadOptions
from headstart.data.formats._reading import refuse_url, translate_read_errors
from headstart.data.formats._unsupported_files import (
    ARCHIVE_NAME,
    refuse_impostor,
    unknown_format,
)
from headstart.data.formats.arrays._array_files import NpyFolder, Npz
from headstart.data.formats.arrays._arrays import has_pairs, read_arrays, read_pairs
from headstart.data.formats.arrays._idx_folder import IdxFolder
from headstart.data.formats.arrays._idx_sets import parse_idx_name
from headstart.data.formats.folders._class_folders import ClassFolders
from headstart.data.formats.folders._file_tree import (
    UnreadableFolder,
    scan_folder,
    visible_paths,
)
from headstart.data.formats.folders._table_folder import TableFolder
from headstart.data.formats.images._image_files import ImageFiles
from headstart.data.formats.parquet._parquet import Parquet
from headstart.data.formats.tables._path_csv import PathCsv
from headstart.data.formats.tables._pixel_csv import PixelCsv
from headstart.data.groups._with_groups import INFERRED, with_inferred_groups
from headstart.data.named._fetch import catalogue, fetch_named
from headstart.errors import InputError, ResourceError, suggest_name
from headstart.machine import usable_memory_bytes

# A new format is added here. The first format that recognizes a path reads it. So a folder is an
# IDX folder if it can be, and a CSV is a CSV of paths if it can be.
FORMATS: tuple[Format, ...] = (
    IdxFolder(),
    NpyFolder(),
    Parquet(),
    TableFolder(),
    ClassFolders(),
    PathCsv(),
    PixelCsv(),
    Npz(),
)

LOAD_KEYS = tuple(LoadKeys.__annotations__)

ACCEPTED = (
    f"a named dataset, {', '.join(form.accepted_as for form in FORMATS)}, "
    "or a zip or tar archive of one of these"
)

_WHY_IGNORED = {
    "pixel_max": "Its pixels have a scale already. Leave the option out.",
    "group_by": (
        "It has no columns. Pass a CSV of path,label with a column for the group. "
        "Or let the groups be inferred: --group-by inferred"
    ),
    "label_column": "It has no columns. Leave the option out.",
    "path_column": "It has no column of paths. Leave the option out.",
}

# No verb holds less than a batch of 16 images in three colours of float32.
_LEAST_IMAGES_IN_MEMORY = 16
_BYTES_PER_PIXEL = 12

Arrays = tuple[Any, Any] | tuple[Any, Any, Any]
Source = str | Path | Arrays | DatasetObject | DataFrame | Mapping[str, DataFrame]
_TABLE_SUFFIX = re.compile(r"\.((csv|tsv|txt)(\.gz)?|npz|parquet|arrow)$", re.IGNORECASE)


def load(source: Source, **keys: Unpack[LoadKeys]) -> Dataset:
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
            names and hashes are held in memory. Or a tuple of such pairs, one for the training and
            one for the test images, as the `load_data` of Keras returns. Or a map-style dataset of
            PyTorch, torchvision or `datasets`, whose items are an image and a label; or a mapping
            of such datasets, as `{"train": train_set, "test": test_set}`. These are read into
            memory. Or a data frame of pandas with the columns of a table, or a mapping of parts to
            data frames. Its paths are relative to the current folder, and a copy of the table is
            kept in the cache.
        **keys: Options, each of which may be None for its default.

            - image_size: Height and width of all images, in pixels. By default images of one size
              keep it (image files: up to 256 pixels), and all others become squares of 128 pixels.
            - resize: "pad" with black (the default), "crop" around the centre, or "squish".
            - pixel_max: Value of full brightness, if it is not 255. In image files, that of pixels
              of more than 8 bits; by default it is found from their largest value.
            - group_by: Column of a CSV. Images with equal values form a group, which no split
              divides. "inferred" infers the groups of any dataset, from file names, EXIF and near
              duplicates, and prints what was found.
            - label_column: Column of a CSV that holds the labels.
            - path_column: Column of a CSV that holds the paths of the images.
            - skip_bad: Leave out image files that cannot be decoded, and list them in
              `Dataset.unreadable`. By default they are an error.
            - plan: Path of a plan that `headstart audit --fix` wrote. Its images are dropped or
              relabelled.
            - cache: Whether decoded images may come from the cache. The default is True.

    Returns:
        The dataset: uint8 images of shape (N, H, W, C), in memory or as a read-only memory map,
        int64 labels of shape (N,), class names, parts and groups.

    Raises:
        InputError: The source does not exist, has an unknown format or invalid content, or an
            option does not apply to it.
        ResourceError: The cache cannot be written, or a named dataset cannot be downloaded.
    """
    options = _read_options(keys)

    if isinstance(source, tuple):
        dataset = _load_arrays(source, options)
    elif isinstance(source, str) and source in _known_names():
        dataset = _load_named(source, options)
    elif isinstance(source, str | Path):
        dataset = _load_path(source, options)
    elif is_frame(source) or is_frame_of_parts(source):
        dataset = _load_frame(source, options)
    else:
        dataset = load_object(source, options)

    size = options.image_size
    if size is not None and dataset.image_shape[:2] != (size, size):
        dataset = resize_dataset(dataset, size, options.resize)
    if options.group_by == INFERRED:
        dataset = with_inferred_groups(dataset, use_cache=options.cache)
    return dataset if options.plan is None else apply_plan(dataset, Path(options.plan))


def image_files(dataset: Dataset) -> dict[str, Path]:
    """Return the files of a dataset's images by their names, at their original size.

    Empty if the images are not files of their own, such as the rows of a CSV of pixels. Files that
    have come or gone since the dataset was opened are included or missing.

    Args:
        dataset: A dataset that `load` opened from a path.

    Raises:
        InputError: The path no longer exists, or it is no longer a dataset.
    """
    if not dataset.source or dataset.source in _known_names():
        return {}
    located = _locate(dataset.source)
    options = _without_inferred(_read_options(cast("LoadKeys", dataset.options)))
    with name_archive_in_errors(located), translate_read_errors(located.named):
        listing = _list_files(located.place, options)
    if not isinstance(listing, ImageFiles):
        return {}
    return {name: listing.root / name for name in listing.labels.names}


def check_source(source: Source, keys: LoadKeys) -> None:
    """Check what can be checked without reading data: that a path exists, and the options.

    Args:
        source: What `load` accepts.
        keys: Options of `load`.

    Raises:
        InputError: The path does not exist, or an option is invalid.
    """
    _read_options(keys)
    if not isinstance(source, str | Path) or source in _known_names():
        return
    if not Path(source).expanduser().exists():
        _locate(source)


def _read_options(keys: LoadKeys) -> LoadOptions:
    """Return the options of `load` with their defaults.

    Raises:
        InputError: A key is unknown, or its value is invalid.
    """
    for key in keys:
        if key not in LOAD_KEYS:
            raise InputError(f"load has no option '{key}'.", suggest_name(key, LOAD_KEYS))

    given = {key: value for key, value in keys.items() if value is not None}
    options = LoadOptions(**given)  # type: ignore[arg-type]  # values of a TypedDict are objects
    _check_options(options)
    return options


def _load_arrays(source: Arrays, options: LoadOptions) -> Dataset:
    ignored = ("group_by", *TABLE_OPTIONS)
    _refuse_options(_without_inferred(options), ignored, "a pair of arrays")
    if len(source) not in (2, 3):
        raise InputError(
            "invalid tuple of arrays: expected (images, labels) or (images, labels, class_names), "
            f"got {len(source)} members.",
            "See the help of load.",
        )
    if has_pairs(source):
        decoded = read_pairs(source, options.pixel_max)
    else:
        images, labels, *class_names = source
        decoded = read_arrays(images, labels, options.pixel_max, *class_names)
    return as_dataset(decoded, "arrays", "", options.as_dict())


def _load_named(name: str, options: LoadOptions) -> Dataset:
    ignored = ("pixel_max", "group_by", *TABLE_OPTIONS)
    _refuse_options(_without_inferred(options), ignored, f"the named dataset {name}")
    if Path(name).exists():
        progress.say(f"opening the named dataset {name}; for the folder {name}, write ./{name}")
    return replace(fetch_named(name), options=options.as_dict())


def _load_path(source: str | Path, options: LoadOptions) -> Dataset:
    located = _locate(source)
    with name_archive_in_errors(located), translate_read_errors(located.named):
        listing = _list_files(located.place, _without_inferred(options))
        return open_files(listing, located.named, _dataset_name(located), options)


def _load_frame(source: DataFrame | Mapping[str, DataFrame], options: LoadOptions) -> Dataset:
    rows = rows_with_images(source)
    if rows is not None:
        return load_object(rows, options)
    table = write_frame(source, options)
    with name_frame_in_errors(table):
        return _load_path(table, options)


def _without_inferred(options: LoadOptions) -> LoadOptions:
    """Return the options that a format receives: inferred groups are added behind it."""
    return replace(options, group_by=None) if options.group_by == INFERRED else options


def _dataset_name(located: Located) -> str:
    """Return the name of a dataset: that of its file without the suffix, or of its folder."""
    path = located.named
    idx_name = None if path.is_dir() else parse_idx_name(path.name)
    if idx_name is not None:
        return idx_name.set_name or path.parent.name
    stem = path.name if located.archive is None else ARCHIVE_NAME.sub("", path.name)
    return _TABLE_SUFFIX.sub("", stem) or path.name


def _locate(source: str | Path) -> Located:
    """Find an existing file or folder, and unpack it if it is an archive."""
    if isinstance(source, str) and not source.strip():
        raise InputError("no data given: the name of the data is empty.", f"Accepted: {ACCEPTED}.")

    refuse_url(str(source))
    path = Path(source).expanduser()
    with translate_read_errors(path):
        path = path.resolve() if ".." in path.parts else path.absolute()
        if path.is_file():
            refuse_impostor(path)
        located = locate(path)
    if located is not None:
        return located

    if len(Path(source).parts) > 1:
        suggestion = f"named datasets: {', '.join(_known_names())}"
    else:
        suggestion = suggest_name(str(source), _known_names())
    raise InputError(
        f"{source} does not exist: it is not a file, a folder or a named dataset ({suggestion}).",
        "Check the path. The help lists what DATA may be: headstart train --help",
    )


def _list_files(path: Path, options: LoadOptions) -> Listing:
    """Recognize the format of a path and list its files."""
    try:
        return _list_in_format(path, options)
    except UnreadableFolder:
        scan_folder(path)  # Its error names all folders that cannot be read, not only the first.
        raise


def _list_in_format(path: Path, options: LoadOptions) -> Listing:
    for form in FORMATS:
        if form.recognizes(path):
            _refuse_options(options, form.ignored_options, f"{path}, {form.name}")
            if not path.is_dir():
                return form.list(path, options)
            with _suggest_file_in_errors(path):
                return form.list(path, options)
    raise unknown_format(path, ACCEPTED)


@contextmanager
def _suggest_file_in_errors(folder: Path) -> Iterator[None]:
    """Add to the hints of errors in the block which file of the folder may be the data."""
    try:
        yield
    except InputError as error:
        suggestion = suggest_data_file(folder, error.hint)
        is_own = store.is_own_folder([path.name for path in visible_paths(folder)])
        if not suggestion or is_own or str(folder) not in error.message:
            raise
        raise type(error)(error.message, f"{suggestion} {error.hint}") from error


def _refuse_options(options: LoadOptions, ignored: tuple[str, ...], source: str) -> None:
    """Raise an error if an ignored option is given, since it does not apply to the source."""
    for key in ignored:
        if getattr(options, key) is not None:
            raise InputError(f"{key} does not apply to {source}.", _WHY_IGNORED[key])


def _known_names() -> tuple[str, ...]:
    return tuple(entry.name for entry in catalogue())


def _require_memory(image_size: int | None) -> None:
    """Raise an error if a few images of this size do not fit into memory.

    Raises:
        ResourceError: The memory is too small, whatever the verb does with the images.
    """
    available = usable_memory_bytes()
    if image_size is None or available is None:
        return
    needed = _LEAST_IMAGES_IN_MEMORY * _BYTES_PER_PIXEL * image_size**2
    if needed > available:
        most = math.isqrt(available // (_LEAST_IMAGES_IN_MEMORY * _BYTES_PER_PIXEL))
        raise ResourceError(
            f"too little memory for image_size {image_size}: {_LEAST_IMAGES_IN_MEMORY} images at a "
            f"time need {needed / 1e9:,.1f} GB, and {available / 1e9:,.1f} GB are available.",
            f"Pass a smaller one: --image-size 224 is usual, and {most} is the most here.",
        )


def _check_options(options: LoadOptions) -> None:
    size, pixel_max = options.image_size, options.pixel_max
    if size is not None and (not isinstance(size, int) or size < 1):
        raise InputError(
            f"invalid image_size: expected a positive number of pixels, got {size}.",
            "For example: --image-size 96",
        )
    _require_memory(size)
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
