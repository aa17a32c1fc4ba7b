"""Limits of the readers: a small file takes little memory and time, and fails in words."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import socket
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from table_helpers import error_of, load_and_listen, write_images, write_table

from headstart import store
from headstart.data import load
from headstart.data.formats.tables import _csv_table, _text
from headstart.errors import InputError
from headstart.store import _limits

HEADER = "label,pixel0,pixel1,pixel2,pixel3"
IMAGES, LABELS = np.zeros((4, 4, 4), np.uint8), np.array([0, 1, 0, 1])
PEAK_BYTES = 48 << 20


def header_of(shape: str, descr: str = "|u1") -> bytes:
    """Return the header of an array file, whatever it announces."""
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def write_npz(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def array_file(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def npz_of(images: bytes) -> Callable[[Path], Path]:
    return lambda folder: write_npz(
        folder / "a.npz", {"images.npy": images, "labels.npy": array_file(LABELS)}
    )


def idx_of(count: int, content: bytes) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        head = struct.pack(">IIII", 0x803, count, 256, 256)
        (folder / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + content))
        labels = struct.pack(">II", 0x801, 4) + b"\0\1\0\1"
        (folder / "train-labels-idx1-ubyte").write_bytes(labels)
        return folder

    return write


def table_of(*lines: str) -> Callable[[Path], Path]:
    return lambda folder: write_table(folder / "a.csv", *lines)


def tar_with_long_name(folder: Path) -> Path:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 64 << 20
    with gzip.open(folder / "a.tar.gz", "wb") as file:
        file.write(info.tobuf(tarfile.GNU_FORMAT) + bytes(info.size))
    return folder / "a.tar.gz"


HOSTILE = {
    "a number of pixels": (
        table_of("label,pixel0,pixel1,pixel20000000", "a,1,2,3", "b,1,2,3"),
        "but none has the number 2",
    ),
    "digits in a column's name": (
        table_of(f"label,pixel0,pixel{'9' * 5000}", "a,1,2", "b,1,2"),
        "a column name of more than 1,000 characters",
    ),
    "a shape beyond the file": (
        npz_of(header_of("(100000000000, 28, 28)")),
        "should have 78,400,000,000,000 bytes",
    ),
    "a negative shape": (npz_of(header_of("(-1, 28, 28)")), "should have -784 bytes"),
    "a header without end": (npz_of(header_of("((((")), "cannot be read as .npz"),
    "a long header": (
        npz_of(b"\x93NUMPY\x02\x00" + struct.pack("<I", 60 << 20) + bytes(60 << 20)),
        "reading array header",
    ),
    "objects": (npz_of(header_of("(4,)", "|O") + b"\x80\x04N."), "which can run code"),
    "no array": (npz_of(b"hello"), "magic string"),
    "a gzipped IDX": (idx_of(1 << 16, bytes(99)), "expands too far: 65536 x 256 x 256 values"),
    "a long header of a tar": (tar_with_long_name, "a header of 67,108,864 bytes exceeds"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_announces_gigabytes_is_refused_in_little_memory(
    tmp_path: Path, name: str
) -> None:
    write, text = HOSTILE[name]
    path = write(tmp_path)
    tracemalloc.start()
    try:
        assert text in error_of(path)
        assert tracemalloc.get_traced_memory()[1] < PEAK_BYTES
    finally:
        tracemalloc.stop()


def test_members_that_nobody_asks_for_are_not_read(tmp_path: Path) -> None:
    members = {"junk.npy": header_of(f"({48 << 20},)") + bytes(48 << 20)}
    members |= {"images.npy": array_file(IMAGES), "labels.npy": array_file(LABELS)}
    path = write_npz(tmp_path / "a.npz", members)
    members.clear()
    tracemalloc.start()
    try:
        assert len(load(path)) == 4
        assert tracemalloc.get_traced_memory()[1] < PEAK_BYTES
    finally:
        tracemalloc.stop()


def test_compressed_files_expand_at_most_a_hundred_times(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_limits, "ALWAYS_ALLOWED_BYTES", 1 << 20)
    table = tmp_path / "a.csv.gz"
    table.write_bytes(gzip.compress(f"{HEADER}\n".encode() + b"a,1,2,3,4\n" * 300_000))
    assert "a.csv.gz expands to more than 1 MB, 100 times its own size" in error_of(table)

    images = header_of("(4, 1024, 1024)") + bytes(4 << 20)
    assert "expands too far: the array images would have 4 MB" in error_of(npz_of(images)(tmp_path))


def test_lines_records_and_columns_are_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_text, "LONGEST_LINE", 1000)
    monkeypatch.setattr(_csv_table, "LONGEST_LINE", 1000)
    monkeypatch.setattr(_csv_table, "MOST_COLUMNS", 50)
    rows = ["a,1,2,3,4", "b,5,6,7,8"]
    for wrong, text in [
        ("c" * 1001, "line 4 of a.csv is too long: expected at most 1,000 characters"),
        ("," * 60, "line 4 of a.csv has more than 50 fields"),
        ('"x' + "\n" + '","y\n' * 300, "the record is longer than 1,000 characters"),
    ]:
        path = write_table(tmp_path / "a.csv", HEADER, *rows, wrong)
        assert text in error_of(path)


def test_an_underscore_is_no_digit(tmp_path: Path) -> None:
    path = write_table(tmp_path / "a.csv", HEADER, "a,1_0,2,3,4", "b,1,2,3,5")
    assert "invalid pixel0: expected an integer from 0 to 255, got '1_0'" in error_of(path)


def special_files(folder: Path) -> dict[str, Path]:
    """Make a FIFO, a socket, and links to a FIFO and to a device that never ends."""
    # The link comes before its target, which tests move away.
    paths = {name: folder / name for name in ("link to a fifo", "fifo", "socket", "device")}
    os.mkfifo(paths["fifo"])
    with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(folder):
        server.bind("socket")
    paths["link to a fifo"].symlink_to(paths["fifo"])
    paths["device"].symlink_to("/dev/zero")
    return paths


@pytest.mark.parametrize(
    "name", ["x.csv", "x.npz", "x.parquet", "x.zip", "x.tar.gz", "x.png", "images/metadata.jsonl"]
)
def test_special_files_are_refused_without_opening_them(tmp_path: Path, name: str) -> None:
    (tmp_path / "images").mkdir()
    write_images(tmp_path, ["images/0.png", "images/1.png"])
    for kind, special in special_files(tmp_path).items():
        path = tmp_path / name
        special.rename(path)
        data = path.parent if name.startswith("images") else path
        text = error_of(data)
        assert "which is never read" in text or "metadata.jsonl" in text or "no class" in text, kind
        path.unlink()


def test_special_files_in_folders_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    write_images(data, [f"{label}/{number}.png" for label in "ab" for number in range(3)])
    for number, special in enumerate(special_files(tmp_path).values()):
        (data / "a" / f"s{number}.png").symlink_to(special)
    loaded, err = load_and_listen(capsys, data)
    assert len(loaded) == 6
    assert "4 special files" in err or "s0.png" in err


def test_files_of_a_run_are_regular_files_too(tmp_path: Path) -> None:
    for kind, special in special_files(tmp_path).items():
        with pytest.raises(InputError, match="never read"):
            store.read_json(special)
        with pytest.raises(InputError, match="never read"), store.open_npz(special):
            pytest.fail(kind)


@pytest.mark.parametrize(
    ("content", "text"),
    [("[" * 100_000, "recursion"), ('{"a": ' + "9" * 5000 + "}", "digits"), ("\ud800", "JSON")],
)
def test_hostile_json_is_an_error_in_words(tmp_path: Path, content: str, text: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=text):
        store.read_json(path)
    assert store.read_json_or(path, {}) == {}


def test_json_of_another_type_counts_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("[1, 2]")
    assert store.read_json_or(path, {}) == {}
    assert store.read_json_or(path, None) == [1, 2]
