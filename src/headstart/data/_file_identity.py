"""The identity of files: what changes when a file is edited, replaced, moved or renamed.

Files with an unchanged identity are not read again. So whatever is doubtful counts as changed.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.errors import InputError
from headstart.formatting import listing

IDENTITY_BYTES = 16
# A file that changed shortly before it was examined can change again without another time stamp:
# Linux updates the clock of its file systems every 1 to 10 ms.
SETTLED_NS = 100_000_000
# Ext3 and HFS+ keep whole seconds, FAT two.
SETTLED_COARSE_NS = 2_000_000_000
SETTLED_REMOTE_NS = 60_000_000_000  # The server's clock may differ from this machine's.
# File systems of Linux on which inode and change time are those of the file itself. On others
# (FUSE, SMB, FAT, 9p) both may be invented by the driver, so contents are read again.
RELIABLE_FILE_SYSTEMS = frozenset(
    {"apfs", "bcachefs", "beegfs", "btrfs", "ceph", "erofs", "ext2", "ext3", "ext4", "f2fs"}
    | {"gpfs", "hfs", "hfsplus", "iso9660", "jfs", "lustre", "nfs", "nfs4", "nilfs2", "overlay"}
    | {"ramfs", "reiserfs", "squashfs", "tmpfs", "ubifs", "udf", "wekafs", "xfs", "zfs"}
)
# These report attributes up to a minute old, except for a file that is opened.
_CURRENT_WHEN_OPENED = frozenset({"nfs", "nfs4"})
_MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True)
class FileIdentities:
    """The identities of some files at one time.

    Attributes:
        names: N paths, relative to a common folder.
        digests: Uint8 array of shape (N, 16): digests of name, folder, size, times and inode.
        sizes: N sizes in bytes; -1 for a file that cannot be examined.
        is_settled: Whether every change from now on will give a file another identity.
        unreliable_file_system: Type of a file system whose identities cannot be relied on, or "".
    """

    names: Sequence[str]
    digests: NDArray[np.uint8]
    sizes: tuple[int, ...]
    is_settled: bool
    unreliable_file_system: str

    @property
    def are_reliable(self) -> bool:
        """True if equal identities later on mean equal contents."""
        return self.is_settled and not self.unreliable_file_system

    @property
    def signature(self) -> str:
        """Hexadecimal digest of all identities, in order."""
        return hashlib.sha256(self.digests.tobytes()).hexdigest()

    def changed_since(self, earlier: FileIdentities) -> list[str]:
        """Return the names of the files whose identities differ from earlier ones."""
        rows = np.flatnonzero((self.digests != earlier.digests).any(axis=1))
        return [self.names[row] for row in rows.tolist()]


def identify_files(root: Path, names: Sequence[str]) -> FileIdentities:
    """Examine files without reading them.

    Args:
        root: Folder that the names are relative to.
        names: Paths with forward slashes.
    """
    now = time.time_ns()
    base = os.fspath(root)
    folder_identities: dict[str, str] = {}
    type_of_device: dict[int, str] = {}
    mounts = _read_mounts()
    digests: list[bytes] = []
    sizes: list[int] = []
    newest_ns, is_coarse = 0, True

    for name in names:
        path = os.path.join(base, name)  # noqa: PTH118  # a pathlib.Path takes longer than its stat
        folder = os.path.dirname(path)  # noqa: PTH120
        if folder not in folder_identities:
            folder_identities[folder] = _folder_identity(Path(folder))
        try:
            stat = os.stat(path)  # noqa: PTH116
            if stat.st_dev not in type_of_device:
                type_of_device[stat.st_dev] = _file_system_of(Path(path), mounts)
            if type_of_device[stat.st_dev] in _CURRENT_WHEN_OPENED:
                stat = _stat_opened(Path(path))
        except OSError as error:
            sizes.append(-1)
            identity = f"{name}\0error {error.errno}"
        else:
            sizes.append(stat.st_size)
            newest_ns = max(newest_ns, stat.st_mtime_ns, stat.st_ctime_ns)
            is_coarse &= stat.st_ctime_ns % 1_000_000_000 == 0
            identity = (
                f"{name}\0{folder_identities[folder]}\0{stat.st_size}\0{stat.st_mtime_ns}\0"
                f"{stat.st_ctime_ns}\0{stat.st_ino}"
            )
        digests.append(hashlib.blake2b(identity.encode(), digest_size=IDENTITY_BYTES).digest())

    types = set(type_of_device.values()) - {""}
    settled_ns = SETTLED_COARSE_NS if is_coarse else SETTLED_NS
    if types & _CURRENT_WHEN_OPENED:
        settled_ns = SETTLED_REMOTE_NS
    unreliable = sorted(types - RELIABLE_FILE_SYSTEMS)
    return FileIdentities(
        names,
        np.frombuffer(b"".join(digests), np.uint8).reshape(-1, IDENTITY_BYTES),
        tuple(sizes),
        is_settled=newest_ns < now - settled_ns,
        unreliable_file_system=unreliable[0] if unreliable else "",
    )


def require_unchanged(root: Path, before: FileIdentities) -> None:
    """Raise an error if files have another identity than before they were read.

    Args:
        root: Folder of the files.
        before: Their identities before they were read.

    Raises:
        InputError: Files were changed, replaced or removed meanwhile. The message names up to
            twenty of them.
    """
    now = identify_files(root, before.names)
    changed = now.changed_since(before)
    if not changed:
        return

    size_now = dict(zip(now.names, now.sizes, strict=True))
    lines = [
        f"{root / name} was {'removed' if size_now[name] < 0 else 'changed'}" for name in changed
    ]
    raise InputError(
        f"{len(changed):,} of {len(now.names):,} files did not stay the same while they were "
        f"read:{listing(lines)}",
        "Run the command again once nothing else writes there.",
    )


def _folder_identity(folder: Path) -> str:
    """Return the inode of a folder. Two folders that exchange their names exchange their inodes."""
    try:
        return str(folder.stat().st_ino)
    except OSError as error:
        return f"error {error.errno}"


def _stat_opened(path: Path) -> os.stat_result:
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.fstat(handle)
    finally:
        os.close(handle)


def _read_mounts() -> dict[Path, str]:
    """Return the type of the file system of each mount point; nothing except on Linux."""
    try:
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return {}

    type_of_mount: dict[Path, str] = {}
    for line in lines:
        fields, _, rest = line.partition(" - ")
        point = fields.split()[4]
        for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
            point = point.replace(code, character)
        type_of_mount[Path(point)] = rest.split()[0]
    return type_of_mount


def _file_system_of(path: Path, type_of_mount: dict[Path, str]) -> str:
    """Return the type of the file system of a file, or "" if the mounts are unknown."""
    place = path.resolve()
    for folder in (place, *place.parents):
        if folder in type_of_mount:
            return type_of_mount[folder]
    return ""
