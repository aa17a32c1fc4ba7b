"""The cache: an entry is decoded once, opened as a map, and decoded again when it is damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.data import _cache_check, load
from headstart.data._cache_entry import open_or_decode
from headstart.data._fingerprints import content_key, hash_images
from headstart.data._types import Dataset, DecodedImages


def decode(_: Path) -> DecodedImages:
    images = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4, 1)
    return DecodedImages(images, np.array([0, 1, 0]), ("a", "b"))


def opened(decode: Callable[[Path], DecodedImages] = decode) -> Dataset:
    return open_or_decode("key", decode, name="name", source="source")


def test_an_entry_is_decoded_once_and_opened_as_a_map(monkeypatch: pytest.MonkeyPatch) -> None:
    first = opened()
    second = opened(lambda _: pytest.fail("decoded again"))
    assert isinstance(second.images, np.memmap) and not second.images.flags.writeable
    assert np.array_equal(first.images, second.images) and first.fingerprint == second.fingerprint
    assert second.class_names == ("a", "b") and second.groups is None


@pytest.mark.parametrize("file", ["images.npy", "arrays.npz", "about.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "garbage", "flip"])
def test_a_damaged_entry_is_decoded_again(
    file: str, damage: str, own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = opened()
    path = own_cache / "headstart" / "decoded" / "key" / file
    content = path.read_bytes()
    path.unlink()
    damaged = {
        "cut": content[: len(content) // 2],
        "garbage": b"\x00\x01 garbage",
        "flip": content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    }
    if damage in damaged:
        path.write_bytes(damaged[damage])
    again = opened()
    assert np.array_equal(again.images, first.images) and again.fingerprint == first.fingerprint
    assert "is damaged" in capsys.readouterr().err


def test_changed_class_names_of_an_entry_without_a_seal_are_noticed(own_cache: Path) -> None:
    opened()
    entry = own_cache / "headstart" / "decoded" / "key"
    (entry / "manifest.json").unlink()
    about = entry / "about.json"
    about.write_text(about.read_text().replace('"b"', '"c"', 1))
    assert opened().class_names == ("a", "b")


@pytest.mark.parametrize("is_dated", [True, False])
def test_damaged_images_of_a_large_entry_are_noticed(
    is_dated: bool, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_cache_check, "WHOLE_BYTES", 0)
    before = np.array(opened().images)
    path = own_cache / "headstart" / "decoded" / "key" / "images.npy"
    status = path.stat()
    content = bytearray(path.read_bytes())
    # One image, if the time of the file tells; all of them, which a sample must find.
    for place in (-1,) if is_dated else range(-48, 0):
        content[place] ^= 1
    path.write_bytes(content)
    shift = 10 if is_dated else 0
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + shift))
    assert np.array_equal(opened().images, before)


def test_the_images_of_a_new_large_entry_are_not_all_hashed_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_cache_check, "WHOLE_BYTES", 0)
    monkeypatch.setattr(_cache_check, "SAMPLED_IMAGES", 2)
    counts: list[int] = []

    def count_images(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        counts.append(len(images))
        return hash_images(images)

    monkeypatch.setattr(_cache_check, "hash_images", count_images)
    opened()
    opened()
    assert set(counts) == {2}


def test_a_damaged_index_is_ignored(tmp_path: Path, own_cache: Path) -> None:
    images = np.zeros((4, 5, 5), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.array([0, 1, 0, 1]))
    first = load(tmp_path / "a.npz")
    (index,) = (own_cache / "headstart" / "index").iterdir()
    for damage in ("{", "[]", '{"signature": 1}'):
        index.write_text(damage)
        assert load(tmp_path / "a.npz").fingerprint == first.fingerprint


def test_hashes_differ_for_another_content_or_shape() -> None:
    images = np.zeros((3, 2, 8, 1), np.uint8)
    images[1, 0, 0] = 1
    hashes = hash_images(images)
    assert hashes.shape == (3, 16)
    assert np.array_equal(hashes[0], hashes[2]) and not np.array_equal(hashes[0], hashes[1])
    assert not np.array_equal(hash_images(np.zeros((1, 4, 4, 1), np.uint8))[0], hashes[0])


def test_the_key_depends_on_where_a_part_ends() -> None:
    assert content_key("ab", "c") != content_key("a", "bc")
