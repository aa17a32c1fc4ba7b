"""Power losses, simulated: what a disk may hold after one, given the writes and syncs of a run.

The model is more hostile than common file systems. A file holds what it held at its last fsync;
later content is lost, torn at a multiple of 512 bytes, or complete. Names that appeared in a
folder, or disappeared from it, after the folder's last fsync may be there or not, in the order of
their changes within each folder.
"""

from __future__ import annotations

import os
import random
from dataclasses import dataclass, field
from pathlib import Path

SECTOR_BYTES = 512

# A name in a folder: the number of the folder, and the name. Files and folders are numbered in the
# order in which they appear, since a file system uses the inode of a removed one again.
Place = tuple[int, str]
TOP = 0  # the number of the folder that is recorded


@dataclass
class Moment:
    """What was on the disk, and what was safe there, before one write boundary.

    Attributes:
        names: The number of the file or folder at each place.
        changes: Changes of places in order, each with the number that is there afterwards.
        durable: For each folder, the number of `changes` at its last fsync.
        synced: The content of each file at its last fsync.
        content: The content of each file now.
    """

    names: dict[Place, int] = field(default_factory=dict)
    changes: list[dict[Place, int | None]] = field(default_factory=list)
    durable: dict[int, int] = field(default_factory=dict)
    synced: dict[int, bytes] = field(default_factory=dict)
    content: dict[int, bytes] = field(default_factory=dict)


class Recorder:
    """Records the moments of a process that writes below a folder.

    Attributes:
        moments: The moment before each boundary.
        kinds: The kind of each boundary.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.moments: list[Moment] = []
        self.kinds: list[str] = []
        self._now = Moment()
        self._numbers = {root.stat().st_ino: TOP}  # by inode, of what exists
        self._next = TOP + 1
        self._look()
        self._now.durable = {folder: len(self._now.changes) for folder, _ in self._now.names}
        self._now.synced = dict(self._now.content)

    def before_boundary(self, _: int, kind: str, path: str) -> None:
        """Look at the folder before a boundary."""
        self._look()
        self.kinds.append(kind)
        self.moments.append(
            Moment(
                dict(self._now.names),
                list(self._now.changes),
                dict(self._now.durable),
                dict(self._now.synced),
                dict(self._now.content),
            )
        )
        if kind == "fsync":
            self._sync(Path(path))

    def _sync(self, path: Path) -> None:
        number = self._numbers.get(path.stat().st_ino)
        if number is None:  # a file without a name
            return
        if path.is_dir():
            self._now.durable[number] = len(self._now.changes)
        else:
            self._now.synced[number] = self._now.content[number]

    def _look(self) -> None:
        inodes: dict[tuple[int, str], os.DirEntry[str]] = {}
        pending = [(self.root.stat().st_ino, self.root)]
        while pending:
            parent, folder = pending.pop()
            with os.scandir(folder) as entries:
                for entry in entries:
                    inodes[parent, entry.name] = entry
                    if entry.is_dir(follow_symlinks=False):
                        pending.append((entry.inode(), Path(entry.path)))
        self._number({entry.inode() for entry in inodes.values()})

        names: dict[Place, int] = {}
        for (parent, name), entry in inodes.items():
            number = self._numbers[entry.inode()]
            names[self._numbers[parent], name] = number
            if entry.is_file(follow_symlinks=False):
                content = Path(entry.path).read_bytes()
                if self._now.content.get(number) != content:  # equal content is kept once
                    self._now.content[number] = content
        change: dict[Place, int | None] = {}
        for place in self._now.names.keys() | names.keys():
            if self._now.names.get(place) != names.get(place):
                change[place] = names.get(place)
        if change:
            self._now.changes.append(change)
            self._now.names = names

    def _number(self, inodes: set[int]) -> None:
        """Number the files and folders that are new, and forget those that are gone."""
        top = self.root.stat().st_ino
        numbers = {top: TOP}
        for inode in sorted(inodes):
            number = self._numbers.get(inode)
            if number is None:
                number, self._next = self._next, self._next + 1
            numbers[inode] = number
        self._numbers = numbers


def crash_state(moment: Moment, generator: random.Random | None) -> dict[str, bytes]:
    """Return the files that the disk holds after a power loss.

    Args:
        moment: The moment of the loss.
        generator: Decides what of the unsynced changes survives. None: nothing does.

    Returns:
        The content of each file by its path.
    """
    names: dict[Place, int] = {}
    lost: set[int] = set()  # folders of which a change was lost, and all that followed
    for number, change in enumerate(moment.changes):
        folders = {folder for folder, _ in change}
        is_durable = any(moment.durable.get(folder, 0) > number for folder in folders)
        if not is_durable and (generator is None or folders & lost or generator.random() < 0.5):
            lost |= folders
            continue
        for place, item in change.items():
            if item is None:
                names.pop(place, None)
            else:
                names[place] = item

    files: dict[str, bytes] = {}
    pending = [(TOP, "")]
    while pending:
        folder, path = pending.pop()
        for (parent, name), item in names.items():
            if parent != folder:
                continue
            if item in moment.content:
                files[f"{path}{name}"] = _content(moment, item, generator)
            else:
                pending.append((item, f"{path}{name}/"))
    return files


def _content(moment: Moment, item: int, generator: random.Random | None) -> bytes:
    synced, content = moment.synced.get(item, b""), moment.content[item]
    if synced == content or generator is None:
        return synced
    torn = SECTOR_BYTES * generator.randint(0, len(content) // SECTOR_BYTES)
    return generator.choice([synced, content[:torn], content])


def write_state(files: dict[str, bytes], root: Path) -> None:
    """Write the files of a crash state below a folder."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
