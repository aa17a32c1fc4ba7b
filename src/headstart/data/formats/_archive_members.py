"""The members of a zip or tar archive, checked before they are written."""

from __future__ import annotations

import lzma
import re
import shlex
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from headstart import progress, store
from headstart.data.formats._text_encodings import (
    ZIP_ENCODINGS,
    plausible_readings,
    readings_sentence,
)
from headstart.errors import InputError

_READ_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
)
_ZIP_IS_ENCRYPTED, _ZIP_NAME_IS_UTF8 = 0x1, 0x800
_ZIP_METHODS = {
    zipfile.ZIP_STORED,
    zipfile.ZIP_DEFLATED,
    zipfile.ZIP_BZIP2,
    zipfile.ZIP_LZMA,
}
# Headers that tarfile reads as a whole: names and attributes. Real ones have a few hundred bytes.
_WHOLE_HEADERS = (
    *(tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE),
    *(tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK),
)
_LARGEST_HEADER_BYTES = 1 << 20
_FILE_TYPE, _LINK_TYPE, _REGULAR_TYPE = 0o170000, 0o120000, 0o100000  # of Unix file modes
_DRIVE = re.compile(r"[A-Za-z]:[/\\]")
_EXTRA_HEADER, _UNICODE_HEADER = struct.Struct("<HH"), struct.Struct("<BL")
_UNICODE_PATH = 0x7075
BY_HAND = "If you trust the archive, unpack it yourself, and pass the folder."


class Member(NamedTuple):
    """A file or folder in an archive.

    Attributes:
        parts: Names of the folders above it, and its own name. None of them leads upwards.
        size: Length of the file in bytes, or None for a folder.
        content: The open file, or None for a folder. It must be read before the next member.
    """

    parts: tuple[str, ...]
    size: int | None
    content: IO[bytes] | None


