"""`load`: the format, the options, and the cache."""

import errno
import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headstart import machine, store
from headstart.data import Dataset, _cache, _resized, load
from headstart.data.formats._reading import translate_read_errors
from headstart.data.formats.folders import _class_folders
from headstart.data.formats.folders._file_tree import Folder, scan_folder
from headstart.data.formats.images import _decode, _image_files
from headstart.data.formats.tables import _pixel_rows
from headstart.errors import InputError, ResourceError


def folder_of(root: Path, level: int = 50) -> Path:
    for kind in ("cat", "dog"):
        (root / kind).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (10, 10), (level, number, 3)).save(root / kind / f"{number}.png")
    return root


def csv_of(path: Path, last: int = 4) -> Path:
    path.write_text(f"label,pixel0,pixel1,pixel2,pixel3\n0,1,2,3,4\n1,1,2,3,{last}\n")
    return path


def fails(source: Any, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        load(source, **options)
    return str(caught.value)


def forbid(monkeypatch: pytest.MonkeyPatch, module: Any, *names: str) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("read again")

    for name in names:
        monkeypatch.setattr(module, name, refuse)


def are_equal(first: Dataset, second: Dataset) -> bool:
    return (
        (first.images == second.images).all()
        and first.fingerprint == second.fingerprint
        and first.image_names == second.image_names
    )


def settle() -> None:
    """Wait until a change of the files would have another time stamp."""
    time.sleep(0.2)


def test_the_second_start_opens_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_of(tmp_path / "pets")
    settle()
    first = load(tmp_path / "pets")
    forbid(monkeypatch, _image_files, "read_header", "read_image")
    forbid(monkeypatch, _cache, "hash_files")
    second = load(tmp_path / "pets")
    assert are_equal(first, second)
    assert isinstance(second.images, np.memmap)
    assert not second.images.flags.writeable


def test_the_second_start_parses_no_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    csv_of(tmp_path / "t.csv")
    settle()
    first = load(tmp_path / "t.csv")
    forbid(monkeypatch, _pixel_rows, "square_shape")
    forbid(monkeypatch, _cache, "hash_files")
    assert are_equal(first, load(tmp_path / "t.csv"))


@pytest.mark.parametrize("keep_time", [False, True])
def test_a_changed_file_is_noticed(tmp_path: Path, keep_time: bool) -> None:
    before = load(folder_of(tmp_path))
    changed = tmp_path / "cat/1.png"
    times = changed.stat()
    Image.effect_noise((10, 10), 90).convert("RGB").save(changed)
    os.utime(changed, ns=(times.st_atime_ns, times.st_mtime_ns + (0 if keep_time else 1)))
    after = load(tmp_path)
    assert before.fingerprint != after.fingerprint
    assert (before.hashes != after.hashes).any(axis=1).tolist() == [False, True, False, False]


def test_new_and_removed_files_are_noticed(tmp_path: Path) -> None:
    load(folder_of(tmp_path))
    Image.new("RGB", (10, 10)).save(tmp_path / "dog/9.png")
    assert load(tmp_path).image_names[-1] == "dog/9.png"
    (tmp_path / "dog/9.png").unlink()
    assert len(load(tmp_path)) == 4


def test_equal_content_elsewhere_is_not_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(folder_of(tmp_path / "one"))
    folder_of(tmp_path / "two")
    forbid(monkeypatch, _image_files, "read_header", "read_image")
    second = load(tmp_path / "two")
    assert are_equal(first, second)
    assert (second.name, second.source) == ("two", str(tmp_path / "two"))


def test_a_moved_image_changes_the_labels(tmp_path: Path) -> None:
    before = load(folder_of(tmp_path))
    (tmp_path / "dog/0.png").rename(tmp_path / "cat/9.png")
    after = load(tmp_path)
    assert (before.labels.tolist(), after.labels.tolist()) == ([0, 0, 1, 1], [0, 0, 0, 1])
    assert before.fingerprint != after.fingerprint


def test_a_failure_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    folder_of(tmp_path / "pets")
    (tmp_path / "pets/cat/0.png").write_bytes(b"")
    fails(tmp_path / "pets")
    assert [path for path in store.cache_folder().rglob("*") if path.is_file()] == []


def test_options_change_the_entry_and_are_recorded(tmp_path: Path) -> None:
    folder_of(tmp_path)
    small = load(tmp_path, image_size=6, resize="crop")
    assert small.image_shape == (6, 6, 3)
    assert small.options == {"image_size": 6, "resize": "crop", "pixel_max": None, "group_by": None}
    assert load(tmp_path).image_shape == (10, 10, 3)
    assert load(small.source, **small.options).fingerprint == small.fingerprint  # type: ignore[arg-type]  # as data.json has them


def test_a_table_is_resized_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = load(csv_of(tmp_path / "t.csv"), image_size=16)
    assert large.image_shape == (16, 16, 1)
    assert large.labels.tolist() == [0, 1]
    forbid(monkeypatch, _resized, "resize_pixels")
    assert are_equal(large, load(tmp_path / "t.csv", image_size=16))

    monkeypatch.setattr("PIL.__version__", "99.0")
    with pytest.raises(AssertionError, match="read again"):  # resized by another version of Pillow
        load(tmp_path / "t.csv", image_size=16)


def test_resized_tables_keep_their_own_groups(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("label,a,pixel0\n0,x,1\n1,y,2\n")
    first = load(path, group_by="a", image_size=4)
    path.write_text("label,a,pixel0\n0,x,1\n1,x,2\n")
    second = load(path, group_by="a", image_size=4)
    assert first.groups is not None
    assert second.groups is not None
    assert (first.groups.tolist(), second.groups.tolist()) == ([0, 1], [0, 0])


def test_a_name_is_the_named_dataset_and_a_path_is_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert load("digits").image_shape == (8, 8, 1)
    assert load("./digits").class_names == ("cat", "dog")
    assert load(Path("digits")).class_names == ("cat", "dog")
    assert load("digits", image_size=12).image_shape == (12, 12, 1)
    assert "group_by does not apply to the named dataset digits" in fails("digits", group_by="x")


def test_a_name_that_does_not_exist_gets_the_closest_dataset(tmp_path: Path) -> None:
    text = fails("digist")
    assert "digist does not exist" in text
    assert "did you mean 'digits'?" in text
    text = fails(str(tmp_path / "nowhere"))
    assert f"{tmp_path / 'nowhere'} does not exist" in text
    assert "named datasets: " in text
    assert "headstart train --help" in text


@pytest.mark.parametrize("name", ["t.xyz", "t.txt", "photo.jpg.bak"])
def test_the_error_about_an_unknown_format_lists_what_is_accepted(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"x")
    text = fails(tmp_path / name)
    assert f"{name} has an unknown format" in text
    assert "a pixel CSV" in text


def test_a_full_disk_of_the_cache_is_not_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ResourceError) as error, translate_read_errors(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert f"no space left while writing {store.cache_folder()}" in str(error.value)
    assert "XDG_CACHE_HOME" in str(error.value)


def test_an_error_in_the_cache_is_not_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = store.cache_folder() / "decoded" / "images.npy"
    text = "Input/output error"
    with pytest.raises(ResourceError, match=f"cannot write .*: {text}"):  # noqa: SIM117
        with translate_read_errors(tmp_path):
            raise OSError(errno.EIO, text, str(path))
    with pytest.raises(InputError, match=f"cannot be read: {text}"):  # noqa: SIM117
        with translate_read_errors(tmp_path):
            raise OSError(errno.EIO, text, str(tmp_path / "train.csv"))


def test_an_image_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "cat.JPG").write_bytes(b"x")
    text = fails(tmp_path / "cat.JPG")
    assert "cat.JPG is one image, not a dataset" in text and "headstart predict RUN" in text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"image_size": 0}, "invalid image_size: expected a positive number of pixels, got 0."),
        ({"image_size": 2.5}, "got 2.5."),
        ({"resize": "crob"}, "did you mean 'crop'?"),
        (
            {"pixel_max": -3},
            "invalid pixel_max: expected the value of full brightness, a number above 0, got -3.",
        ),
        ({"pixel_max": float("nan")}, "a number above 0, got nan."),
    ],
)
def test_options_are_checked(options: dict[str, Any], text: str) -> None:
    assert text in fails("digits", **options)


