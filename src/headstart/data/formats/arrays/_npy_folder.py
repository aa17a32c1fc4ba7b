"""A folder of `.npy` files, or of `.npz` files that hold one array each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from headstart import store
from headstart.data._types import DecodedImages, OptionValues
from headstart.data.formats._protocol import TABLE_OPTIONS, LoadOptions
from headstart.data.formats.arrays._keys import IMAGES, choose_arrays, parse_key
from headstart.data.formats.arrays._npz import decode_named_arrays
from headstart.data.formats.arrays._npz_members import read_member, remove_spools
from headstart.data.formats.folders._file_tree import folders_in, visible_paths
from headstart.errors import InputError


class NpyFolder:
    """The format of a folder with `images.npy` and `labels.npy`.

    The names of the files mean what the keys of an `.npz` file do: `x_train.npy`, `y_train.npy`.
    """

    name = "a folder of .npy files"
    accepted_as = "a folder of images.npy and labels.npy"
    ignored_options = ("group_by", *TABLE_OPTIONS)

    def recognizes(self, path: Path) -> bool:
        """Return whether the path is a folder without folders that holds arrays of images."""
        if not path.is_dir() or folders_in(path):
            return False
        return any(_is_images(file.name) for file in array_files(path))

    def list(self, path: Path, options: LoadOptions) -> NpyFiles:
        """List the files of arrays in the folder."""
        return NpyFiles(path, tuple(file.name for file in array_files(path)), options.pixel_max)


@dataclass(frozen=True)
class NpyFiles:
    """Files of one array each, not read yet.

    Attributes:
        root: The folder.
        files: Names of the files.
        pixel_max: Value of full brightness, or None. See `decode_arrays`.
    """

    root: Path
    files: tuple[str, ...]
    pixel_max: float | None

    @property
    def key_options(self) -> OptionValues:
        """The scale of the pixels."""
        return {"kind": "npy", "pixel_max": self.pixel_max}

    def decode(self, building: Path) -> DecodedImages:
        """Open the arrays as memory maps, and convert them.

        Raises:
            InputError: A file is damaged or holds Python objects, images have no labels, or the
                arrays are invalid. See `decode_arrays`.
        """
        path_of_key = {Path(name).stem: self.root / name for name in self.files}
        keys = choose_arrays(list(path_of_key), str(self.root))
        try:
            arrays = {key: _open_array(path_of_key[key], building) for key in keys.all()}
            return decode_named_arrays(arrays, keys, str(self.root), self.pixel_max, building)
        finally:
            remove_spools(building)


def array_files(folder: Path) -> list[Path]:
    """List the `.npy` and `.npz` files in a folder whose names mean images, labels or names."""
    return [path for path in visible_paths(folder) if path.suffix.lower() in {".npy", ".npz"}]


def _is_images(name: str) -> bool:
    words = Path(name).stem
    for start in range(len(words)):
        if start == 0 or words[start - 1] in "-_. ":
            meaning = parse_key(words[start:])
            if meaning is not None and meaning[1] == IMAGES:
                return True
    return False


def _open_array(path: Path, building: Path) -> NDArray[Any]:
    if path.suffix.lower() == ".npy":
        return store.open_npy(path)
    with store.open_npz(path) as file:
        if len(file.names) != 1:
            raise InputError(
                f"{path} holds {len(file.names)} arrays: expected one, as the folder has several "
                "files of arrays.",
                f"To read this file alone: {path}",
            )
        return read_member(file, file.names[0], building)
