"""Large memory maps: read correctly in every form, and never entirely resident."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart import progress
from headstart.data import _memory_maps, load, take
from headstart.errors import InputError

Images = NDArray[np.uint8]

MEASURED = """
import sys
from pathlib import Path
import numpy as np
from headstart.classifier._predictions import mean_brightness
from headstart.data import SplitDataset, describe, load, make_split, take

def resident_peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    line = next(line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000

images = np.load(sys.argv[1], mmap_mode="r")
before = resident_peak()
dataset = load((images, np.arange(len(images)) % 3))
split = make_split(dataset, test=0)
describe(SplitDataset(dataset, split))
print(resident_peak() - before)
for part in np.array_split(np.random.default_rng(0).permutation(len(images)), len(images) // 64):
    take(dataset.images, part)
print(resident_peak() - before)
small = images.reshape(-1, 16, 16, 3)
for part in np.array_split(np.random.default_rng(0).permutation(len(small))[:20_000], 40):
    take(small, part)
print(resident_peak() - before)
mean_brightness(images, np.random.default_rng(0).permutation(len(images))[:2000])
print(resident_peak() - before)
"""


def map_of(path: Path, images: NDArray[Any], mode: Literal["r", "r+", "c"] = "r") -> NDArray[Any]:
    np.save(path, images)
    return np.load(path, mmap_mode=mode)  # type: ignore[no-any-return]


@pytest.fixture
def images() -> Images:
    return np.random.default_rng(0).integers(0, 256, (40, 64, 48, 3), dtype=np.uint8)


@pytest.fixture
def all_maps_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat the map of a few images as a large one, read in several steps."""
    monkeypatch.setattr(_memory_maps, "KEPT_BYTES", 100_000)
    monkeypatch.setattr(_memory_maps, "FAULT_BYTES", 4096)
    monkeypatch.setattr(_memory_maps, "BLOCK_BYTES", 100_000)


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux reports the peak of resident memory"
)
def test_little_of_a_large_map_is_resident_while_it_is_hashed_and_read(tmp_path: Path) -> None:
    count = 6000
    made = np.lib.format.open_memmap(
        tmp_path / "images.npy", "w+", np.uint8, (count, 224, 224, 3)
    )  # 903 MB, sparse
    made[:, 0, 0, 0], made[:, 0, 0, 1] = np.divmod(np.arange(count), 256)
    del made
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path / "images.npy")],
        capture_output=True,
        text=True,
        check=True,
    )
    for what, peak in zip(
        ("hashed", "read", "read as many small images", "brightness of some rows"),
        done.stdout.split(),
        strict=True,
    ):
        assert float(peak) < 450, what


@pytest.mark.usefixtures("all_maps_are_large")
@pytest.mark.parametrize("rows", [[3, 1, 2], [29, 0, 29, 5, 5], [-1, -30], list(range(30)), []])
@pytest.mark.parametrize(
    "view",
    [
        pytest.param(lambda images: images, id="all"),
        pytest.param(lambda images: images[7:, 1:, ::2], id="part"),
        pytest.param(lambda images: images[..., ::-1], id="BGR"),
        pytest.param(lambda images: images[::-1], id="backwards"),
        pytest.param(lambda images: np.moveaxis(images, 1, -1), id="channels moved"),
        pytest.param(lambda images: images.T, id="last axis first"),
    ],
)
def test_take_returns_what_indexing_returns(
    tmp_path: Path, view: Callable[[Images], Images], rows: list[int]
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (40, 64, 48, 30), dtype=np.uint8)
    opened, chosen = view(map_of(tmp_path / "a.npy", images)), np.array(rows, np.int64)
    taken = take(opened, chosen)
    assert type(taken) is np.ndarray and not np.shares_memory(taken, opened)
    assert np.array_equal(taken, view(images)[chosen])
    assert np.array_equal(take(view(images), chosen), view(images)[chosen])


@pytest.mark.usefixtures("all_maps_are_large")
def test_take_of_a_row_out_of_range_is_an_index_error(tmp_path: Path, images: Images) -> None:
    for array in (images, map_of(tmp_path / "a.npy", images)):
        with pytest.raises(IndexError):
            take(array, np.array([40]))


