"""`skip_bad`: what cannot be read is left out, counted, named, and never replaced."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headstart import progress
from headstart.data import (
    TEST,
    TRAIN,
    UNASSIGNED,
    Dataset,
    SplitDataset,
    UnreadableFile,
    load,
    make_split,
)
from headstart.data._summary import describe, summary_line
from headstart.errors import InputError, ResourceError

HTML = b"<html>404 not found</html>" * 9


def photo(number: int, size_px: int = 24) -> Image.Image:
    noise = np.random.default_rng(number).integers(0, 256, (size_px, size_px, 3), np.uint8)
    return Image.fromarray(noise)


def folder_of(root: Path, parts: tuple[str, ...] = ("",), count: int = 5) -> Path:
    for place, part in enumerate(parts):
        for label, kind in enumerate(("cat", "dog")):
            folder = root / part / kind
            folder.mkdir(parents=True)
            for number in range(count):
                photo(100 * place + 10 * label + number).save(folder / f"{number}.jpg")
    return root


def truncate(path: Path, share: float = 0.6) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def split(dataset: Dataset) -> SplitDataset:
    return SplitDataset(dataset, make_split(dataset))


def test_bad_images_are_left_out_and_listed(tmp_path: Path) -> None:
    folder_of(tmp_path)
    good = load(tmp_path)
    (tmp_path / "cat/1.jpg").write_bytes(b"")
    truncate(tmp_path / "dog/0.jpg")
    (tmp_path / "dog/4.jpg").write_bytes(HTML)
    data = load(tmp_path, skip_bad=True)

    kept = [0, 2, 3, 4, 6, 7, 8]
    assert data.image_names == tuple(good.image_names[row] for row in kept)
    assert np.array_equal(data.images, good.images[kept])
    assert np.array_equal(data.hashes, good.hashes[kept])
    assert data.labels.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert [file.name for file in data.unreadable] == ["cat/1.jpg", "dog/0.jpg", "dog/4.jpg"]
    assert data.unreadable[0] == UnreadableFile("cat/1.jpg", "is empty (0 bytes)", UNASSIGNED)
    assert "incomplete" in data.unreadable[1].reason


def test_the_list_is_kept_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truncate(folder_of(tmp_path) / "cat/1.jpg")
    first = load(tmp_path, skip_bad=True)
    lines: list[str] = []
    monkeypatch.setattr(progress, "say", lines.append)
    second = load(tmp_path, skip_bad=True)
    assert second.unreadable == first.unreadable != ()
    assert second.fingerprint == first.fingerprint
    assert any("left out 1 of 10 images" in line and "cat/1.jpg" in line for line in lines)


def test_without_the_option_the_same_folder_is_refused_before_and_after(tmp_path: Path) -> None:
    truncate(folder_of(tmp_path) / "cat/1.jpg")
    for _ in range(2):
        with pytest.raises(InputError, match="1 of 10 images"):
            load(tmp_path)
        assert len(load(tmp_path, skip_bad=True)) == 9


def test_a_repaired_image_comes_back(tmp_path: Path) -> None:
    folder_of(tmp_path)
    content = (tmp_path / "cat/1.jpg").read_bytes()
    truncate(tmp_path / "cat/1.jpg")
    assert len(load(tmp_path, skip_bad=True)) == 9
    (tmp_path / "cat/1.jpg").write_bytes(content)
    data = load(tmp_path, skip_bad=True)
    assert len(data) == 10
    assert data.unreadable == ()
    assert data.fingerprint == load(tmp_path).fingerprint


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "bmp", "gif", "tif"])
def test_an_image_cut_anywhere_is_found(tmp_path: Path, kind: str, share: float) -> None:
    folder_of(tmp_path, count=2)
    bad = tmp_path / f"cat/bad.{kind}"
    photo(7, 48).save(bad)
    truncate(bad, share)
    data = load(tmp_path, skip_bad=True)
    assert [file.name for file in data.unreadable] == [f"cat/bad.{kind}"]
    assert len(data) == 4


def test_a_part_that_loses_images_is_named_beside_its_scores(tmp_path: Path) -> None:
    folder_of(tmp_path, ("train", "test"))
    truncate(tmp_path / "train/cat/0.jpg")
    truncate(tmp_path / "test/cat/1.jpg")
    truncate(tmp_path / "test/dog/2.jpg")
    data = split(load(tmp_path, skip_bad=True))
    assert (data.dataset.parts == TEST).sum() == 8
    assert (data.dataset.parts == TRAIN).sum() == 9

    about = describe(data)
    assert about["unreadable"] == [
        {"name": file.name, "reason": file.reason, "part": "train" if row == 2 else "test"}
        for row, file in enumerate(data.dataset.unreadable)
    ]
    test, train = about["warnings"][:2]  # type: ignore[index]  # a list of sentences
    assert test == (
        "2 test images could not be read and are not counted: test/cat/1.jpg, test/dog/2.jpg."
    )
    assert train == "1 training image could not be read and is not counted: train/cat/0.jpg."
    assert "3 unreadable left out" in summary_line(data)


def test_a_long_list_is_cut_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path, count=30)
    for number in range(23):
        (tmp_path / f"dog/{number}.jpg").write_bytes(b"")
    lines: list[str] = []
    monkeypatch.setattr(progress, "say", lines.append)
    data = split(load(tmp_path, skip_bad=True))
    (said,) = (line for line in lines if "left out" in line)
    assert said.count("is empty") == 1
    assert "left out 23 of 60 images" in said
    assert "\n      and 22 more images of this kind: dog/1.jpg, dog/10.jpg, " in said
    (warning,) = (line for line in describe(data)["warnings"] if "read" in line)  # type: ignore[attr-defined]  # a list
    assert warning.startswith("23 images could not be read and are not counted: ")
    assert warning.endswith(" and 20 more.")


def test_a_class_without_a_readable_image_is_an_error(tmp_path: Path) -> None:
    folder_of(tmp_path, count=2)
    for path in (tmp_path / "dog").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="no image of the class 'dog'") as error:
        load(tmp_path, skip_bad=True)
    assert "dog/0.jpg is empty" in str(error.value)


def test_a_class_without_a_readable_training_image_is_an_error(tmp_path: Path) -> None:
    folder_of(tmp_path, ("train", "test"), count=2)
    for path in (tmp_path / "train/dog").iterdir():
        path.write_bytes(b"")
    with pytest.raises(InputError, match="dog"):
        load(tmp_path, skip_bad=True)


def test_groups_and_parts_of_a_table_stay_with_their_images(tmp_path: Path) -> None:
    rows = ["path,label,split,patient"]
    for number in range(8):
        photo(number).save(tmp_path / f"{number}.png")
        part = "train" if number < 4 else "test"
        rows.append(f"{number}.png,{'ab'[number % 2]},{part},p{number // 2}")
    (tmp_path / "t.csv").write_text("\n".join(rows) + "\n")
    truncate(tmp_path / "2.png")
    truncate(tmp_path / "6.png")
    data = load(tmp_path / "t.csv", skip_bad=True, group_by="patient")
    assert data.image_names == ("0.png", "1.png", "3.png", "4.png", "5.png", "7.png")
    assert data.groups is not None
    assert data.groups.tolist() == [0, 0, 1, 2, 2, 3]
    assert data.parts.tolist() == [TRAIN] * 3 + [TEST] * 3
    assert [file.part for file in data.unreadable] == [TRAIN, TEST]


def test_the_recorded_options_open_the_same_images(tmp_path: Path) -> None:
    truncate(folder_of(tmp_path) / "cat/1.jpg")
    first = load(tmp_path, skip_bad=True, image_size=8)
    again = load(first.source, **first.options)  # type: ignore[arg-type]  # as data.json has them
    assert again.fingerprint == first.fingerprint
    assert again.unreadable == first.unreadable


@pytest.mark.parametrize(
    "error", [OSError(errno.EIO, "Input/output error"), PermissionError(13, "")]
)
def test_a_file_that_the_system_cannot_read_is_not_a_bad_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    folder_of(tmp_path)
    opened = Path.open

    def open_or_fail(path: Path, *args: Any, **options: Any) -> Any:
        if path == tmp_path / "cat/1.jpg":
            raise error
        return opened(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", open_or_fail)
        with pytest.raises(ResourceError, match=r"cat/1\.jpg in .* cannot be read"):
            load(tmp_path, skip_bad=True)
    data = load(tmp_path, skip_bad=True)
    assert len(data) == 10 and data.unreadable == ()
