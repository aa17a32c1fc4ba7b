"""The cache is never stale: what decides is which files are there, and what is in them."""

from __future__ import annotations

import io
import os
import shutil
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from PIL import Image, features
from pyarrow import parquet

from headstart.data import Dataset, _cache, _file_identity, load
from headstart.data.formats.images import _decode, _decoders, _image_files
from headstart.errors import InputError

LONG_AGO = 315_532_800  # 1 January 1980, which deterministic archives write


def picture(level: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (level, 90, 200))


def folder_of(root: Path, parts: tuple[str, ...] = ("",)) -> Path:
    """Write uncompressed images, all of one size in bytes and of one time."""
    for place, part in enumerate(parts):
        for label, kind in enumerate(("cat", "dog")):
            folder = root / part / kind
            folder.mkdir(parents=True)
            for number in range(3):
                picture(100 * place + 10 * label + number).save(folder / f"{number}.bmp")
    set_times(root)
    return root


def set_times(root: Path) -> None:
    for path in sorted(root.rglob("*")):
        os.utime(path, (LONG_AGO, LONG_AGO))


def settle() -> None:
    """Wait until a change of the files would have another time stamp."""
    time.sleep(0.2)


def exchange(first: Path, second: Path) -> None:
    third = first.with_name("exchanged")
    first.rename(third)
    second.rename(first)
    third.rename(second)


def exchange_class_folders(root: Path) -> None:
    exchange(root / "cat", root / "dog")


def exchange_parts(root: Path) -> None:
    exchange(root / "train", root / "test")


def exchange_files(root: Path) -> None:
    exchange(root / "cat/0.bmp", root / "dog/0.bmp")


def exchange_files_of_one_class(root: Path) -> None:
    exchange(root / "cat/0.bmp", root / "cat/1.bmp")


def copy_with_times(root: Path) -> None:
    shutil.copy2(root / "dog/1.bmp", root / "cat/1.bmp")


def replace_with_times(root: Path) -> None:
    picture(250).save(root / "new.bmp")
    os.utime(root / "new.bmp", (LONG_AGO, LONG_AGO))
    (root / "new.bmp").rename(root / "cat/1.bmp")


def edit_in_place(root: Path) -> None:
    with (root / "cat/1.bmp").open("r+b") as file:
        file.seek(-3, os.SEEK_END)
        file.write(b"\xff\xff\xff")
    os.utime(root / "cat/1.bmp", (LONG_AGO, LONG_AGO))


def exchange_contents(root: Path) -> None:
    first, second = root / "cat/1.bmp", root / "dog/1.bmp"
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])
    set_times(root)


def move_to_the_other_class(root: Path) -> None:
    (root / "cat/0.bmp").rename(root / "dog/9.bmp")


def link_class_folder_elsewhere(root: Path) -> None:
    (root / "dog").rename(root.with_name("dogs-1"))
    folder_of(root.with_name("other"))
    (root / "dog").symlink_to(root.with_name("other") / "cat")


def replace_the_whole_folder(root: Path) -> None:
    shutil.copytree(root, root.with_name("copy"))
    picture(77).save(root.with_name("copy") / "cat/2.bmp")
    shutil.rmtree(root)
    root.with_name("copy").rename(root)
    set_times(root)


def set_the_clock_back(root: Path) -> None:
    picture(251).save(root / "cat/1.bmp")
    os.utime(root / "cat/1.bmp", (LONG_AGO - 86_400, LONG_AGO - 86_400))


@pytest.mark.parametrize(
    "change",
    [
        exchange_class_folders,
        exchange_files,
        exchange_files_of_one_class,
        copy_with_times,
        replace_with_times,
        edit_in_place,
        exchange_contents,
        move_to_the_other_class,
        link_class_folder_elsewhere,
        replace_the_whole_folder,
        set_the_clock_back,
    ],
)
@pytest.mark.parametrize("wait", [True, False])
def test_a_change_that_keeps_sizes_and_times_is_noticed(
    tmp_path: Path, own_cache: Path, change: Callable[[Path], None], wait: bool
) -> None:
    root = folder_of(tmp_path / "pets")
    if wait:
        settle()
    before = load(root)
    change(root)
    after = load(root)
    assert after.fingerprint != before.fingerprint

    shutil.rmtree(own_cache / "headstart")
    require_equal(after, load(root))


