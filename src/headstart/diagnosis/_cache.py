"""The examination of the cache: decoded datasets, and what killed processes left."""

from __future__ import annotations

from pathlib import Path

from headstart import store
from headstart.diagnosis._types import Diagnosis, Kind, damage_of

_DECODED, _UNFINISHED, _UNPACKED = "decoded", "unfinished", "unpacked"
_FILES = ("about.json", "arrays.npz", "images.npy")
_SET_ASIDE = "Run: headstart doctor --cache --repair. The data are then decoded again."


def check_cache() -> list[Diagnosis]:
    """Examine every entry of the cache. Nothing is written."""
    cache = store.cache_folder()
    diagnoses: list[Diagnosis] = []
    for entry in _folders_in(cache / _DECODED):
        diagnoses += check_entry(entry)
    for folder in _folders_in(cache / _UNFINISHED):
        diagnoses.append(_check_unfinished(folder))
    for folder in (cache, *_folders_in(cache)):
        diagnoses += check_debris(folder)
    return diagnoses


def check_entry(entry: Path) -> list[Diagnosis]:
    """Examine one decoded dataset: its seal, its files, and whether they fit each other."""
    kind: Kind = "cache entry"
    reason = store.find_damage(entry) if store.is_sealed(entry) else None
    if reason is not None:
        return [Diagnosis(str(entry), kind, "damaged", None, reason, "", _SET_ASIDE)]
    diagnoses = damage_of(entry, kind, None, lambda: _check_arrays(entry), _SET_ASIDE)
    return diagnoses or [Diagnosis(str(entry), kind, "healthy")]


def check_debris(folder: Path) -> list[Diagnosis]:
    """Find what killed processes left in a folder. Temporary files of living ones stay."""
    return [
        Diagnosis(
            str(path),
            "temporary",
            "debris",
            None,
            "a process that was killed left it",
            "",
            "Run: headstart doctor --repair",
            size_of(path),
        )
        for path in store.list_debris(folder)
    ]


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of all files below a folder."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _check_arrays(entry: Path) -> None:
    missing = [name for name in _FILES if not (entry / name).is_file()]
    if missing:
        raise ValueError(f"{', '.join(missing)} is missing")
    images = store.open_npy(entry / "images.npy")
    with store.open_npz(entry / "arrays.npz") as arrays:
        lengths = {name: len(arrays[name]) for name in ("labels", "parts", "hashes")}
    different = {name: length for name, length in lengths.items() if length != len(images)}
    if different:
        raise ValueError(f"it has {len(images):,} images, but {different}")


def _check_unfinished(folder: Path) -> Diagnosis:
    owner = store.lock_owner(folder)
    if owner is not None:
        return Diagnosis(str(folder), "cache entry", "in use", None, f"it is in use by {owner}")
    return Diagnosis(
        str(folder),
        "cache entry",
        "unfinished",
        None,
        "a decoding that was stopped",
        "",
        "Open the same data again: decoding continues.",
        size_of(folder),
    )


def _folders_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] != "."]
