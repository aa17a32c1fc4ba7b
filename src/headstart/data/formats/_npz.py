"""An `.npz` file of images and labels."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.data._types import PART_NAMES, TEST, TRAIN, VALIDATION, DecodedImages, OptionValues
from headstart.data.formats._arrays import ArrayPart, decode_arrays
from headstart.data.formats._protocol import LoadOptions
from headstart.errors import InputError

EXPECTED_KEYS = (
    "x_train, y_train[, x_validation, y_validation][, x_test, y_test] "
    "or images, labels[, class_names]"
)
_PAIR_OF_PART = {
    part: (f"x_{PART_NAMES[part]}", f"y_{PART_NAMES[part]}") for part in (TRAIN, VALIDATION, TEST)
}
_PAIRS = (*_PAIR_OF_PART.values(), ("images", "labels"))
_KEYS_BY_PART = set(chain.from_iterable(_PAIR_OF_PART.values()))
_KEYS_UNDIVIDED = {"images", "labels", "class_names"}


class Npz:
    """The format of an `.npz` file with the keys of `EXPECTED_KEYS`."""

    name = "an .npz file"
    accepted_as = "an .npz file"
    ignored_options = ("group_by",)

    def recognizes(self, path: Path) -> bool:
        """Return whether the file's name ends in .npz."""
        return path.suffix.lower() == ".npz"

    def list(self, path: Path, options: LoadOptions) -> NpzFile:
        """Return the file, not read yet."""
        return NpzFile(path, options.pixel_max)


@dataclass(frozen=True)
class NpzFile:
    """An `.npz` file, not read yet.

    Attributes:
        path: The file.
        pixel_max: Value of full brightness, or None. See `decode_arrays`.
    """

    path: Path
    pixel_max: float | None

    @property
    def root(self) -> Path:
        """Folder of the file."""
        return self.path.parent

    @property
    def files(self) -> tuple[str, ...]:
        """Name of the file."""
        return (self.path.name,)

    @property
    def key_options(self) -> OptionValues:
        """The scale of the pixels."""
        return {"kind": "read_npz", "pixel_max": self.pixel_max}

    def decode(self, building: Path) -> DecodedImages:
        """Read the arrays into memory. With class_names, the labels are indices into them.

        Raises:
            InputError: The file is damaged, has other keys or holds Python objects, or its arrays
                are invalid. See `decode_arrays`.
        """
        arrays = self._read()
        _check_keys(arrays, self.path)
        if "images" in arrays:
            parts = [ArrayPart(TRAIN, arrays["images"], arrays["labels"])]
            class_names = arrays.get("class_names")
            return decode_arrays(parts, str(self.path), self.pixel_max, class_names)

        parts = [
            ArrayPart(part, arrays[images], arrays[labels])
            for part, (images, labels) in _PAIR_OF_PART.items()
            if images in arrays
        ]
        return decode_arrays(parts, str(self.path), self.pixel_max)

    def _read(self) -> dict[str, NDArray[Any]]:
        try:
            with self.path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                return {key: file[key] for key in file.files}
        except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{self.path} cannot be read as .npz: {error}.",
                "Save plain arrays of numbers with numpy.savez. "
                "Arrays of Python objects are never opened.",
            ) from error


def _check_keys(arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
    keys = set(arrays)
    if keys <= _KEYS_BY_PART | _KEYS_UNDIVIDED:
        for pair in _PAIRS:
            present = [key for key in pair if key in keys]
            missing = [key for key in pair if key not in keys]
            if present and missing:
                raise InputError(
                    f"{path} has {present[0]}, but no {missing[0]}.",
                    "Save images and their labels in pairs.",
                )

    if "x_train" in keys:
        is_valid = keys <= _KEYS_BY_PART and "y_train" in keys
    else:
        is_valid = keys <= _KEYS_UNDIVIDED and {"images", "labels"} <= keys
    if not is_valid:
        raise InputError(
            f"invalid keys of {path}: expected {EXPECTED_KEYS}, "
            f"got {', '.join(sorted(keys)) or 'none'}.",
            "Rename the arrays, or load them in Python and give them as a pair.",
        )
