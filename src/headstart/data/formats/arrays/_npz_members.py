"""The arrays in an `.npz` file, one after the other: large ones are maps, not copies in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from headstart import store

IN_MEMORY_BYTES = 64 << 20


def read_member(file: store.NpzFile, key: str, building: Path) -> NDArray[Any]:
    """Return one array of an open `.npz` file.

    An array of more than 64 MB is written to a file as it is decompressed, and mapped. Its content
    is checked against the checksum of the `.npz` file in any case.

    Args:
        file: The open file.
        key: Name of the array.
        building: Folder of the written file. `remove_spools` removes it.

    Raises:
        InputError: The array is damaged, or holds Python objects.
        ResourceError: The disk is full.
    """
    if file.size(key) <= IN_MEMORY_BYTES:
        return file[key]
    spool = building / f"{len(list(building.glob('*.spool')))}.spool"
    file.extract(key, spool)
    return store.open_npy(spool)


def remove_spools(building: Path) -> None:
    """Remove the files of arrays that `read_member` wrote. Their maps must not be used again."""
    for spool in building.glob("*.spool"):
        store.remove_file(spool)
