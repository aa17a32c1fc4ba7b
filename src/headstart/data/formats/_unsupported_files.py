"""Archives, what a failed download leaves, and files of formats that are not supported."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headstart.data.formats._file_signatures import HEAD_BYTES, HTML, LFS_POINTER, signature_of
from headstart.data.formats._json_files import describe_json
from headstart.data.formats._reading import translate_read_errors
from headstart.data.formats.images._suffixes import IMAGE_SUFFIXES
from headstart.errors import InputError

ZIP, TAR = "zip", "tar"
ARCHIVE_NAME = re.compile(r"\.(zip|tar|tgz|tbz2?|txz|tar\.(gz|bz2|xz|z))$", re.IGNORECASE)
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_UNFINISHED = (".part", ".crdownload", ".download", ".aria2", ".partial", ".filepart")

_UNPACK = "Unpack it, and pass the folder: "
_PICKLE_HINT = (
    "Opening a pickle can run code, so Headstart never does. In Python, load it yourself, and pass "
    "the arrays: headstart.train((images, labels))."
)
_EXPORT = "Export it as image files: one folder per class."
_ARRAYS_HINT = "In Python, read the arrays and pass them, or save them with numpy.savez: "
# What a file is, and what to do with it, by its suffix.
_UNSUPPORTED = {
    ".rar": ("a RAR archive", _UNPACK + "unrar x {name}"),
    ".7z": ("a 7-Zip archive", _UNPACK + "7z x {name}"),
    ".zst": ("compressed with Zstandard", _UNPACK + "tar --zstd -xf {name}"),
    ".lz4": ("compressed with LZ4", _UNPACK + "lz4 -d {name}"),
    ".pkl": ("a pickle", _PICKLE_HINT),
    ".pickle": ("a pickle", _PICKLE_HINT),
    ".pt": ("a file of PyTorch, which may hold a pickle", _PICKLE_HINT),
    ".pth": ("a file of PyTorch, which may hold a pickle", _PICKLE_HINT),
    ".joblib": ("a pickle", _PICKLE_HINT),
    ".mat": ("a MATLAB file", _ARRAYS_HINT + "scipy.io.loadmat('{name}')."),
    ".h5": ("an HDF5 file", _ARRAYS_HINT + "h5py.File('{name}')."),
    ".hdf5": ("an HDF5 file", _ARRAYS_HINT + "h5py.File('{name}')."),
    ".tfrecord": (
        "a TFRecord file",
        f"{_EXPORT} In Python, tensorflow_datasets.as_numpy gives the arrays.",
    ),
    ".tfrecords": ("a TFRecord file", _EXPORT),
    ".tfrec": ("a TFRecord file", _EXPORT),
    ".bin": (
        "a binary file without a header",
        "CIFAR and STL-10 come as such files. In Python, read the arrays with "
        "numpy.fromfile('{name}', 'u1'), and pass them: headstart.train((images, labels)). Or use "
        "a dataset of torchvision.",
    ),
    **dict.fromkeys(
        (".yaml", ".yml"),
        ("a YAML file", "Pass a folder of class folders. Object detection is not supported."),
    ),
    ".rec": ("a RecordIO file of MXNet", _EXPORT),
    ".beton": ("a file of FFCV", _EXPORT),
    ".sqlite": ("an SQLite database", _EXPORT),
    ".arff": ("an ARFF file", "Save it as CSV: label,pixel0,pixel1,…"),
    ".npy": (
        "a single NumPy array",
        "Pass the folder that holds images.npy and labels.npy, or save both with numpy.savez.",
    ),
    **dict.fromkeys(
        (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers"),
        ("a spreadsheet", "Save the sheet as CSV in UTF-8, and pass that file."),
    ),
    ".json": ("a JSON file", ""),  # `describe_json` looks at its content.
    ".jsonl": (
        "a JSON Lines file",
        "Name it metadata.jsonl, call its fields file_name and label, and pass the folder of the "
        "images.",
    ),
    ".lmdb": ("an LMDB database", _EXPORT),
    ".mdb": ("an LMDB database", _EXPORT),
    ".gz": ("a single file compressed with gzip", "Unpack it: gunzip {name}"),
    ".bz2": ("a single file compressed with bzip2", "Unpack it: bunzip2 {name}"),
    ".xz": ("a single file compressed with xz", "Unpack it: unxz {name}"),
    ".pdf": ("a PDF document", "Pass a folder of class folders."),
}
_SHARD = re.compile(r"(?P<suffix>\.tfrecords?)-\d+-of-\d+$", re.IGNORECASE)


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file."""
    with translate_read_errors(path), path.open("rb") as file:
        return file.read(HEAD_BYTES)


def refuse_impostor(path: Path) -> None:
    """Raise an error if a file is not what its name says, but what a failed download leaves.

    Raises:
        InputError: It is a web page, a Git LFS pointer, or a download that is not finished.
    """
    head = read_head(path)
    refuse_web_page_or_pointer(path, head)
    if path.suffix.lower() in _UNFINISHED:
        raise InputError(
            f"{path} is a download that is not finished.", "Wait for its end, or download it again."
        )


