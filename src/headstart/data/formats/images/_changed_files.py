"""Files that change while they are read."""

from __future__ import annotations

from pathlib import Path

from headstart.data._file_identity import FileIdentities, identify_files
from headstart.errors import InputError
from headstart.formatting import listing


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
