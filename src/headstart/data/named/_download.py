"""Downloads and archives, with limits on time and size."""

from __future__ import annotations

import io
import tarfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from headstart import progress, store

if TYPE_CHECKING:
    from http.client import HTTPResponse

ANSWER_SECONDS = 10.0  # to connect, and between two pieces of an answer
MAX_SIZE_RATIO = 4  # A download may not exceed its expected size by more than this factor.
_PIECE_BYTES = 1 << 18


class SourceFailed(Exception):
    """A source that did not provide its files. The next source may."""


def download(url: str, size_bytes: int) -> bytes:
    """Return the content at an http or https address, and show progress.

    Args:
        url: The address.
        size_bytes: Approximate size of the content.

    Raises:
        SourceFailed: The server did not answer in 10 seconds, or the answer is not the file, is
            incomplete or far too large.
    """
    # They import OpenSSL, and most commands download nothing.
    import urllib.error
    import urllib.request
    from http.client import HTTPException

    if not url.startswith(("http://", "https://")):
        raise SourceFailed(f"{url} is not an http or https address")

    name, max_bytes = url.rpartition("/")[2], MAX_SIZE_RATIO * size_bytes
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "headstart"})
        with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
            announced = int(answer.headers.get("Content-Length", 0))
            if announced > max_bytes:
                raise SourceFailed(
                    f"{name} is too large: expected at most {max_bytes:,} bytes, got {announced:,}"
                )
            content = _receive(answer, name, announced or size_bytes, max_bytes)
    except urllib.error.HTTPError as error:
        error.close()  # It holds the connection.
        raise SourceFailed(f"{name}: {error}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise SourceFailed(f"{name}: {getattr(error, 'reason', error)}") from error

    if announced and len(content) != announced:
        raise SourceFailed(f"{name} ended after {len(content):,} of {announced:,} bytes")
    return content


def _receive(answer: HTTPResponse, name: str, expected_bytes: int, max_bytes: int) -> bytes:
    content = io.BytesIO()
    with progress.task(f"downloading {name}", expected_bytes / 1e6, "MB") as task:
        while piece := answer.read(_PIECE_BYTES):
            content.write(piece)
            task.advance(len(piece) / 1e6)
            if content.tell() > max_bytes:
                raise SourceFailed(f"{name} is larger than {max_bytes:,} bytes")
    return content.getvalue()


def unpack(archive: bytes, files: tuple[str, ...], folder: Path, size_bytes: int) -> Path:
    """Unpack files of a gzipped tar archive into a folder.

    Only regular files with these names are read, wherever they are in the archive, and they are
    written under these names. So no path in the archive decides where bytes are written.

    Args:
        archive: Content of the archive.
        files: Names of the files to unpack.
        folder: The folder to write to.
        size_bytes: Approximate size of the archive.

    Returns:
        The folder.

    Raises:
        SourceFailed: The content is not such an archive, or it expands far too much.
    """
    allowed_bytes = 2 * MAX_SIZE_RATIO * size_bytes
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as members:
            for member in members:
                allowed_bytes -= member.size
                if allowed_bytes < 0:
                    raise SourceFailed(f"its archive unpacks to far more than {size_bytes:,} bytes")
                name = member.name.rpartition("/")[2]
                if name not in files or not member.isfile():
                    continue
                stream = members.extractfile(member)
                if stream is not None:
                    store.write_bytes(folder / name, stream.read())
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError) as error:
        raise SourceFailed(f"its archive cannot be unpacked: {error}") from error
    return folder