def refuse_web_page_or_pointer(path: Path, head: bytes) -> None:
    """Raise an error if the first bytes of a file are those of a web page or a Git LFS pointer."""
    if HTML.match(head):
        raise InputError(
            f"{path} is a web page (HTML), not the data itself.",
            "The link leads to a page, perhaps one that asks you to sign in. Open it in a browser, "
            "and download the file from there.",
        )
    if head.startswith(LFS_POINTER):
        raise InputError(
            f"{path} is a Git LFS pointer ({len(head):,} bytes), not the data itself.",
            f"Fetch the data in that repository: git lfs pull --include {path.name}",
        )


def refuse_office_document(path: Path) -> None:
    """Raise an error if a zip archive is a document of an office program, whatever its name says.

    Raises:
        InputError: It is a workbook, or another document of Microsoft Office or OpenDocument.
    """
    if path.suffix.lower() == ".zip":
        return
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # Whoever unpacks it reports the error.
    is_sheet = any(name.startswith("xl/") for name in names) or "content.xml" in names
    if "[Content_Types].xml" in names or {"mimetype", "content.xml"} <= names:
        kind = "a spreadsheet" if is_sheet else "a document of an office program"
        raise InputError(
            f"{path} is {kind}, which is not supported.",
            "Save the sheet as CSV in UTF-8, and pass that file.",
        )


def archive_kind(path: Path) -> str | None:
    """Return ZIP or TAR if a file is such an archive by its content, or None.

    Other files that are zip archives inside, such as `.npz`, are not archives by their name.
    """
    head = read_head(path)
    is_named_otherwise = path.suffix.lower() in _UNSUPPORTED and not ARCHIVE_NAME.search(path.name)
    if _suffix_of(head) == ".zip":
        return None if is_named_otherwise or path.suffix.lower() == ".npz" else ZIP
    if ARCHIVE_NAME.search(path.name) or not is_named_otherwise:
        return TAR if _is_tar(path, head) else None
    return None


def refuse_named_archive(path: Path) -> None:
    """Raise an error if a file has the name of an archive, but is none."""
    if ARCHIVE_NAME.search(path.name) is None:
        return
    size = path.stat().st_size
    head = read_head(path)
    if _suffix_of(head) in _OPENERS:
        raise InputError(
            f"{path} is a truncated or damaged archive ({size:,} bytes), or a single compressed "
            "file.",
            "Download it again, and compare its size with that of the source.",
        )
    text = "is empty (0 bytes)" if size == 0 else f"is not an archive: it has {size:,} bytes and "
    if size:
        text += f"starts with {_describe_head(head)}"
    raise InputError(f"{path} {text}.", "Download it again, or pass a folder of class folders.")


def unknown_format(path: Path, accepted: str) -> InputError:
    """Return the error about a file of no accepted format. It names what the file is, if known."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return InputError(
            f"{path} is one image, not a dataset.",
            "Pass the folder above the class folders. To classify the image with a run: headstart "
            f"predict RUN {path.name}",
        )
    described = describe_unsupported(path, use_content=True)
    if described is not None:
        kind, hint = described
        return InputError(f"{path} is {kind}, which is not supported.", hint)
    return InputError(f"{path} has an unknown format.", f"Accepted: {accepted}.")


def describe_unsupported(path: Path, *, use_content: bool = False) -> tuple[str, str] | None:
    """Return what a file of an unsupported format is, and what to do, or None if it is unknown.

    Args:
        path: The file.
        use_content: Whether its first bytes decide if its suffix does not.
    """
    shard = _SHARD.search(path.name)
    suffix = (shard["suffix"] if shard else path.suffix).lower()
    if suffix not in _UNSUPPORTED and use_content:
        suffix = _suffix_of(read_head(path))
    if suffix not in _UNSUPPORTED:
        return None
    kind, hint = describe_json(path) if suffix == ".json" else _UNSUPPORTED[suffix]
    return kind, hint.replace("{name}", path.name)


def _describe_head(head: bytes) -> str:
    start = head[:16]
    if start.isascii() and start.decode("ascii").isprintable():
        return f"'{start.decode('ascii')}'"
    return start.hex(" ")


def _is_tar(path: Path, head: bytes) -> bool:
    """Return whether a file is a tar archive, plain or compressed, by its first header."""
    with translate_read_errors(path), path.open("rb") as raw:
        try:
            decompress = _OPENERS.get(_suffix_of(head))
            stream = raw if decompress is None else decompress(raw)
            block = stream.read(tarfile.BLOCKSIZE)
            tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.TarError, EOFError, OSError, lzma.LZMAError, zlib.error, ValueError):
            return False
    return True


def _suffix_of(head: bytes) -> str:
    """Return the usual suffix of the kind of file that begins with these bytes, or ""."""
    signature = signature_of(head)
    return "" if signature is None else signature.suffix
