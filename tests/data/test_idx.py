"""IDX files: the reader reads what the header announces, and names every fault."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from headstart.data.formats.arrays._idx_file import read_idx
from headstart.errors import InputError

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def idx_bytes(array: np.ndarray, kind: int = 0x08) -> bytes:
    return (
        struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape) + array.tobytes()
    )


def error_of(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_idx(path)
    assert str(path) in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    ("name", "is_gzipped"),
    [("a-ubyte", False), ("a-ubyte.gz", True), ("a-ubyte", True), ("a-ubyte.gz", False)],
)
def test_the_first_bytes_and_not_the_name_decide_whether_a_file_is_gzipped(
    tmp_path: Path, name: str, is_gzipped: bool
) -> None:
    content = idx_bytes(IMAGES)
    (tmp_path / name).write_bytes(gzip.compress(content) if is_gzipped else content)
    images = read_idx(tmp_path / name)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, IMAGES)


def test_labels_have_one_dimension(tmp_path: Path) -> None:
    (tmp_path / "labels").write_bytes(idx_bytes(np.array([3, 0, 9], np.uint8)))
    assert read_idx(tmp_path / "labels").tolist() == [3, 0, 9]


@pytest.mark.parametrize("is_gzipped", [False, True])
def test_the_error_about_a_short_file_gives_both_lengths(tmp_path: Path, is_gzipped: bool) -> None:
    content = idx_bytes(IMAGES)[:-5]
    assert "expected 24 bytes after its header (2 x 3 x 4), got 19." in error_of(
        tmp_path / "a", gzip.compress(content) if is_gzipped else content
    )


def test_a_long_file_is_an_error_and_its_surplus_is_not_decompressed(tmp_path: Path) -> None:
    assert "expected 24 bytes after its header (2 x 3 x 4), got 25." in error_of(
        tmp_path / "a", idx_bytes(IMAGES) + b"x"
    )
    bomb = gzip.compress(idx_bytes(IMAGES) + bytes(20_000_000))
    assert "expected 24 bytes after its header (2 x 3 x 4), got more." in error_of(
        tmp_path / "b", bomb
    )


def test_an_incomplete_gzip_file_is_an_error(tmp_path: Path) -> None:
    assert "cannot be decompressed" in error_of(
        tmp_path / "a", gzip.compress(idx_bytes(IMAGES))[:-9]
    )


def test_a_damaged_gzip_file_is_an_error(tmp_path: Path) -> None:
    content = bytearray(
        gzip.compress(idx_bytes(np.random.default_rng(0).integers(0, 256, (50, 9), np.uint8)))
    )
    content[-6] ^= 0xFF  # in the checksum
    assert "cannot be decompressed" in error_of(tmp_path / "a", bytes(content))


def test_the_error_about_another_kind_of_file_shows_its_first_bytes(tmp_path: Path) -> None:
    assert (
        "expected it to start with 00 00 08 and the number of dimensions, got 89 50 4e 47."
        in error_of(tmp_path / "a", b"\x89PNG\r\n")
    )
    assert "got nothing." in error_of(tmp_path / "b", b"")


def test_another_element_type_is_named(tmp_path: Path) -> None:
    assert "expected 0x08 (unsigned bytes), got 0x0d." in error_of(
        tmp_path / "a", idx_bytes(IMAGES, kind=0x0D)
    )


@pytest.mark.parametrize("dimensions", [0, 5])
def test_an_impossible_number_of_dimensions_is_an_error(tmp_path: Path, dimensions: int) -> None:
    assert f"expected 1 to 4, got {dimensions}." in error_of(
        tmp_path / "a", bytes([0, 0, 8, dimensions]) + bytes(40)
    )


def test_an_incomplete_header_is_an_error(tmp_path: Path) -> None:
    assert "ends inside its header: expected 16 bytes, got 10." in error_of(
        tmp_path / "a", idx_bytes(IMAGES)[:10]
    )


def test_a_header_that_announces_more_than_4_gib_is_an_error_before_reading(tmp_path: Path) -> None:
    header = struct.pack(">BBBBIII", 0, 0, 8, 3, 2_000_000, 2_000, 2_000)
    assert "expected at most 4,294,967,296 bytes" in error_of(tmp_path / "a", gzip.compress(header))


def test_a_missing_file_and_a_folder_are_errors(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_idx(path)