def require_equal(first: Dataset, second: Dataset) -> None:
    assert np.array_equal(first.images, second.images)
    assert np.array_equal(first.labels, second.labels)
    assert first.image_names == second.image_names
    assert first.fingerprint == second.fingerprint


def test_parts_that_exchange_their_names_exchange_their_images(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "pets", ("train", "test"))
    settle()
    before = load(root)
    exchange_parts(root)
    after = load(root)
    assert after.fingerprint != before.fingerprint
    names = [name for name in before.image_names if name.startswith("train")]
    rows = [before.image_names.index(name) for name in names]
    others = [after.image_names.index(name.replace("train", "test")) for name in names]
    assert np.array_equal(before.images[rows], after.images[others])


def test_two_edits_within_one_time_stamp_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file system whose clock stands still, as within one tick.
    real_stat = Path.stat

    def stat_of_now(path: Path, **keys: bool) -> os.stat_result:
        stat = real_stat(path, **keys)
        now = time.time_ns()
        values = [*stat[:10], stat.st_atime, stat.st_mtime, stat.st_ctime, now, now, now]
        return os.stat_result(values)

    root = folder_of(tmp_path / "pets")
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now)
    monkeypatch.setattr(Path, "stat", stat_of_now)
    before = load(root)
    content = bytearray((root / "cat/1.bmp").read_bytes())
    content[-1] ^= 255
    with (root / "cat/1.bmp").open("r+b") as file:
        file.write(content)
    assert load(root).fingerprint != before.fingerprint


def test_a_file_from_the_future_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder_of(tmp_path / "pets")
    os.utime(root / "cat/1.bmp", (4_000_000_000, 4_000_000_000))
    settle()
    load(root)
    hashed = count_calls(monkeypatch, "hash_files")
    load(root)
    assert hashed == [1]


def count_calls(monkeypatch: pytest.MonkeyPatch, name: str) -> list[int]:
    """Count the calls of a function of the cache, from 0 on."""
    calls: list[int] = []
    function = getattr(_cache, name)

    def counted(*args: object) -> object:
        calls.append(1)
        return function(*args)

    monkeypatch.setattr(_cache, name, counted)
    return calls


@pytest.mark.parametrize("kind", ["fuse.sshfs", "cifs", "vfat", "9p"])
def test_files_on_an_unreliable_file_system_are_hashed_at_each_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounts = tmp_path / "mountinfo"
    place = str(tmp_path).replace(" ", "\\040")
    mounts.write_text(
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n"
        f"23 22 0:40 / {place} rw - {kind} host:/data rw\n"
    )
    monkeypatch.setattr(_file_identity, "_MOUNTS", mounts)
    said: list[str] = []
    monkeypatch.setattr("headstart.progress.say", said.append)
    root = folder_of(tmp_path / "pets")
    settle()
    first = load(root)
    hashed = count_calls(monkeypatch, "hash_files")
    require_equal(first, load(root))
    assert hashed == [1]
    assert any(kind in line and "read again" in line for line in said)


def test_files_on_nfs_are_opened_before_they_are_examined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text("22 1 0:40 / / rw - nfs4 server:/ rw\n")
    monkeypatch.setattr(_file_identity, "_MOUNTS", mounts)
    opened: list[Path] = []
    stat_opened = _file_identity._stat_opened

    def record(path: Path) -> os.stat_result:
        opened.append(path)
        return stat_opened(path)

    monkeypatch.setattr(_file_identity, "_stat_opened", record)
    load(folder_of(tmp_path / "pets"))
    assert tmp_path / "pets/cat/1.bmp" in opened


def test_files_that_were_only_touched_are_not_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder_of(tmp_path / "pets")
    settle()
    first = load(root)
    for path in root.rglob("*.bmp"):
        path.touch()

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(_image_files, "read_image", refuse)
    require_equal(first, load(root))


