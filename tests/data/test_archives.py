"""Archives: unpacked once into the cache, checked before anything is written."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headstart import progress, store
from headstart.data import TEST, TRAIN, _file_identity, _unpacked, load
from headstart.errors import InputError, ResourceError
from headstart.store import _limits

SUFFIXES = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"]


def picture(level: int = 50) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (6, 6), (level, 2, 3)).save(file, "PNG")
    return file.getvalue()


def pictures(wrapper: str = "") -> dict[str, bytes]:
    """Return the members of an archive with two classes."""
    return {
        f"{wrapper}{kind}/{number}.png": picture(10 * number + len(kind))
        for kind in ("cat", "zebra")
        for number in range(3)
    }


def pack(path: Path, members: dict[str, bytes]) -> Path:
    """Write a zip or tar archive."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return path
    mode = {"gz": "w:gz", "tgz": "w:gz", "bz2": "w:bz2", "tbz2": "w:bz2"}
    mode |= {"xz": "w:xz", "txz": "w:xz", "tar": "w"}
    with tarfile.open(path, mode[path.suffix[1:]]) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def tar_of(path: Path, info: tarfile.TarInfo, content: bytes = b"") -> Path:
    """Write a tar archive of two classes and one more member."""
    pack(path, pictures())
    with tarfile.open(path, "a") as archive:
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return path


def fails(source: Any, kind: type[Exception] = InputError, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        load(source, **options)
    return str(caught.value)


def unpacked() -> list[str]:
    """Return what lies in the cache's folder of unpacked archives, at any depth."""
    folder = store.cache_folder() / "unpacked"
    return [str(path.relative_to(folder)) for path in folder.rglob("*")]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(progress, "say", said.append)
    return said


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_archive_of_class_folders_is_read(
    tmp_path: Path, suffix: str, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pack(tmp_path / f"photos{suffix}", pictures("photos/"))
    dataset = load(path)
    assert (dataset.name, dataset.source) == ("photos", str(path))
    assert dataset.class_names == ("cat", "zebra") and len(dataset) == 6
    assert dataset.image_names[0] == "photos/cat/0.png"
    assert [line for line in lines if "unpacked 6 files" in line]

    monkeypatch.setattr(_unpacked, "_write_members", None)
    assert load(path).fingerprint == dataset.fingerprint  # not unpacked again


def test_an_archive_that_has_not_changed_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_file_identity, "SETTLED_NS", 0)
    path = pack(tmp_path / "a.zip", pictures())
    first = load(path)
    monkeypatch.setattr(_unpacked, "_hash_file", None)
    assert load(path, image_size=4).labels.tolist() == first.labels.tolist()


def test_an_archive_has_the_fingerprint_of_its_folder(tmp_path: Path) -> None:
    for name, content in pictures("train/").items() | pictures("test/").items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    path = pack(tmp_path / "a.zip", pictures("train/") | pictures("test/"))
    dataset = load(path)
    assert dataset.fingerprint == load(tmp_path / "folder").fingerprint
    assert set(dataset.parts.tolist()) == {TRAIN, TEST}


def test_another_archive_at_the_same_path_is_noticed(tmp_path: Path) -> None:
    first = load(pack(tmp_path / "a.zip", pictures()))
    more = pictures() | {"zebra/9.png": picture(99)}
    second = load(pack(tmp_path / "a.zip", more))
    assert (len(first), len(second)) == (6, 7)


def test_a_damaged_folder_in_the_cache_is_unpacked_again(tmp_path: Path, lines: list[str]) -> None:
    path = pack(tmp_path / "a.zip", pictures())
    first = load(path)
    (victim,) = (store.cache_folder() / "unpacked").glob("*/members/cat/0.png")
    victim.unlink()
    second = load(path)
    assert second.fingerprint == first.fingerprint and len(second) == 6
    assert [line for line in lines if "is incomplete; unpacking a.zip again" in line]


def test_archives_of_equal_content_share_their_members(
    tmp_path: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load(pack(tmp_path / "a.zip", pictures()))
    monkeypatch.setattr(_unpacked, "_write_members", None)
    for name in ("b.zip", "a.zip", "b.zip"):
        (tmp_path / name).write_bytes((tmp_path / "a.zip").read_bytes())
        dataset = load(tmp_path / name)
        assert (dataset.name, dataset.fingerprint) == (name[0], first.fingerprint)
    assert not [line for line in lines if "incomplete" in line]


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, images=np.zeros((2, 4, 4), np.uint8), labels=[0, 1])
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.csv", b"label,pixel0\n0,1\n1,2\n"),
        ("deep/er/train.csv", b"label,pixel0\n0,1\n1,2\n"),
        ("data.npz", npz()),
    ],
)
def test_the_only_file_of_an_archive_is_read(
    tmp_path: Path, name: str, content: bytes, lines: list[str]
) -> None:
    path = pack(tmp_path / "one.zip", {name: content, "__MACOSX/._train.csv": b"junk"})
    dataset = load(path)
    assert (dataset.name, len(dataset)) == ("one", 2)
    assert [line for line in lines if f"one.zip: reading its only file, {name}" in line]


