"""The search for folders of runs and studies, and the times at which their files changed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# The files from which an entry is read. Another time or size of one of them means a new reading.
RUN_FILES = (
    *("metrics.json", "recipe.json", "progress.json", "curves.csv", "manifest.json"),
    "command.json",
)
STUDY_FILES = (
    *("finding.json", "study.json", "budget.json", "ladder.json", "clock.json", "manifest.json"),
    *("report.html", "command.json"),
)
_STUDY_MARKS = frozenset({"study.json", "finding.json"})
_RUN_MARKS = frozenset({"recipe.json", "metrics.json"})
# A folder with only one of the marks, such as a copied recipe, is not a run.
_OTHER_RUN_FILES = frozenset({"data.json", "curves.csv", "predictions.csv", "manifest.json"})
# Folders in a run, in which no further runs are looked for.
_PARTS_OF_RUNS = frozenset({"state", "checkpoint", "figures", "members"})
_DEEPEST = 12  # levels below the watched folder

# Time in nanoseconds, size in bytes and inode of a file, by its name.
Stamps = Mapping[str, tuple[int, int, int]]


@dataclass(frozen=True)
class FolderOnDisk:
    """A folder that holds a run or a study.

    Attributes:
        path: The folder.
        kind: What it holds.
        parent: The study that it is in; None for none.
        stamps: The files from which its entry is read.
    """

    path: Path
    kind: Literal["run", "study"]
    parent: Path | None
    stamps: Stamps

    @property
    def changed(self) -> float:
        """Time of the last change, in seconds since 1970."""
        return max((stamp[0] for stamp in self.stamps.values()), default=0) / 1e9


def find_folders(root: Path) -> Iterator[FolderOnDisk]:
    """Yield the runs and studies in and below a folder, by path. No file is opened.

    Links are not followed. Folders that cannot be listed are left out.

    Args:
        root: The folder.
    """
    yield from _find(root, None, 0)


def _find(folder: Path, study: Path | None, depth: int) -> Iterator[FolderOnDisk]:
    files: dict[str, os.DirEntry[str]] = {}
    folders: list[str] = []
    with suppress(OSError), os.scandir(folder) as listing:
        for entry in listing:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                files[entry.name] = entry

    kind = _kind(files)
    if kind is not None:
        names = RUN_FILES if kind == "run" else STUDY_FILES
        yield FolderOnDisk(folder, kind, study, _stamps(files, names))
    if depth == _DEEPEST:
        return

    inner = folder if kind == "study" else study
    for name in sorted(folders):
        is_part = kind == "run" and name in _PARTS_OF_RUNS
        if not is_part and name not in ("figures", "checkpoint") and not name.startswith("."):
            yield from _find(folder / name, inner, depth + 1)


def _kind(names: Iterable[str]) -> Literal["run", "study"] | None:
    present = frozenset(names)
    if present & _STUDY_MARKS:
        return "study"
    is_run = present >= _RUN_MARKS or (present & _RUN_MARKS and present & _OTHER_RUN_FILES)
    return "run" if is_run else None


def _stamps(files: Mapping[str, os.DirEntry[str]], names: tuple[str, ...]) -> Stamps:
    stamps = {}
    for name in names:
        if name in files:
            with suppress(OSError):
                status = files[name].stat()
                stamps[name] = (status.st_mtime_ns, status.st_size, status.st_ino)
    return stamps