def test_without_the_cache_files_are_decoded_and_the_entry_is_replaced(
    tmp_path: Path, own_cache: Path
) -> None:
    root = folder_of(tmp_path / "pets")
    settle()
    load(root)

    def entry() -> int:
        (folder,) = (own_cache / "headstart/decoded").iterdir()
        return (folder / "images.npy").stat().st_ino

    before = entry()
    load(root)
    assert entry() == before

    again = load(root, cache=False)
    assert entry() != before
    assert "cache" not in again.options
    require_equal(again, load(root, **again.options))  # type: ignore[arg-type]  # as data.json has them
    assert len(list((own_cache / "headstart/decoded").iterdir())) == 1


def test_an_open_dataset_survives_the_replacement_of_its_entry(tmp_path: Path) -> None:
    root = folder_of(tmp_path / "pets")
    first = load(root)
    load(root, cache=False)
    assert int(first.images[0, 0, 0, 2]) == 200


@pytest.mark.parametrize("kind", ["removed", "changed"])
def test_a_file_that_changes_while_others_are_decoded_is_an_error_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path, kind: str
) -> None:
    root = folder_of(tmp_path / "pets")
    victim = root / "cat/1.bmp"
    read_image = _decode.read_image

    def interfere(*args: object, **keys: object) -> object:
        if kind == "removed":
            victim.unlink(missing_ok=True)
        else:
            edit_in_place(root)
        return read_image(*args, **keys)  # type: ignore[arg-type]  # the arguments pass through

    monkeypatch.setattr(_image_files, "read_image", interfere)
    for skip_bad in (False, True):
        with pytest.raises(InputError, match=f"{victim} was {kind}") as error:
            load(root, skip_bad=skip_bad)
        assert error.value.exit_code == 2
        picture(12).save(victim)
    assert not list((own_cache / "headstart").rglob("*.npy"))


@pytest.fixture
def fresh_identity() -> Iterator[None]:
    """Let the versions of decoders be asked again, in this test and after it."""
    _decoders.decoder_identity.cache_clear()
    yield
    _decoders.decoder_identity.cache_clear()


def upgrade(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """Change the version of Pillow, of a library in it, or of a plug-in."""
    version, installed = features.version, metadata.version

    def version_of(name: str) -> str | None:
        return "99.0" if name == library else version(name)

    def version_of_package(name: str) -> str:
        return "99.0" if name == library else installed(name)

    if library == "pillow":
        monkeypatch.setattr("PIL.__version__", "99.0")
    monkeypatch.setattr(features, "version", version_of)
    monkeypatch.setattr(metadata, "version", version_of_package)
    _decoders.decoder_identity.cache_clear()


def folder_data(root: Path) -> Path:
    return folder_of(root)


def parquet_data(root: Path) -> Path:
    content = io.BytesIO()
    picture(7).save(content, "PNG")
    root.mkdir()
    columns = {"image": [content.getvalue()] * 2, "label": ["cat", "dog"]}
    parquet.write_table(pyarrow.table(columns), root / "pets.parquet")
    return root / "pets.parquet"


@pytest.mark.usefixtures("fresh_identity")
@pytest.mark.parametrize("make", [folder_data, parquet_data])
@pytest.mark.parametrize("library", ["pillow", "libjpeg_turbo", "webp", "pillow-heif"])
def test_another_version_of_a_decoder_decodes_again(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    own_cache: Path,
    make: Callable[[Path], Path],
    library: str,
) -> None:
    data = make(tmp_path / "pets")
    settle()
    load(data)
    load(data)
    entries = own_cache / "headstart/decoded"
    assert len(list(entries.iterdir())) == 1
    upgrade(monkeypatch, library)
    load(data)
    assert len(list(entries.iterdir())) == 2


@pytest.mark.usefixtures("fresh_identity")
def test_another_version_of_zlib_keeps_what_was_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_cache: Path
) -> None:
    data = folder_data(tmp_path / "pets")
    load(data)
    upgrade(monkeypatch, "zlib")
    load(data)
    assert len(list((own_cache / "headstart/decoded").iterdir())) == 1
