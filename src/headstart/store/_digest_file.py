"""Single files with their SHA-256 beside them, in a file that `sha256sum --check` reads."""

from __future__ import annotations

import hashlib
from pathlib import Path

from headstart.errors import InputError
from headstart.store._files import remove_file, write_bytes, write_text
from headstart.store._limits import read_file


def write_with_digest(path: Path, content: bytes) -> None:
    """Write a file that leaves its folder, such as an export, and `PATH.sha256`.

    Raises:
        ResourceError: The disk is full, or writing is not permitted.
    """
    digest_path = _digest_path(path)
    remove_file(digest_path)  # a process may be killed in between: no digest is not a wrong one
    write_bytes(path, content)
    write_text(digest_path, f"{hashlib.sha256(content).hexdigest()}  {path.name}\n")


def read_with_digest(path: Path, most_bytes: int) -> bytes:
    """Read a file, and compare it with the digest beside it, if there is one.

    Args:
        path: The file.
        most_bytes: The most bytes that such a file may have.

    Raises:
        InputError: The file has changed since it was written, or it is larger.
        OSError: The file cannot be read.
    """
    content = read_file(path, most_bytes)
    try:
        recorded = _digest_path(path).read_text(encoding="utf-8").split()[:1]
    except (OSError, ValueError):
        return content
    if recorded != [hashlib.sha256(content).hexdigest()]:
        raise InputError(
            f"{path} is damaged: it is not the file whose SHA-256 is in {_digest_path(path)}.",
            f"Export it again, or remove {_digest_path(path).name} if you changed it on purpose.",
        )
    return content


def _digest_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
