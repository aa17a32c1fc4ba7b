"""The cache: decoded once, opened as a map, decoded again when an entry is damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.data import load
from headstart.data._cache import Decoded, cached, content_key, hash_images


def build(_: Path) -> Decoded:
    images = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4, 1)
    return Decoded(images, np.array([0, 1, 0]), ("a", "b"))


def test_an_entry_is_built_once_and_opened_as_a_map(monkeypatch: pytest.MonkeyPatch) -> None:
    first = cached("key", "name", "source", build)
    second = cached("key", "name", "source", lambda _: pytest.fail("decoded again"))
    assert isinstance(second.images, np.memmap) and not second.images.flags.writeable
    assert np.array_equal(first.images, second.images) and first.fingerprint == second.fingerprint
    assert second.class_names == ("a", "b") and second.groups is None


@pytest.mark.parametrize("file", ["images.npy", "arrays.npz", "about.json"])
@pytest.mark.parametrize("damage", ["cut", "gone", "garbage"])
def test_a_damaged_entry_is_decoded_again(file: str, damage: str, own_cache: Path) -> None:
    first = cached("key", "name", "source", build)
    path = own_cache / "headstart" / "decoded" / "key" / file
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"\x00\x01 garbage")
    again = cached("key", "name", "source", build)
    assert np.array_equal(again.images, first.images) and again.fingerprint == first.fingerprint


def test_a_damaged_index_is_ignored(tmp_path: Path, own_cache: Path) -> None:
    images = np.zeros((4, 5, 5), np.uint8)
    np.savez(tmp_path / "a.npz", images=images, labels=np.array([0, 1, 0, 1]))
    first = load(tmp_path / "a.npz")
    (index,) = (own_cache / "headstart" / "index").iterdir()
    index.write_text("{")
    assert load(tmp_path / "a.npz").fingerprint == first.fingerprint


def test_hashes_tell_images_apart_by_content_and_shape() -> None:
    images = np.zeros((3, 2, 8, 1), np.uint8)
    images[1, 0, 0] = 1
    hashes = hash_images(images)
    assert hashes.shape == (3, 16)
    assert np.array_equal(hashes[0], hashes[2]) and not np.array_equal(hashes[0], hashes[1])
    assert not np.array_equal(hash_images(np.zeros((1, 4, 4, 1), np.uint8))[0], hashes[0])


def test_keys_keep_their_parts_apart() -> None:
    assert content_key("ab", "c") != content_key("a", "bc")
