"""Places that the files of named datasets come from: installed data, folders and the web."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headstart import store
from headstart.data.named._download import SourceFailed, download, unpack


class Source(Protocol):
    """A place that may hold the files of a dataset."""

    @property
    def title(self) -> str:
        """Name for people, for the list of sources that were tried."""

    def fetch(self, folder: Path) -> Path:
        """Fetch the files.

        Args:
            folder: An empty folder for files that are fetched.

        Returns:
            The folder that holds the files: an existing one, or one in `folder`.

        Raises:
            SourceFailed: The source does not provide the files.
            ResourceError: The files do not fit on the disk.
        """


@dataclass(frozen=True)
class Bundled:
    """Data of an installed library.

    Attributes:
        title: Name of the library.
    """

    title: str

    def fetch(self, folder: Path) -> Path:
        """Return the empty folder: the library reads its own files."""
        return folder


@dataclass(frozen=True)
class SystemFolder:
    """A folder in which the packages of the system put datasets.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def title(self) -> str:
        """The path."""
        return str(self.path)

    def fetch(self, folder: Path) -> Path:
        """Return the system's folder."""
        if not self.path.is_dir():
            raise SourceFailed("no such folder")
        return self.path


@dataclass(frozen=True)
class WebFiles:
    """Files below one web address.

    Attributes:
        address: The address, with a slash at its end.
        files: Names of the files.
        size_bytes: Approximate size of all files together.
    """

    address: str
    files: tuple[str, ...]
    size_bytes: int

    @property
    def title(self) -> str:
        """The address."""
        return self.address

    def fetch(self, folder: Path) -> Path:
        """Download the files into `folder`."""
        store.require_space(folder, self.size_bytes)
        for name in self.files:
            store.write_bytes(folder / name, download(self.address + name, self.size_bytes))
        return folder


@dataclass(frozen=True)
class WebArchive:
    """A gzipped tar archive at a web address.

    Attributes:
        address: The address.
        files: Names of the files to unpack.
        size_bytes: Approximate size of the archive.
    """

    address: str
    files: tuple[str, ...]
    size_bytes: int

    @property
    def title(self) -> str:
        """The address."""
        return self.address

    def fetch(self, folder: Path) -> Path:
        """Download the archive and unpack its files into `folder`."""
        store.require_space(folder, 2 * self.size_bytes)
        archive = download(self.address, self.size_bytes)
        return unpack(archive, self.files, folder, self.size_bytes)
