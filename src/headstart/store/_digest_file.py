"""Single files with their SHA-256 beside them, in a file that `sha256sum --check` reads."""

from __future__ import annotations

import hashlib
from pathlib import Path

from headstart.errors import InputError
from headstart.store._files import remove_file, write_bytes, write_text
from headstart.store._limits import read_file

_LARGEST_LIST_BYTES = 1 << 20


def write_with_digest(path: Path, content: bytes) -> None:
    """Write a file that leaves its folder, such as an export, and its digest.

    The digest of `model.onnx` is a line of `model.sha256`. The name does not begin with
    `model.onnx`, so nobody takes it for external data of the model. Files that differ only in their
    suffix share the list.

    Raises:
        ResourceError: The disk is full, or writing is not permitted.
    """
    _write_digest(path, None)  # a process may be killed in between: no digest is not a wrong one
    write_bytes(path, content)
    _write_digest(path, hashlib.sha256(content).hexdigest())


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
    for digest_path in (_digest_path(path), _former_digest_path(path)):
        recorded = _digest_of(_lines_of(digest_path), path.name)
        if recorded is None or recorded == hashlib.sha256(content).hexdigest():
            continue
        raise InputError(
            f"{path} is damaged: it is not the file whose SHA-256 is in {digest_path}.",
            f"Export it again, or remove that line of {digest_path.name} if you changed the file "
            "on purpose.",
        )
    return content


def _write_digest(path: Path, digest: str | None) -> None:
    """Replace the line of a file in its list of digests. Without lines, there is no list."""
    # On a file system that is read-only, removing a file that is not there fails as well, and the
    # error would name a digest instead of the file.
    if _former_digest_path(path).exists():
        remove_file(_former_digest_path(path))
    digest_path = _digest_path(path)
    lines = [line for line in _lines_of(digest_path) if _name_in(line) != path.name]
    if digest is not None:
        lines.append(f"{digest}  {path.name}")
    if lines:
        write_text(digest_path, "".join(f"{line}\n" for line in lines))
    elif digest_path.exists():
        remove_file(digest_path)


def _lines_of(path: Path) -> list[str]:
    try:
        return read_file(path, _LARGEST_LIST_BYTES).decode("utf-8").splitlines()
    except (OSError, ValueError, InputError):
        return []


def _digest_of(lines: list[str], name: str) -> str | None:
    """Return the digest that a list has of a file, or None."""
    for line in lines:
        if _name_in(line) == name:
            return line.split()[0]
    return None


def _name_in(line: str) -> str:
    """Return the name in a line of a list, which is marked with `*` for a binary file."""
    return line.partition(" ")[2].removeprefix(" ").removeprefix("*")


def _digest_path(path: Path) -> Path:
    digest_path = path.with_suffix(".sha256")
    return digest_path if digest_path != path else _former_digest_path(path)


def _former_digest_path(path: Path) -> Path:
    """Return where version 0.1 wrote the digest before it was finished."""
    return path.with_name(f"{path.name}.sha256")