def test_a_path_may_lead_into_an_archive(tmp_path: Path) -> None:
    table = "path,label\n" + "".join(f"{name},{name[0]}\n" for name in pictures("images/"))
    rows = table.replace(",i\n", ",x\n").splitlines()
    rows[2] = rows[2].replace(",x", ",y")
    members = pictures("images/") | {"labels.csv": "\n".join(rows).encode()}
    path = pack(tmp_path / "a.zip", members)
    dataset = load(path / "labels.csv")
    assert (dataset.name, dataset.class_names) == ("labels", ("x", "y"))
    assert load(dataset.source).fingerprint == dataset.fingerprint
    assert load(path / "images").class_names == ("cat", "zebra")
    text = fails(path / "nothing")
    assert f"{path} holds no 'nothing': it has 6 .png files, 1 .csv file." in text
    assert f"unzip -l {path}" in text


def test_nested_archives_are_named(tmp_path: Path) -> None:
    inner = pack(tmp_path / "train.zip", pictures()).read_bytes()
    outer = pack(tmp_path / "outer.tar.gz", {"a/train.zip": inner})
    text = fails(outer)
    assert f"{outer} holds nothing but another archive, a/train.zip." in text
    assert f"Name that one: {outer}/a/train.zip" in text
    assert len(load(outer / "a" / "train.zip")) == 6


def test_errors_name_the_archive_and_not_the_cache(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", pictures() | {"cat/bad.png": b"no image"})
    text = fails(path)
    assert str(path) in text and "unpacked" not in text


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "a/../../evil.txt", "/tmp/evil.txt", "cat/../../../evil", "..", "a/.."],
)
def test_a_member_outside_the_target_is_refused(tmp_path: Path, name: str) -> None:
    for path in (
        pack(tmp_path / "a.zip", pictures() | {name: b"evil"}),
        tar_of(tmp_path / "a.tar", tarfile.TarInfo(name), b"evil"),
    ):
        text = fails(path)
        assert f"{path} is unsafe: its member '{name}' would be written outside" in text
        assert unpacked() == []
    assert not (tmp_path.parent / "evil.txt").exists() and not Path("/tmp/evil.txt").exists()


@pytest.mark.parametrize("name", ["..\\evil.txt", "C:\\evil.txt", "C:/evil.txt", "\\evil.txt"])
def test_paths_of_windows_stay_inside_as_well(tmp_path: Path, name: str) -> None:
    path = pack(tmp_path / "a.zip", pictures())
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo("placeholder"), b"evil")
        archive.filelist[-1].filename = name
        archive.filelist[-1].orig_filename = name
    text = fails(path)
    assert "is unsafe" in text or "damaged archive" in text  # names differ in the two headers
    assert unpacked() == []


