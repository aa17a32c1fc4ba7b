"""A new file that grows while its content becomes known."""

from __future__ import annotations

from pathlib import Path

from headstart.store._write_errors import require_space, translate_os_errors

_SPACE_CHECK_BYTES = 64 << 20  # Free space is checked again after so many bytes.


class GrowingFile:
    """A new file to which content is appended, and whose start can be replaced.

    Args:
        path: The file. Its folder must exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unchecked_bytes = 0
        with translate_os_errors(path):
            self._file = path.open("wb")

    def __enter__(self) -> GrowingFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file.

        Raises:
            ResourceError: The disk is full.
        """
        with translate_os_errors(self._path):
            self._file.close()

    def append(self, content: bytes | bytearray) -> None:
        """Write `content` at the end.

        Raises:
            ResourceError: The disk is full, or nearly so.
        """
        self._unchecked_bytes += len(content)
        if self._unchecked_bytes >= _SPACE_CHECK_BYTES:
            self._unchecked_bytes = 0
            require_space(self._path, _SPACE_CHECK_BYTES)
        with translate_os_errors(self._path):
            self._file.write(content)

    def replace_start(self, content: bytes) -> None:
        """Write `content` over the first bytes of the file."""
        with translate_os_errors(self._path):
            self._file.seek(0)
            self._file.write(content)
            self._file.seek(0, 2)
