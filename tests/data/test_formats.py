"""The protocol of a format, and what a new one needs."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from headstart.data import _load, load
from headstart.data._types import DecodedImages, OptionValues
from headstart.data.formats._protocol import Format, LoadOptions
from headstart.errors import InputError


def class_folders(folder: Path) -> Path:
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        Image.new("RGB", (4, 4)).save(folder / name / "1.png")
    return folder


def path_csv(folder: Path) -> Path:
    class_folders(folder)
    (folder / "labels.csv").write_text("path,label\ncat/1.png,cat\ndog/1.png,dog\n")
    return folder / "labels.csv"


def pixel_csv(folder: Path) -> Path:
    folder.mkdir()
    (folder / "train.csv").write_text("label,pixel0\n0,1\n1,2\n")
    return folder / "train.csv"


def npz(folder: Path) -> Path:
    folder.mkdir()
    images, labels = np.zeros((2, 4, 4), np.uint8), np.array([0, 1])
    np.savez(folder / "a.npz", images=images, labels=labels)
    return folder / "a.npz"


def npy_folder(folder: Path) -> Path:
    folder.mkdir()
    np.save(folder / "images.npy", np.zeros((2, 4, 4), np.uint8))
    np.save(folder / "labels.npy", np.array([0, 1]))
    return folder


def parquet(folder: Path) -> Path:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    folder.mkdir()
    columns = {"image": [file.getvalue()] * 2, "label": ["cat", "dog"]}
    pq.write_table(pa.table(columns), folder / "a.parquet")
    return folder / "a.parquet"


def metadata_folder(folder: Path) -> Path:
    folder.mkdir()
    for number in range(2):
        Image.new("RGB", (4, 4)).save(folder / f"{number}.png")
    (folder / "metadata.csv").write_text("file_name,label\n0.png,cat\n1.png,dog\n")
    return folder


def part_tables(folder: Path) -> Path:
    (folder / "train").mkdir(parents=True)
    for number in range(2):
        Image.new("RGB", (4, 4)).save(folder / "train" / f"{number}.png")
    lines = "filename, cat, dog\n0.png, 1, 0\n1.png, 0, 1\n"
    (folder / "train/_classes.csv").write_text(lines)
    return folder


def idx_folder(folder: Path) -> Path:
    folder.mkdir()
    header = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1])
    (folder / "train-images-idx3-ubyte").write_bytes(header + bytes(2))
    (folder / "train-labels-idx1-ubyte").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 0, 1]))
    return folder


EXAMPLES: list[tuple[str, Callable[[Path], Path]]] = [
    ("IdxFolder", idx_folder),
    ("NpyFolder", npy_folder),
    ("Parquet", parquet),
    ("TableFolder", metadata_folder),
    ("TableFolder", part_tables),
    ("ClassFolders", class_folders),
    ("PathCsv", path_csv),
    ("PixelCsv", pixel_csv),
    ("Npz", npz),
]


def test_every_format_has_an_example_here() -> None:
    names = dict.fromkeys(name for name, _ in EXAMPLES)
    assert [type(form).__name__ for form in _load.FORMATS] == list(names)


@pytest.mark.parametrize(("name", "write"), EXAMPLES)
def test_a_format_lists_existing_files_and_decodes_them(
    name: str, write: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = write(tmp_path / "data")
    form = next(form for form in _load.FORMATS if form.recognizes(path))
    assert type(form).__name__ == name

    listing = form.list(path, LoadOptions())
    assert listing.files and all((listing.root / file).is_file() for file in listing.files)
    assert json.loads(json.dumps(listing.key_options)) == listing.key_options

    (tmp_path / "building").mkdir()
    decoded = listing.decode(tmp_path / "building")
    assert decoded.images.dtype == np.uint8 and decoded.images.ndim == 4
    assert decoded.labels.tolist() == [0, 1] and len(decoded.class_names) == 2


@pytest.mark.parametrize(("name", "write"), EXAMPLES)
def test_an_option_that_a_format_ignores_is_an_error(
    name: str, write: Callable[[Path], Path], tmp_path: Path
) -> None:
    path = write(tmp_path / "data")
    form = next(form for form in _load.FORMATS if form.recognizes(path))
    for option in form.ignored_options:
        assert option in {field.name for field in fields(LoadOptions)}
        with pytest.raises(InputError, match=f"{option} does not apply to {path}, {form.name}"):
            load(path, **{option: 1})  # type: ignore[arg-type]


def test_the_list_of_accepted_forms_names_every_format() -> None:
    assert all(form.accepted_as in _load.ACCEPTED for form in _load.FORMATS)


@dataclass(frozen=True)
class LetterFile:
    """A text of letters, each of which is one image of one pixel."""

    path: Path
    decodings: list[Path]

    @property
    def root(self) -> Path:
        return self.path.parent

    @property
    def files(self) -> tuple[str, ...]:
        return (self.path.name,)

    @property
    def key_options(self) -> OptionValues:
        return {"kind": "letters"}

    def decode(self, building: Path) -> DecodedImages:
        self.decodings.append(self.path)
        letters = np.frombuffer(self.path.read_bytes(), np.uint8)
        class_names, labels = np.unique(letters, return_inverse=True)
        names = tuple(chr(code) for code in class_names)
        return DecodedImages(letters.reshape(-1, 1, 1, 1), labels.astype(np.int64), names)


@dataclass(frozen=True)
class Letters:
    """A format as a contributor would add it."""

    decodings: list[Path]
    name: str = "a file of letters"
    accepted_as: str = "a file of letters"
    ignored_options: tuple[str, ...] = ("pixel_max", "group_by")

    def recognizes(self, path: Path) -> bool:
        return path.suffix == ".letters"

    def list(self, path: Path, options: LoadOptions) -> LetterFile:
        return LetterFile(path, self.decodings)


def test_a_new_format_is_a_class_and_an_entry_in_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = Letters([])
    formats: tuple[Format, ...] = (*_load.FORMATS, letters)
    monkeypatch.setattr(_load, "FORMATS", formats)
    path = tmp_path / "text.letters"
    path.write_text("abba")

    dataset = load(path)
    assert dataset.class_names == ("a", "b") and dataset.labels.tolist() == [0, 1, 1, 0]
    assert load(path).fingerprint == dataset.fingerprint
    assert letters.decodings == [path]  # the second time it was opened from the cache
    with pytest.raises(InputError, match=r"group_by does not apply to .*, a file of letters"):
        load(path, group_by="x")