@pytest.mark.parametrize(
    ("member", "text"),
    [
        (link("out", "/etc", tarfile.SYMTYPE), "holds 'out', which is a link."),
        (link("cat/x.png", "0.png", tarfile.SYMTYPE), "which is a link."),
        (link("hard", "../../etc/passwd", tarfile.LNKTYPE), "holds 'hard', which is a link."),
        (link("hard", "cat/0.png", tarfile.LNKTYPE), "holds 'hard', which is a link."),
        (link("null", "", tarfile.CHRTYPE), "holds 'null', which is neither a file nor a folder"),
        (link("disk", "", tarfile.BLKTYPE), "which is neither a file nor a folder"),
        (link("pipe", "", tarfile.FIFOTYPE), "which is neither a file nor a folder"),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(
    tmp_path: Path, member: tarfile.TarInfo, text: str
) -> None:
    path = tar_of(tmp_path / "a.tar", member)
    assert text in fails(path)
    assert unpacked() == []


def test_a_link_with_a_file_through_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    path = tar_of(tmp_path / "a.tar", link("out", str(tmp_path / "outside"), tarfile.SYMTYPE))
    with tarfile.open(path, "a") as archive:
        info = tarfile.TarInfo("out/evil.txt")
        info.size = 4
        archive.addfile(info, io.BytesIO(b"evil"))
    assert "which is a link" in fails(path)
    assert list((tmp_path / "outside").iterdir()) == [] and unpacked() == []


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_in_a_zip_are_refused(tmp_path: Path, mode: int) -> None:
    path = pack(tmp_path / "a.zip", pictures())
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo("out")
        info.create_system, info.external_attr = 3, (mode | 0o777) << 16
        archive.writestr(info, b"/etc")
    text = fails(path)
    assert "holds 'out', which is " in text and "unpack it yourself" in text
    assert unpacked() == []


def test_a_bomb_is_refused_before_it_fills_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_limits, "ALWAYS_ALLOWED_BYTES", 1 << 20)
    for suffix in SUFFIXES[:5]:
        if suffix != ".tar":
            path = pack(tmp_path / f"bomb{suffix}", pictures() | {"cat/big.bin": bytes(8 << 20)})
            text = fails(path)
            assert "expands to more than 1 MB, 100 times its own size" in text
            assert "unpack it yourself" in text
            assert unpacked() == []


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_unpacked, "MOST_MEMBERS", 5)
    for suffix in (".zip", ".tar"):
        text = fails(pack(tmp_path / f"many{suffix}", pictures()))
        assert "has too many members: expected at most 5, got 6 or more." in text
        assert unpacked() == []


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "a.tar", tarfile.TarInfo("cat/0.png"), picture())
    assert "holds two members that would be one file here: 'cat/0.png' exists" in fails(path)
    path = pack(tmp_path / "b.zip", pictures() | {"cat/0.png/inside.png": picture()})
    assert "holds two members that would be one file here" in fails(path)
    assert unpacked() == []


def test_names_that_differ_in_case_are_both_kept_or_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", pictures() | {"cat/A.png": picture(), "cat/a.png": picture(9)})
    (tmp_path / "probe").touch()
    if (tmp_path / "PROBE").exists():  # as on macOS
        assert "perhaps in another case" in fails(path)
    else:
        assert {"cat/A.png", "cat/a.png"} <= set(load(path).image_names)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_truncated_archive_is_named_as_such(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).bytes(40_000)
    path = pack(tmp_path / f"cut{suffix}", pictures() | {"cat/notes.bin": noise})
    content = path.read_bytes()
    for size in (len(content) // 2, len(content) * 3 // 4 + 7, 30):
        path.write_bytes(content[:size])
        text = fails(path)
        assert "truncated or damaged" in text or "is not an archive" in text
        assert f"{size:,} bytes" in text
        assert unpacked() == []


def test_a_tar_cut_between_two_members_is_truncated(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", pictures())
    with tarfile.open(path) as archive:
        end_of_second = archive.getmembers()[2].offset
    content = path.read_bytes()
    path.write_bytes(content[:end_of_second])
    assert "truncated or damaged" in fails(path)
    path.write_bytes(content[:end_of_second] + b"x" * 512 + content[end_of_second + 512 :])
    assert "truncated or damaged" in fails(path)


def test_a_damaged_member_is_an_error(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {})
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in pictures().items():
            archive.writestr(name, content)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(b"IDAT") + 6] ^= 0xFF
    path.write_bytes(damaged)
    assert "truncated or damaged archive" in fails(path)
    assert unpacked() == []


def test_an_encrypted_zip_is_named_as_such(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"cat/0.png": picture()})
    content = bytearray(path.read_bytes())
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert f"{path} is encrypted: 'cat/0.png' needs a password." in fails(path)