@pytest.mark.usefixtures("all_maps_are_large")
def test_take_reads_the_opened_file_even_when_another_file_has_its_name(
    tmp_path: Path, images: Images
) -> None:
    opened = map_of(tmp_path / "a.npy", images)
    np.save(tmp_path / "b.npy", np.zeros_like(images))
    (tmp_path / "b.npy").replace(tmp_path / "a.npy")
    assert np.array_equal(take(opened, np.arange(40)), images)


@pytest.mark.usefixtures("all_maps_are_large")
@pytest.mark.parametrize("mode", ["c", "r+"])
def test_values_written_to_a_map_stay(
    tmp_path: Path, images: Images, mode: Literal["r+", "c"]
) -> None:
    opened = map_of(tmp_path / "a.npy", images, mode)
    opened[:] = changed = 255 - images
    for _ in range(2):
        assert np.array_equal(take(opened, np.arange(40)), changed)
        assert np.array_equal(
            np.concatenate([block for _, block in _memory_maps.blocks(opened, "reading")]), changed
        )
    assert np.array_equal(np.load(tmp_path / "a.npy"), images if mode == "c" else changed)


@pytest.mark.usefixtures("all_maps_are_large")
def test_put_writes_to_the_file_of_a_map(tmp_path: Path, images: Images) -> None:
    opened = map_of(tmp_path / "a.npy", np.zeros_like(images), "r+")
    for row, image in enumerate(images):
        _memory_maps.put(opened, row, image)
    assert np.array_equal(np.load(tmp_path / "a.npy"), images)


@pytest.mark.usefixtures("all_maps_are_large")
def test_a_map_and_the_same_images_in_memory_are_the_same_dataset(
    tmp_path: Path, images: Images
) -> None:
    labels = np.arange(40) % 2
    opened = load((map_of(tmp_path / "a.npy", images), labels))
    in_memory = load((images, labels))
    assert _memory_maps.is_large_map(opened.images)
    assert opened.fingerprint == in_memory.fingerprint
    assert np.array_equal(opened.hashes, in_memory.hashes)


@pytest.mark.usefixtures("all_maps_are_large")
def test_pixels_off_the_scale_are_found_in_every_block(tmp_path: Path) -> None:
    values = np.full((40, 64, 48, 1), 0.5, np.float32)
    values[30, 0, 0] = np.nan
    values[39, 0, 0] = np.inf
    with pytest.raises(InputError, match="in 2 of 40 images"):
        load((map_of(tmp_path / "a.npy", values), np.arange(40) % 2))
    values[30:] = 0.25
    opened = map_of(tmp_path / "b.npy", values)
    assert np.unique(load((opened, np.arange(40) % 2)).images).tolist() == [64, 128]
    values[39] = 1.5
    with pytest.raises(InputError, match=r"from 0\.25 to 1\.5"):
        load((map_of(tmp_path / "c.npy", values), np.arange(40) % 2))


@pytest.mark.usefixtures("all_maps_are_large")
def test_a_large_map_is_resized_into_the_cache_and_not_into_memory(
    tmp_path: Path, images: Images
) -> None:
    labels = np.arange(40) % 2
    opened = load((map_of(tmp_path / "a.npy", images), labels), image_size=32)
    in_memory = load((images, labels), image_size=32)
    assert isinstance(opened.images, np.memmap) and not isinstance(in_memory.images, np.memmap)
    assert np.array_equal(opened.images, in_memory.images) and opened.image_shape == (32, 32, 3)


@pytest.mark.usefixtures("all_maps_are_large")
def test_a_long_pass_shows_its_progress(
    tmp_path: Path,
    images: Images,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(progress, "PLAIN_LINE_EVERY_SECONDS", -1.0)
    progress.show_progress(True)
    dataset = map_of(tmp_path / "a.npy", images), np.arange(40) % 2
    load(dataset)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(_memory_maps, "LONG_PASS_BYTES", 0)
    load(dataset)
    assert "looking for equal images: 10 of 40 images" in capsys.readouterr().err
