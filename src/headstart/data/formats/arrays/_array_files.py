"""Arrays of images and labels in files: one `.npz`, or a folder of `.npy` or `.npz` files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from headstart import progress, store
from headstart.data._types import TRAIN, UNASSIGNED, DecodedImages, OptionValues
from headstart.data.formats._protocol import TABLE_OPTIONS, LoadOptions
from headstart.data.formats.arrays._arrays import ArrayPart, decode_arrays
from headstart.data.formats.arrays._keys import IMAGES, ArrayKeys, choose_arrays, parse_key
from headstart.data.formats.folders._file_tree import folders_in, visible_paths
from headstart.errors import InputError

IN_MEMORY_BYTES = 64 << 20
# `numpy.savez(file, images, labels)` names the arrays by their position.
_POSITIONS = {"arr_0", "arr_1"}


class Npz:
    """The format of an `.npz` file of arrays. See `EXPECTED_KEYS`."""

    name = "an .npz file"
    accepted_as = "an .npz file"
    ignored_options = ("group_by", *TABLE_OPTIONS)

    def recognizes(self, path: Path) -> bool:
        """Return whether the file's name ends in .npz."""
        return path.suffix.lower() == ".npz"

    def list(self, path: Path, options: LoadOptions) -> ArrayFiles:
        """Return the file, not read yet."""
        return ArrayFiles(path.parent, (path.name,), options.pixel_max, "read_npz")


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
        return any(_is_images(name) for name in _array_files(path))

    def list(self, path: Path, options: LoadOptions) -> ArrayFiles:
        """List the files of arrays in the folder."""
        return ArrayFiles(path, _array_files(path), options.pixel_max, "npy")


@dataclass(frozen=True)
class ArrayFiles:
    """Files of arrays, not read yet.

    Attributes:
        root: The folder.
        files: Names of the files: one `.npz` file, or files of one array each.
        pixel_max: Value of full brightness, or None. See `decode_arrays`.
        kind: "read_npz" for one `.npz` file, else "npy".
    """

    root: Path
    files: tuple[str, ...]
    pixel_max: float | None
    kind: str

    @property
    def key_options(self) -> OptionValues:
        """The scale of the pixels."""
        return {"kind": self.kind, "pixel_max": self.pixel_max}

    def decode(self, building: Path) -> DecodedImages:
        """Read the arrays, large ones in bounded memory.

        With class_names, the labels are indices into them.

        Args:
            building: Folder of the map of images, and of arrays that are being read.

        Raises:
            InputError: A file is damaged or holds Python objects, images have no labels, or the
                arrays are invalid. See `decode_arrays`.
        """
        try:
            if self.kind == "npy":
                return self._decode_folder(building)
            return self._decode_file(self.root / self.files[0], building)
        finally:
            for spool in building.glob("*.spool"):
                store.remove_file(spool)

    def _decode_file(self, path: Path, building: Path) -> DecodedImages:
        with store.open_npz(path) as file:
            if set(file.names) == _POSITIONS and len(file.shape("arr_0")) > 1:
                progress.say(f"{path}: arr_0 is read as the images, arr_1 as the labels")
                keys = ArrayKeys({UNASSIGNED: ("arr_0", "arr_1")}, None)
            else:
                keys = choose_arrays(file.names, str(path))
            arrays = {key: _read_member(file, key, building) for key in keys.all()}
        return self._join(arrays, keys, str(path), building)

    def _decode_folder(self, building: Path) -> DecodedImages:
        path_of_key = {Path(name).stem: self.root / name for name in self.files}
        keys = choose_arrays(list(path_of_key), str(self.root))
        arrays = {key: _open_array(path_of_key[key], building) for key in keys.all()}
        return self._join(arrays, keys, str(self.root), building)

    def _join(
        self, arrays: Mapping[str, NDArray[Any]], keys: ArrayKeys, source: str, building: Path
    ) -> DecodedImages:
        """Check the chosen arrays, convert them and join their parts."""
        parts = [
            ArrayPart(part or TRAIN, arrays[images], arrays[labels])
            for part, (images, labels) in keys.pairs.items()
        ]
        class_names = None if keys.class_names is None else arrays[keys.class_names]
        return decode_arrays(parts, source, self.pixel_max, class_names, building)


def _array_files(folder: Path) -> tuple[str, ...]:
    """Return the names of the `.npy` and `.npz` files in a folder."""
    paths = visible_paths(folder)
    return tuple(path.name for path in paths if path.suffix.lower() in {".npy", ".npz"})


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
        return _read_member(file, file.names[0], building)


def _read_member(file: store.NpzFile, key: str, building: Path) -> NDArray[Any]:
    """Return one array of an open `.npz` file.

    An array of more than 64 MB is written to a file as it is decompressed, and mapped. Its content
    is checked against the checksum of the `.npz` file in any case.
    """
    if file.size(key) <= IN_MEMORY_BYTES:
        return file[key]
    spool = building / f"{len(list(building.glob('*.spool')))}.spool"
    file.extract(key, spool)
    return store.open_npy(spool)