def test_an_unknown_method_of_compression_is_named(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", {"cat/0.png": picture()})
    content = bytearray(path.read_bytes())
    content[8] = content[content.rindex(b"PK\x01\x02") + 10] = 9  # Deflate64, of Windows
    path.write_bytes(content)
    assert "is compressed with method 9, which is not supported." in fails(path)


def test_names_in_utf_8_are_kept_even_if_they_are_not_marked(tmp_path: Path) -> None:
    members = {f"{kind}/{n}.png": picture(n) for kind in ("été", "日本") for n in range(2)}
    path = pack(tmp_path / "a.zip", members)
    content = path.read_bytes()
    unmarked = bytearray(content)
    for magic, offset in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        start = unmarked.find(magic)
        while start >= 0:
            unmarked[start + offset] &= ~0x08
            start = unmarked.find(magic, start + 1)
    path.write_bytes(unmarked)
    assert load(path).class_names == ("été", "日本")


def test_the_content_decides_whether_a_file_is_an_archive(tmp_path: Path) -> None:
    path = pack(tmp_path / "photos.tar.gz", pictures())
    assert len(load(path.rename(tmp_path / "photos.zip"))) == 6
    path = pack(tmp_path / "more.zip", pictures())
    assert len(load(path.rename(tmp_path / "download"))) == 6


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.zip", b"<!DOCTYPE html><html>sign in</html>", "is a web page (HTML)"),
        ("a.tar.gz", b"\n <html lang='en'>", "is a web page (HTML)"),
        ("a.npz", b"<!doctype HTML>", "is a web page (HTML)"),
        ("a.csv", b"<html><body>404", "is a web page (HTML)"),
        (
            "a.zip",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
            "is a Git LFS pointer (",
        ),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("a.zip.part", b"PK\x03\x04", "is a download that is not finished"),
        ("a.zip.crdownload", b"PK\x03\x04", "is a download that is not finished"),
        ("a.zip", b"", "is empty (0 bytes)"),
        ("a.zip", b'{"error": "no"}', "is not an archive: it has 15 bytes and starts with '{"),
        ("a.tgz", b"\x1f\x8b\x08\x00", "truncated or damaged"),
        ("a.tar.xz", lzma.compress(b"text" * 200), "or a single compressed file"),
        ("a.rar", b"Rar!\x1a\x07\x01", "is a RAR archive, which is not supported.\n  Unpack it"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c", "7z x a.7z"),
        ("a.tar.zst", b"\x28\xb5\x2f\xfd", "tar --zstd -xf a.tar.zst"),
        ("a.tfrecord", b"x", "is a TFRecord file, which is not supported."),
        ("a.mat", b"MATLAB 5.0 MAT", "scipy.io.loadmat('a.mat')"),
        ("a.pkl", b"\x80\x04.", "Opening a pickle can run code, so Headstart never does."),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "h5py.File('a.h5')"),
        ("data", b"\x89HDF\r\n\x1a\n", "is an HDF5 file, which is not supported."),
        ("a.npy", b"\x93NUMPY", "Pass the folder that holds images.npy and labels.npy"),
        ("mnist.pkl.gz", gzip.compress(b"\x80\x04.", mtime=0), "gunzip mnist.pkl.gz"),
        ("a.bz2", bz2.compress(b"text"), "is a single file compressed with bzip2"),
        ("a.jsonl", b"{}", "Name it metadata.jsonl"),
    ],
)
def test_a_file_is_named_for_what_it_is(
    tmp_path: Path, name: str, content: bytes, text: str
) -> None:
    (tmp_path / name).write_bytes(content)
    assert text in fails(tmp_path / name)
    assert unpacked() == []


