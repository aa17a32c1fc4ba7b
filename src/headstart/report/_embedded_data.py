"""The data inside a report: everything that its page was written from, compressed.

The element with the data is the last one of the page. Its text is a JSON object:

    format      version of this format
    headstart   version that wrote the page
    page        SHA-256 of the page without the element
    sha256      SHA-256 of the data before compression
    data        the data, as base64 (RFC 4648, section 5) of an xz file of a JSON object

The data have `files` (text files by path, relative to the study), `arrays` (NumPy files as base64),
`predictions` (labels, predicted classes and groups per run and part, as base64 of int32),
`drawings` (SHA-256 of each image and SVG drawing of the page), `matplotlib` (its version) and
`headstart`, which must be the version outside the data. Pixels are not among them, because the
images are in the page already.
"""

from __future__ import annotations

import base64
import hashlib
import json
import lzma
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart import __version__, store
from headstart.errors import InputError
from headstart.report._report_files import FILE_NAMES, collect_files

FORMAT = 1
_START = '<script type="application/json" id="headstart-data">'
_END = "</script>"
_ELEMENT = re.compile(f"{re.escape(_START)}(.*?){re.escape(_END)}\n?", re.S)
_DRAWING = re.compile(r"data:image/[\w+]+;base64,[\w+/=]*|<svg\b.*?</svg>", re.S)

# Folders of runs may lie beside the study. Deeper paths are not those of a report.
_MOST_PARENTS = 8


@dataclass(frozen=True)
class PartPredictions:
    """The predictions of a run for one part of the split.

    Attributes:
        labels: True classes, int64 of shape (n,).
        predicted: Predicted classes, int64 of shape (n,).
        groups: Group of each image, int64 of shape (n,). None if no groups are known.
    """

    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError unless all arrays have the same length."""
        others = [self.predicted] if self.groups is None else [self.predicted, self.groups]
        if any(len(array) != len(self.labels) for array in others):
            raise ValueError("the predictions of a run have different lengths")


@dataclass(frozen=True)
class EmbeddedData:
    """The data of a page.

    Attributes:
        headstart: Version of Headstart that wrote the page.
        page_digest: SHA-256 of the page without its data.
        files: Text files by path, relative to the study.
        arrays: NumPy files by path, without pixels.
        predictions: The predictions by run and part.
        drawings: SHA-256 of each image and SVG drawing of the page, in its order.
        matplotlib: Version of Matplotlib that drew them.
    """

    headstart: str
    page_digest: str
    files: Mapping[str, str]
    arrays: Mapping[str, bytes]
    predictions: Mapping[tuple[str, str], PartPredictions]
    drawings: tuple[str, ...]
    matplotlib: str


def embed_data(page: str, folder: Path, pooled: Mapping[Path, frozenset[int]] | None = None) -> str:
    """Return a page with the data that it was written from.

    Args:
        page: The page as HTML.
        folder: The study or run folder.
        pooled: Dataset indices of the images behind the confusion matrices, by run folder.
    """
    content = {
        **collect_files(folder, pooled),
        "headstart": __version__,
        "drawings": drawing_digests(page),
        "matplotlib": version("matplotlib"),
    }
    data = json.dumps(content, ensure_ascii=False, sort_keys=True).encode()
    packed = base64.urlsafe_b64encode(lzma.compress(data, preset=6)).decode()
    element = {
        "format": FORMAT,
        "headstart": __version__,
        "page": _digest(page.encode()),
        "sha256": _digest(data),
        "data": packed,
    }
    before, body_end, after = page.rpartition("</body>")
    return f"{before}{_START}{json.dumps(element)}{_END}\n{body_end}{after}"


def split_page(page: str) -> tuple[str, str]:
    """Return the page without its data, and the text of the element with the data.

    Raises:
        InputError: The page holds no data.
    """
    elements = _ELEMENT.findall(page)
    if len(elements) != 1:
        raise InputError(
            "the page holds no data to verify: it is not a report of Headstart, or an earlier "
            "version wrote it.",
            "Write it again from its folder: headstart report STUDY",
        )
    return _ELEMENT.sub("", page), elements[0]


def read_data(element: str) -> EmbeddedData:
    """Read the data of a page.

    Args:
        element: The text of the element.

    Raises:
        ValueError: The data are damaged, or do not have the recorded digest.
    """
    try:
        outer = json.loads(element)
        if outer["format"] != FORMAT:
            raise ValueError(f"unknown format {outer['format']!r}")
        data = lzma.decompress(base64.b64decode(outer["data"], b"-_", validate=True))
        if _digest(data) != outer["sha256"]:
            raise ValueError("the data do not have the recorded SHA-256")
        content = json.loads(data)
        # Data of an earlier version do not name it.
        if content.get("headstart", outer["headstart"]) != outer["headstart"]:
            raise ValueError(f"another version wrote the data: {content['headstart']}")
        return EmbeddedData(
            headstart=str(outer["headstart"]),
            page_digest=str(outer["page"]),
            files=content["files"],
            arrays={path: base64.b64decode(text) for path, text in content["arrays"].items()},
            predictions=dict(_unpack_predictions(content["predictions"])),
            drawings=tuple(content["drawings"]),
            matplotlib=str(content["matplotlib"]),
        )
    except (KeyError, TypeError, AttributeError, EOFError, lzma.LZMAError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def drawing_digests(page: str) -> list[str]:
    """Return the SHA-256 of each image and SVG drawing in a page, in their order."""
    return [_digest(drawing.encode()) for drawing in drawings(page)]


def drawings(page: str) -> list[str]:
    """Return each image and SVG drawing in a page, in their order."""
    return _DRAWING.findall(page)


def without_drawings(page: str) -> str:
    """Return the page with empty images and drawings."""
    return _DRAWING.sub("data:image/", page)


def is_svg(drawing: str) -> bool:
    """Return whether one of `drawings` is an SVG drawing, whose texts can be read."""
    return drawing.startswith("<svg")


def page_digest(page: str) -> str:
    """Return the SHA-256 of a page without its data."""
    return _digest(page.encode())


def write_files(data: EmbeddedData, root: Path) -> Path:
    """Write the files of a report into an empty folder, and return the folder of its study.

    Raises:
        ValueError: A path is not that of a file of a study.
    """
    study = root.joinpath(*["study"] * (_MOST_PARENTS + 1))
    for path, text in data.files.items():
        store.write_text(study / _checked(path), text)
    for path, content in data.arrays.items():
        store.write_bytes(study / _checked(path), content)
    return study


def _checked(path: str) -> Path:
    """Return a path of the data, after it is known to stay inside the root folder."""
    parts = path.split("/")
    names = parts[:]
    while names and names[0] == "..":
        names.pop(0)
    parents = len(parts) - len(names)
    is_outside = parents > _MOST_PARENTS or not {"..", ".", ""}.isdisjoint(names)
    if is_outside or not names or names[-1] not in FILE_NAMES or re.search(r"[\x00\\:]", path):
        raise ValueError(f"{path!r} is not the path of a file of a report")
    return Path(*parts)


def _unpack_predictions(
    packed: Mapping[str, Mapping[str, Mapping[str, str]]],
) -> Iterator[tuple[tuple[str, str], PartPredictions]]:
    for run, parts in packed.items():
        for part, columns in parts.items():
            arrays = {name: _unpack(text) for name, text in columns.items()}
            yield (run, part), PartPredictions(**arrays)


def _unpack(text: str) -> NDArray[np.int64]:
    return np.frombuffer(base64.b64decode(text), "<i4").astype(np.int64)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
