"""An `.npz` file of images and labels."""

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
from headstart.data.formats.arrays._keys import ArrayKeys, choose_arrays
from headstart.data.formats.arrays._npz_members import read_member, remove_spools

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
        """Read the arrays, large ones in bounded memory.

        With class_names, the labels are indices into them.

        Args:
            building: Folder of the map of images, and of arrays that are being read.

        Raises:
            InputError: The file is damaged, has other keys or holds Python objects, or its arrays
                are invalid. See `decode_arrays`.
        """
        source = str(self.path)
        try:
            arrays, keys = self._read_arrays(source, building)
            return decode_named_arrays(arrays, keys, source, self.pixel_max, building)
        finally:
            remove_spools(building)

    def _read_arrays(
        self, source: str, building: Path
    ) -> tuple[dict[str, NDArray[Any]], ArrayKeys]:
        with store.open_npz(self.path) as file:
            if set(file.names) == _POSITIONS and len(file.shape("arr_0")) > 1:
                progress.say(f"{source}: arr_0 is read as the images, arr_1 as the labels")
                keys = ArrayKeys({UNASSIGNED: ("arr_0", "arr_1")}, None)
            else:
                keys = choose_arrays(file.names, source)
            arrays = {key: read_member(file, key, building) for key in keys.all()}
        return arrays, keys


def decode_named_arrays(
    arrays: Mapping[str, NDArray[Any]],
    keys: ArrayKeys,
    source: str,
    pixel_max: float | None,
    building: Path,
) -> DecodedImages:
    """Check the chosen arrays, convert them and join their parts. See `decode_arrays`."""
    parts = [
        ArrayPart(part or TRAIN, arrays[images], arrays[labels])
        for part, (images, labels) in keys.pairs.items()
    ]
    class_names = None if keys.class_names is None else arrays[keys.class_names]
    return decode_arrays(parts, source, pixel_max, class_names, building)