def test_an_archive_without_files_is_an_error(tmp_path: Path) -> None:
    assert "holds no files" in fails(pack(tmp_path / "a.zip", {"__MACOSX/x": b"1"}))


def test_a_name_that_is_too_long_is_an_error(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.tar", pictures() | {"cat/" + "x" * 300 + ".png": picture()})
    assert "holds a name that is too long" in fails(path)
    assert unpacked() == []


def test_a_full_disk_is_a_resource_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pack(tmp_path / "a.zip", pictures())
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    assert "MB are free" in fails(path, ResourceError)
    assert unpacked() == []


def test_progress_has_a_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    totals: dict[str, float] = {}
    done: dict[str, float] = {}
    make_task = progress.Task.__init__

    def record(self: progress.Task, title: str, total: float, *args: Any, **keys: Any) -> None:
        totals[title] = total
        make_task(self, title, total, *args, **keys)

    def advance(self: progress.Task, amount: float = 1.0) -> None:
        done[self.title] = done.get(self.title, 0) + amount

    monkeypatch.setattr(progress.Task, "__init__", record)
    monkeypatch.setattr(progress.Task, "advance", advance)
    noise = {"cat/noise.bin": np.random.default_rng(0).bytes(3_000_000)}
    for suffix in (".zip", ".tar.gz"):
        load(pack(tmp_path / f"p{suffix}", pictures() | noise))
        title = f"unpacking p{suffix}"
        assert done[title] == pytest.approx(totals[title], rel=0.02)


def test_permissions_of_members_are_not_taken_over(tmp_path: Path) -> None:
    info = tarfile.TarInfo("cat/tool.png")
    info.mode = 0o4777
    load(tar_of(tmp_path / "a.tar", info, picture()))
    (tool,) = (store.cache_folder() / "unpacked").rglob("tool.png")
    assert not os.access(tool, os.X_OK) and tool.stat().st_mode & 0o7000 == 0


def test_the_error_about_a_folder_says_which_of_its_files_to_give(tmp_path: Path) -> None:
    pack(tmp_path / "train.zip", pictures())
    text = fails(tmp_path)
    assert f"It holds train.zip. To read that file, pass its path: {tmp_path}/train.zip." in text
    pack(tmp_path / "a-test.zip", pictures())
    (tmp_path / "sample_submission.csv").write_text("id,label\n1,a\n")
    text = fails(tmp_path)
    assert "It holds a-test.zip, sample_submission.csv, train.zip." in text
    assert f"pass its path, such as {tmp_path}/train.zip." in text
    assert len(load(tmp_path / "train.zip")) == 6


def test_the_table_beside_a_folder_of_images_is_named(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for number in range(4):
        (tmp_path / "images" / f"{number}.png").write_bytes(picture(number))
    rows = "".join(f"images/{number}.png,{'ab'[number % 2]}\n" for number in range(4))
    (tmp_path / "labels.csv").write_text("path,label\n" + rows)
    assert f"If {tmp_path}/labels.csv has the labels, pass that file" in fails(tmp_path)
    assert load(tmp_path / "labels.csv").class_names == ("a", "b")


def test_tables_and_arrays_in_an_archive_are_named_by_paths_into_it(tmp_path: Path) -> None:
    table = b"path,label\n" + b"".join(b"%d.png,%c\n" % (n, b"ab"[n % 2]) for n in range(4))
    members = {f"{number}.png": picture(number) for number in range(4)}
    path = pack(tmp_path / "a.zip", members | {"labels.csv": table})
    assert f"If {path}/labels.csv has the labels, pass that file" in fails(path)
    assert load(path / "labels.csv").class_names == ("a", "b")
