"""`load`: one word or path to one dataset. Which reader it needs, and whether the cache already knows the answer."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np

from headstart import progress, store
from headstart.data._cache import Decoded, as_dataset, cached, content_key, memory_map
from headstart.data._memory_maps import is_map, put, take
from headstart.data._types import Dataset, Resize
from headstart.data.formats._arrays import idx_files, read_arrays, read_idx_folder, read_npz
from headstart.data.formats._csv_rows import open_table
from headstart.data.formats._decode import in_threads, resize_pixels
from headstart.data.formats._image_files import (
    Listing,
    decode_listing,
    is_path_table,
    list_class_folders,
    list_path_csv,
)
from headstart.data.formats._pixel_csv import read_pixel_csv
from headstart.data.named._fetch import catalogue, fetch_named
from headstart.errors import InputError, suggest_name

ACCEPTED = (
    "a named dataset, a folder of class folders, a pixel CSV (label,pixel0,…), a CSV of path,label, an IDX folder, "
    "or an .npz file"
)
TABLE_SUFFIX = re.compile(r"\.(csv|csv\.gz|npz)$", re.IGNORECASE)
Options = dict[str, str | int | float | None]
Build = Callable[[Path], Decoded]


def load(
    source: str | Path | tuple[Any, Any] | tuple[Any, Any, Any],
    *,
    image_size: int | None = None,
    resize: Resize = "pad",
    pixel_max: float | None = None,
    group_by: str | None = None,
) -> Dataset:
    """Open a dataset, whatever form it has.

    The name of a named dataset is taken as that; write `./mnist` for a folder of the same name (or give a `Path`). A
    folder with `*idx3-ubyte` files is an IDX folder, any other a folder of class folders. A CSV with a column of paths
    lists image files, any other holds pixels.

    Files are decoded once, into the cache. The next call reads only their names, sizes and times, and decodes again
    what changed.

    Args:
        source: a name, a path, or a pair `(images, labels)` of arrays, which is not cached; see `read_arrays`. A third member
            names the classes that the labels then number. Of a memory map that is larger than memory nothing but labels, names
            and hashes is held there, if it is uint8.
        image_size: side of the square that all images become, in pixels. None keeps images that are all of one size
            (image files: up to 256 pixels a side) and makes all others squares of 128.
        resize: pad with black, crop around the centre, or squish.
        pixel_max: the value that means full brightness, in a pixel CSV, an .npz or arrays; None for 255.
        group_by: column of a CSV whose equal values tie images together, so that no split parts them.

    Raises:
        InputError: nothing is there, it is of no known form, its content is wrong, or an option does not fit it.
        ResourceError: the cache cannot be written, or a named dataset cannot be had.
    """
    options: Options = {
        "image_size": image_size,
        "resize": resize,
        "pixel_max": pixel_max,
        "group_by": group_by,
    }
    _check(image_size, resize, pixel_max)
    if isinstance(source, str) and not source.strip():
        raise InputError("no data given: the name of the data is empty.", f"Accepted: {ACCEPTED}.")
    if isinstance(source, tuple):
        _refuse(options, "a pair of arrays", "group_by")
        if len(source) not in (2, 3):
            raise InputError(
                f"a tuple of {len(source)} was given; wanted is a pair (images, labels), or (images, labels, class_names).",
                "See the help of load.",
            )
        images, labels, *names = source
        dataset = as_dataset(read_arrays(images, labels, pixel_max, *names), "arrays", "", options)
    elif isinstance(source, str) and source in _names():
        _refuse(options, f"the named dataset {source}", "pixel_max", "group_by")
        if Path(source).exists():
            progress.say(
                f"{source} is the named dataset; for the {source} of this folder, write ./{source}"
            )
        dataset = replace(fetch_named(source), options=options)
    else:
        dataset = _open(Path(source).expanduser(), str(source), options)
    return _resized(dataset, image_size, resize)


@dataclass(frozen=True)
class _Origin:
    """A source on disk: the files and options that decide its content, and how to decode it.

    Attributes:
        path: what the user named, absolute.
        root: folder that `names` are relative to.
        names: every file that is read, in a fixed order.
        matters: what besides the files decides the decoded arrays.
    """

    path: Path
    root: Path
    names: Sequence[str]
    matters: Options
    build: Build


def _open(path: Path, given: str, options: Options) -> Dataset:
    with _readable(path):
        if not path.exists():
            where = (
                f"named datasets: {', '.join(_names())}"
                if len(path.parts) > 1
                else suggest_name(given, _names())
            )
            raise InputError(
                f"{given} does not exist: it is no file, no folder and no named dataset ({where}).",
                f"Accepted: {ACCEPTED}.",
            )
        origin = _recognise(path.resolve() if ".." in path.parts else path.absolute(), options)
        name = TABLE_SUFFIX.sub("", origin.path.name) or origin.path.name
        signature = _signature(origin)
        index = (
            store.cache_folder()
            / "index"
            / f"{content_key(str(origin.path), json.dumps(origin.matters))}.json"
        )
        known = store.read_json_or(index, {})
        if known.get("signature") == signature:
            return cached(known["key"], name, str(origin.path), origin.build, options)
        key = _content(origin)
        dataset = cached(key, name, str(origin.path), origin.build, options)
    store.write_json(index, {"source": str(origin.path), "signature": signature, "key": key})
    return dataset


def _recognise(path: Path, options: Options) -> _Origin:
    kind = path.name.lower()
    if path.is_dir() and (files := idx_files(path)):
        _refuse(options, f"{path}, an IDX folder", "pixel_max", "group_by")
        return _Origin(
            path,
            path,
            [file.name for file in files],
            {"kind": "idx"},
            lambda _: read_idx_folder(path),
        )
    if path.is_dir():
        _refuse(options, f"{path}, a folder of images", "pixel_max", "group_by")
        return _listed(path, list_class_folders(path), [], options)
    if kind.endswith((".csv", ".csv.gz")):
        with open_table(path) as table:
            lists_files = is_path_table(table)
        if lists_files:
            _refuse(options, f"{path}, a CSV of image files", "pixel_max")
            return _listed(
                path,
                list_path_csv(path, cast("str | None", options["group_by"])),
                [path.name],
                options,
            )
        return _table(path, read_pixel_csv, options, "pixel_max", "group_by")
    if kind.endswith(".npz"):
        _refuse(options, f"{path}, an .npz file", "group_by")
        return _table(path, read_npz, options, "pixel_max")
    raise InputError(f"{path} is a file of no known form.", f"Accepted: {ACCEPTED}.")


def _listed(path: Path, listing: Listing, also: list[str], options: Options) -> _Origin:
    matters: Options = {
        "kind": "files",
        **{key: options[key] for key in ("image_size", "resize", "group_by")},
    }
    image_size, resize = (
        cast("int | None", options["image_size"]),
        cast("Resize", options["resize"]),
    )
    return _Origin(
        path,
        listing.root,
        [*also, *listing.names],
        matters,
        lambda building: decode_listing(listing, building, image_size, resize),
    )


def _table(path: Path, read: Callable[..., Decoded], options: Options, *keys: str) -> _Origin:
    given = {key: options[key] for key in keys}
    return _Origin(
        path,
        path.parent,
        [path.name],
        {"kind": read.__name__, **given},
        lambda _: read(path, **given),
    )


def _signature(origin: _Origin) -> str:
    """Changes when a file appears, goes, grows or is written to; read before the files are, so no change is missed."""
    digest = hashlib.sha256()
    for name in origin.names:
        stat = (origin.root / name).stat()
        digest.update(f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _content(origin: _Origin) -> str:
    """Cache key over the names and bytes of all files, and over the options that matter."""

    def digest_of(name: str) -> bytes:
        with (origin.root / name).open("rb") as file:
            return hashlib.file_digest(file, "blake2b").digest()

    digests = in_threads(digest_of, origin.names, f"looking through {origin.path.name}", "files")
    return content_key(json.dumps(origin.matters), json.dumps(origin.names), *digests)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeEncodeError as error:
        raise InputError(
            f"a file in {path} has a name that is not UTF-8: {error.object!a}.", "Rename it."
        ) from error
    except OSError as error:
        raise InputError(
            f"{error.filename or path} cannot be read: {error.strerror or error}.",
            "Restore the file or the permission to read it, or remove it.",
        ) from error


def _resized(dataset: Dataset, image_size: int | None, resize: Resize) -> Dataset:
    """`dataset` as squares of `image_size`, kept in the cache if the dataset has a source or is a large map."""
    if image_size is None or dataset.image_shape[:2] == (image_size, image_size):
        return dataset
    shape = (image_size, image_size, dataset.image_shape[2])

    def build(building: Path | None) -> Decoded:
        images = (
            memory_map(building, len(dataset), shape)
            if building
            else np.empty((len(dataset), *shape), np.uint8)
        )

        def place(row: int) -> None:
            put(images, row, resize_pixels(take(dataset.images, np.array([row]))[0], shape, resize))

        in_threads(place, range(len(dataset)), f"resizing {dataset.name}")
        return Decoded(
            images,
            dataset.labels,
            dataset.class_names,
            dataset.parts,
            dataset.image_names,
            dataset.groups,
        )

    if not dataset.source and not is_map(dataset.images):
        return as_dataset(build(None), dataset.name, "", dataset.options)
    key = content_key("resized", dataset.fingerprint, str(image_size), resize)
    # The fingerprint covers neither the images' names nor their groups.
    return replace(
        cached(key, dataset.name, dataset.source, build, dataset.options),
        image_names=dataset.image_names,
        groups=dataset.groups,
    )


def _names() -> tuple[str, ...]:
    return tuple(entry.name for entry in catalogue())


def _check(image_size: int | None, resize: str, pixel_max: float | None) -> None:
    if image_size is not None and (not isinstance(image_size, int) or image_size < 1):
        raise InputError(
            f"image_size is {image_size}, but wanted is a number of pixels, 1 or more.",
            "For example: --image-size 96",
        )
    if resize not in get_args(Resize):
        raise InputError(
            f"resize is '{resize}', but wanted is pad, crop or squish.",
            suggest_name(resize, get_args(Resize)),
        )
    if pixel_max is not None and not (0 < pixel_max < math.inf):
        raise InputError(
            f"pixel_max is {pixel_max}, but wanted is the value of full brightness, above 0.",
            "For example: --pixel-max 1023",
        )


def _refuse(options: Options, what: str, *keys: str) -> None:
    """Raise InputError if an option was given that this form of data cannot heed."""
    reasons = {
        "pixel_max": "Its pixels have a scale already; leave the option out.",
        "group_by": "It has no columns; give a CSV of path,label with a column for the group.",
    }
    for key in keys:
        if options[key] is not None:
            raise InputError(f"{key} does not apply to {what}.", reasons[key])
