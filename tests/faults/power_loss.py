"""Power losses, simulated: what a disk may hold after one, given the writes and syncs of a run.

The model is more hostile than common file systems. A file holds what it held at its last fsync;
later content is lost, torn at a multiple of 512 bytes, or complete. Names that appeared in a
folder, or disappeared from it, after the folder's last fsync may be there or not, in the order of
their changes within each folder.
"""

from __future__ import annotations

import os
import random
import stat
from dataclasses import dataclass, field
from pathlib import Path

SECTOR_BYTES = 512

# A name in a folder: the inode of the folder, and the name.
Place = tuple[int, str]


@dataclass
class Moment:
    """What was on the disk, and what was safe there, before one write boundary.

    Attributes:
        names: The inode at each place.
        changes: Changes of places in order, each with the inodes before and after.
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
    """Records the moments of a process that writes below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.top = root.stat().st_ino
        self.moments: list[Moment] = []
        self._now = Moment()

    def before_boundary(self, _: int, what: str) -> None:
        """Look at the folder before a boundary; `what` is the description of the boundary."""
        self._look()
        self.moments.append(
            Moment(
                dict(self._now.names),
                list(self._now.changes),
                dict(self._now.durable),
                dict(self._now.synced),
                dict(self._now.content),
            )
        )
        if what.startswith("fsync "):
            self._sync(Path(what.removeprefix("fsync ")))

    def _sync(self, path: Path) -> None:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            self._now.durable[status.st_ino] = len(self._now.changes)
        else:
            self._now.synced[status.st_ino] = path.read_bytes()

    def _look(self) -> None:
        names: dict[Place, int] = {}
        for folder, folders, files in os.walk(self.root):
            inode = Path(folder).stat().st_ino
            for name in (*folders, *files):
                path = Path(folder) / name
                status = path.stat()
                names[inode, name] = status.st_ino
                if not stat.S_ISDIR(status.st_mode):
                    self._now.content[status.st_ino] = path.read_bytes()
        change: dict[Place, int | None] = {}
        for place in self._now.names.keys() | names.keys():
            if self._now.names.get(place) != names.get(place):
                change[place] = names.get(place)
        if change:
            self._now.changes.append(change)
            self._now.names = names


def crash_state(moment: Moment, top: int, generator: random.Random | None) -> dict[str, bytes]:
    """Return the files that the disk holds after a power loss.

    Args:
        moment: The moment of the loss.
        top: Inode of the folder.
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
        for place, inode in change.items():
            if inode is None:
                names.pop(place, None)
            else:
                names[place] = inode

    files: dict[str, bytes] = {}
    pending = [(top, "")]
    while pending:
        folder, path = pending.pop()
        for (parent, name), inode in names.items():
            if parent != folder:
                continue
            if inode in moment.content:
                files[f"{path}{name}"] = _content(moment, inode, generator)
            else:
                pending.append((inode, f"{path}{name}/"))
    return files


def _content(moment: Moment, inode: int, generator: random.Random | None) -> bytes:
    synced, content = moment.synced.get(inode, b""), moment.content[inode]
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