class _StrictTarInfo(tarfile.TarInfo):
    """A header of a tar archive whose damage is an error. By default tarfile ends quietly there."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> _StrictTarInfo:
        """Read the next header."""
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                raise
            raise tarfile.ReadError(f"{error or 'no header'} at byte {archive.offset:,}") from error

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        """Read what belongs to a header. tarfile calls this, and documents it for subclasses."""
        if self.type in _WHOLE_HEADERS and self.size > _LARGEST_HEADER_BYTES:
            raise tarfile.ReadError(
                f"a header of {self.size:,} bytes exceeds the limit of {_LARGEST_HEADER_BYTES:,}"
            )
        member: tarfile.TarInfo = super()._proc_member(archive)  # type: ignore[misc]
        return member


def read_zip(path: Path) -> Iterator[Member]:
    """Yield the members of a zip archive, within a block of `translate_archive_errors`.

    Raises:
        InputError: The archive is encrypted, or a member is a link or leads outside.
    """
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        for info, name in zip(infos, _zip_names(path, infos), strict=True):
            _check_zip_member(path, info)
            parts = _safe_parts(path, name.replace("\\", "/"))
            if info.is_dir() or info.filename.endswith("\\"):
                yield Member(parts, None, None)
                continue
            with archive.open(info) as content:
                yield Member(parts, info.file_size, content)


def zip_size(path: Path) -> tuple[int, int]:
    """Return the number of members of a zip archive, and their bytes after unpacking.

    Raises:
        InputError: The archive is damaged.
    """
    with translate_archive_errors(path), zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        return len(infos), sum(info.file_size for info in infos)


def read_tar(path: Path, raw: IO[bytes]) -> Iterator[Member]:
    """Yield the members of a tar archive, within a block of `translate_archive_errors`.

    Args:
        path: The archive, for error messages.
        raw: The open archive, plain or compressed, which is read from its start to its end.

    Raises:
        InputError: A member is a link or a device, or leads outside.
    """
    with tarfile.open(fileobj=raw, mode="r|*", tarinfo=_StrictTarInfo) as archive:
        while True:
            info = archive.next()
            if info is None:
                return
            # Otherwise tarfile keeps all of them in memory.
            archive.members.clear()  # type: ignore[attr-defined]  # not in typeshed
            parts = _safe_parts(path, info.name)
            if info.isdir():
                yield Member(parts, None, None)
            elif info.isfile():
                yield Member(parts, info.size, archive.extractfile(info))
            else:
                raise _not_a_file(path, info.name, info.issym() or info.islnk())


def _check_zip_member(path: Path, info: zipfile.ZipInfo) -> None:
    if info.flag_bits & _ZIP_IS_ENCRYPTED:
        raise InputError(
            f"{path} is encrypted: '{info.filename}' needs a password.",
            "Unpack it with the password, and pass the folder.",
        )
    if info.compress_type not in _ZIP_METHODS:
        raise InputError(
            f"{path} is compressed with method {info.compress_type}, which is not supported.",
            "Unpack it with another program, and pass the folder.",
        )
    kind = (info.external_attr >> 16) & _FILE_TYPE
    if kind not in (0, _REGULAR_TYPE) and not info.is_dir():
        raise _not_a_file(path, info.filename, kind == _LINK_TYPE)


def _zip_names(path: Path, infos: list[zipfile.ZipInfo]) -> list[str]:
    """Return the names of the members.

    macOS and others write UTF-8 without marking it as such, or only in an extra field. The format
    itself demands CP437. But Windows in East Asia and Eastern Europe writes its own encoding, which
    cannot be distinguished from it for certain.

    Raises:
        InputError: The names may have another encoding than CP437.
    """
    names, doubtful = [], []
    for info in infos:
        raw = b"" if info.flag_bits & _ZIP_NAME_IS_UTF8 else info.orig_filename.encode("cp437")
        name = info.filename if raw.isascii() else _unicode_path(info, raw) or _as_utf_8(raw)
        if name is None:
            doubtful.append(raw)
        names.append(name or info.filename)
    if not doubtful:
        return names

    readings = plausible_readings(b"\n".join(doubtful), ZIP_ENCODINGS)
    example = doubtful[0].decode("cp437")
    if [reading.codec for reading in readings] == ["CP437"]:
        progress.say(
            f"{path}: {len(doubtful):,} names of members are not UTF-8 and read as CP437, such as "
            f"'{example}'"
        )
        return names
    codec = readings[0].codec if readings else "ENCODING"
    raise InputError(
        f"{path} holds names that are not UTF-8, such as '{example}' in CP437."
        + readings_sentence(readings),
        "Unpack it with the encoding that is right, and pass the folder. For example: "
        f"python -m zipfile --metadata-encoding {codec} -e {shlex.quote(path.name)} "
        f"{shlex.quote(path.stem)}",
    )


def _as_utf_8(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _unicode_path(info: zipfile.ZipInfo, raw: bytes) -> str | None:
    """Return the name in Info-ZIP's extra field "Unicode Path" if it belongs to this name."""
    extra = info.extra
    while len(extra) >= _EXTRA_HEADER.size:
        kind, size = _EXTRA_HEADER.unpack_from(extra)
        field, extra = extra[_EXTRA_HEADER.size :][:size], extra[_EXTRA_HEADER.size + size :]
        if kind == _UNICODE_PATH and len(field) >= _UNICODE_HEADER.size:
            version, checksum = _UNICODE_HEADER.unpack_from(field)
            if version == 1 and checksum == zlib.crc32(raw):
                return _as_utf_8(field[_UNICODE_HEADER.size :])
    return None


def _safe_parts(path: Path, name: str) -> tuple[str, ...]:
    """Return the parts of a member's name, after a check that they stay inside the target."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith(("/", "\\")) or _DRIVE.match(name) or ".." in parts or "\0" in name:
        raise InputError(
            f"{path} is unsafe: its member '{name[:100]}' would be written outside the folder of "
            "the archive.",
            "Do not use this archive. Download it again from a source that you trust.",
        )
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        readings = plausible_readings(name.encode("utf-8", "surrogateescape"))
        raise InputError(
            f"{path} holds a name that is not UTF-8: {name[:100]!a}." + readings_sentence(readings),
            BY_HAND,
        ) from None
    return parts


def _not_a_file(path: Path, name: str, is_link: bool) -> InputError:
    kind = "a link" if is_link else "neither a file nor a folder"
    return InputError(
        f"{path} holds '{name[:100]}', which is {kind}. Nothing is unpacked.", BY_HAND
    )


@contextmanager
def translate_archive_errors(path: Path) -> Iterator[None]:
    """Replace errors of reading an archive in the block by an InputError."""
    store.require_regular(path)
    try:
        yield
    except _READ_ERRORS as error:
        raise damaged_archive(path, str(error)) from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise damaged_archive(path, str(error)) from error  # from bz2


def damaged_archive(path: Path, reason: str) -> InputError:
    """Return the error about an archive that is truncated or damaged."""
    reason = reason.strip(". ")
    return InputError(
        f"{path} is a truncated or damaged archive ({path.stat().st_size:,} bytes): "
        f"{reason[:1].lower()}{reason[1:]}.",
        "Download it again, and compare its size with that of the source.",
    )