def test_a_cache_that_cannot_be_written_is_a_resource_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = str(tmp_path / "file")
    Path(file).write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", file)
    with pytest.raises((ResourceError, InputError), match=re.escape(file)) as error:
        load(csv_of(tmp_path / "t.csv"))
    assert error.value.hint == "Choose another path with the variable XDG_CACHE_HOME."


def test_no_space_is_a_resource_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of(tmp_path / "pets")
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(ResourceError, match="MB are free"):
        load(tmp_path / "pets")
    assert not list(store.cache_folder().rglob("*.npy"))


def test_a_file_that_vanishes_while_it_is_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of(tmp_path)

    def list_and_remove(path: Path, *, skip_bad: bool) -> Folder:
        tree = scan_folder(path, skip_bad=skip_bad)
        (tmp_path / "cat/0.png").unlink()
        return tree

    monkeypatch.setattr(_class_folders, "scan_folder", list_and_remove)
    assert "cat/0.png cannot be read: No such file" in fails(tmp_path)


def test_a_path_that_the_system_rejects_is_an_input_error() -> None:
    assert "cannot be read: File name too long" in fails("x" * 5000)


@pytest.mark.parametrize("source", ["", "  "])
def test_an_empty_name_is_an_error(source: str) -> None:
    assert "no data given" in fails(source)


def test_the_name_of_a_dataset_has_no_suffix(tmp_path: Path) -> None:
    assert load(csv_of(tmp_path / "my.digits.CSV")).name == "my.digits"


def test_a_name_that_is_not_utf8_is_an_error(tmp_path: Path) -> None:
    folder_of(tmp_path)
    try:
        Path(os.fsdecode(os.fsencode(tmp_path / "cat") + b"/na\xefve.png")).write_bytes(
            (tmp_path / "cat/0.png").read_bytes()
        )
    except OSError:
        pytest.skip("this file system refuses such names")
    assert "not UTF-8" in fails(tmp_path)


def test_images_are_decoded_on_no_more_threads_than_the_control_group_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(64))
    threads = set()
    decode_image = _decode.read_image

    def read_image(*args: Any, **options: Any) -> Any:
        threads.add(threading.get_ident())
        time.sleep(0.02)  # long enough for other threads to start
        return decode_image(*args, **options)

    monkeypatch.setattr(_image_files, "read_image", read_image)
    load(folder_of(tmp_path / "pets"))
    assert len(threads) == 1
