"""Named datasets: the order of places, the checks, and the error when no place has the files.

The tests need no network.
"""

import base64
import functools
import gzip
import hashlib
import http.server
import io
import json
import os
import shutil
import struct
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from headstart import progress, store
from headstart.data._types import TEST, TRAIN, UNASSIGNED
from headstart.data.named import _download, _fetch, _layouts, _packages
from headstart.data.named._catalogue import NamedDataset, Part
from headstart.data.named._download import SourceFailed
from headstart.data.named._sources import Source, SystemFolder
from headstart.errors import InputError, ResourceError

REAL_DATA = os.environ.get("HEADSTART_DATA", "")  # read before the tests remove it

TRAIN_IMAGES = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4)
TEST_IMAGES = TRAIN_IMAGES[:2] + 100
TRAIN_LABELS, TEST_LABELS = np.array([0, 1, 0], np.uint8), np.array([1, 1], np.uint8)


def sha(array: NDArray[np.uint8]) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def write_files(folder: Path, is_damaged: bool = False, is_gzipped: bool = False) -> Path:
    """Write the four IDX files of the tiny dataset, damaged ones with another test pixel."""
    folder.mkdir(parents=True, exist_ok=True)
    test_images = TEST_IMAGES.copy()
    test_images[1, 3, 3] += is_damaged
    for name, array in zip(
        _layouts.IDX_FILES, (TRAIN_IMAGES, TRAIN_LABELS, test_images, TEST_LABELS), strict=True
    ):
        content = (
            struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()
        )
        (folder / (name + ".gz" * is_gzipped)).write_bytes(
            gzip.compress(content) if is_gzipped else content
        )
    return folder


@dataclass(frozen=True)
class FakeSource:
    """A source that provides valid or damaged files, or fails. It records its calls."""

    title: str
    provides: str = "valid"
    calls: list[str] = field(default_factory=list)

    def fetch(self, folder: Path) -> Path:
        self.calls.append(self.title)
        if self.provides == "nothing":
            raise SourceFailed(f"no answer from {self.title}")
        return write_files(folder, is_damaged=self.provides == "damaged")


TINY = NamedDataset(
    name="tiny",
    title="Tiny",
    class_names=("a", "b"),
    image_shape=(4, 4, 1),
    licence="none",
    parts=(
        Part("train", TRAIN, 3, sha(TRAIN_IMAGES), sha(TRAIN_LABELS)),
        Part("test", TEST, 2, sha(TEST_IMAGES), sha(TEST_LABELS)),
    ),
    layouts=(_layouts.idx_files(),),
    sources=(),
)


@pytest.fixture(autouse=True)
def no_user_folders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HEADSTART_DATA", raising=False)


def set_catalogue(
    monkeypatch: pytest.MonkeyPatch, *sources: Source, entry: NamedDataset = TINY
) -> None:
    monkeypatch.setattr(
        _fetch, "CATALOGUE", (replace(entry, sources=sources), replace(TINY, name="other"))
    )


def cached_files() -> list[Path]:
    return [path for path in store.cache_folder().rglob("*") if path.is_file()]


def test_a_dataset_is_complete_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    set_catalogue(monkeypatch, FakeSource("mirror"))
    dataset = _fetch.fetch_named("tiny")
    np.testing.assert_array_equal(
        dataset.images[..., 0], np.concatenate([TRAIN_IMAGES, TEST_IMAGES])
    )
    assert isinstance(dataset.images, np.memmap)
    assert dataset.labels.tolist() == [0, 1, 0, 1, 1]
    assert dataset.labels.dtype == np.int64
    assert dataset.parts.tolist() == [TRAIN] * 3 + [TEST] * 2
    assert dataset.image_names[2:4] == ("train-00002", "test-00000")
    assert (dataset.name, dataset.source, dataset.class_names) == ("tiny", "tiny", ("a", "b"))


def test_sources_are_tried_in_order_until_one_provides_the_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[str] = []
    set_catalogue(
        monkeypatch,
        FakeSource("first", "nothing", calls),
        FakeSource("second", calls=calls),
        FakeSource("third", calls=calls),
    )
    _fetch.fetch_named("tiny")
    assert calls == ["first", "second"]
    assert _fetch.source_of("tiny") == "second"


def test_a_second_fetch_tries_no_source_and_decodes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = FakeSource("mirror")
    set_catalogue(monkeypatch, source)
    assert not _fetch.is_cached("tiny")
    assert _fetch.source_of("tiny") == ""
    first = _fetch.fetch_named("tiny")
    monkeypatch.setattr(_fetch, "_decode", lambda *_: pytest.fail("decoded again"))
    second = _fetch.fetch_named("tiny")
    assert _fetch.is_cached("tiny")
    assert len(source.calls) == 1
    assert first.fingerprint == second.fingerprint


def test_only_the_decoded_entry_stays_in_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    set_catalogue(monkeypatch, FakeSource("mirror"))
    _fetch.fetch_named("tiny")
    assert {path.name for path in cached_files()} == {
        "images.npy",
        "arrays.npz",
        "about.json",
        "manifest.json",
        "origin.json",
    }


@pytest.mark.parametrize(("below", "is_gzipped"), [("tiny", False), ("tiny", True), ("", True)])
def test_the_users_folder_comes_before_every_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: str, is_gzipped: bool
) -> None:
    source = FakeSource("mirror")
    set_catalogue(monkeypatch, source)
    place = write_files(tmp_path / "mine" / below, is_gzipped=is_gzipped)
    monkeypatch.setenv(
        "HEADSTART_DATA", os.pathsep.join([str(tmp_path / "absent"), str(tmp_path / "mine")])
    )
    assert _fetch.source_of("tiny") == str(place)
    assert not _fetch.is_cached("tiny")
    _fetch.fetch_named("tiny")
    assert source.calls == []
    assert _fetch.source_of("tiny") == str(place)


def test_damaged_files_in_the_users_folder_are_an_error_and_nothing_is_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FakeSource("mirror")
    set_catalogue(monkeypatch, source)
    place = write_files(tmp_path / "tiny", is_damaged=True)
    monkeypatch.setenv("HEADSTART_DATA", str(tmp_path))
    with pytest.raises(InputError) as caught:
        _fetch.fetch_named("tiny")
    damaged = TEST_IMAGES.copy()
    damaged[1, 3, 3] += 1
    assert caught.value.message == (
        f"{place}: invalid SHA-256 of the test images of Tiny: "
        f"expected {sha(TEST_IMAGES)}, got {sha(damaged)}."
    )
    assert "HEADSTART_DATA" in caught.value.hint
    assert source.calls == []
    assert cached_files() == []


def test_the_error_about_an_incomplete_file_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_catalogue(monkeypatch, FakeSource("mirror"))
    broken = write_files(tmp_path / "tiny") / _layouts.IDX_FILES[0]
    broken.write_bytes(broken.read_bytes()[:-1])
    monkeypatch.setenv("HEADSTART_DATA", str(tmp_path))
    message = f"invalid length of {broken}: expected 48 bytes after its header"
    with pytest.raises(InputError, match=message):
        _fetch.fetch_named("tiny")
    assert cached_files() == []


def test_a_folder_named_after_another_dataset_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FakeSource("mirror")
    set_catalogue(monkeypatch, source)
    monkeypatch.setenv("HEADSTART_DATA", str(write_files(tmp_path / "other", is_damaged=True)))
    _fetch.fetch_named("tiny")
    assert source.calls == ["mirror"]


def test_a_source_with_damaged_files_is_skipped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    set_catalogue(monkeypatch, FakeSource("bad mirror", "damaged"), FakeSource("good mirror"))
    progress.show_progress(True)
    try:
        dataset = _fetch.fetch_named("tiny")
    finally:
        progress.show_progress(False)
    np.testing.assert_array_equal(dataset.images[3:, ..., 0], TEST_IMAGES)
    assert "tiny: not available from bad mirror: " in capsys.readouterr().err


def test_when_every_source_fails_each_is_listed_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    incomplete = write_files(tmp_path / "tiny")
    (incomplete / _layouts.IDX_FILES[3]).unlink()
    monkeypatch.setenv("HEADSTART_DATA", str(tmp_path))
    set_catalogue(
        monkeypatch,
        FakeSource("dead", "nothing"),
        FakeSource("bad", "damaged"),
        SystemFolder(tmp_path / "sys"),
    )
    with pytest.raises(ResourceError) as caught:
        _fetch.fetch_named("tiny")
    lines = [line.strip() for line in caught.value.message.splitlines()]
    assert lines[0] == "no source provided the files of tiny:"
    assert lines[1] == f"HEADSTART_DATA, {incomplete}: lacks t10k-labels-idx1-ubyte"
    assert lines[2] == f"HEADSTART_DATA, {tmp_path}: lacks {', '.join(_layouts.IDX_FILES)}"
    assert lines[3] == "dead: no answer from dead"
    assert lines[4].startswith("bad: bad: invalid SHA-256 of the test images of Tiny: ")
    assert lines[5] == f"{tmp_path / 'sys'}: no such folder"
    assert caught.value.hint == (
        f"Put {', '.join(_layouts.IDX_FILES)} (gzipped or not) into a folder named tiny, "
        "and the folder above it into HEADSTART_DATA."
    )
    assert cached_files() == []


def test_the_list_of_places_tells_when_no_folder_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    set_catalogue(monkeypatch)
    with pytest.raises(ResourceError, match="HEADSTART_DATA: not set"):
        _fetch.fetch_named("tiny")


def test_a_smaller_edition_in_the_users_folder_is_opened_with_a_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = replace(
        TINY,
        parts=(replace(TINY.parts[0], count=30, images_sha256="more"), TINY.parts[1]),
        smaller=(TINY,),
        layouts=(_layouts.Layout(("all.bin",), TINY.layouts[0].read),),
    )
    set_catalogue(monkeypatch, entry=full)
    place = write_files(tmp_path / "tiny")
    monkeypatch.setenv("HEADSTART_DATA", str(tmp_path))
    progress.show_progress(True)
    try:
        dataset = _fetch.fetch_named("tiny")
    finally:
        progress.show_progress(False)
    assert (dataset.name, len(dataset)) == ("tiny", 5)
    assert _fetch.available_edition("tiny").train_count == 3
    assert f"tiny: {place} holds 3 of the 30 training images." in capsys.readouterr().err
    monkeypatch.delenv("HEADSTART_DATA")
    assert not _fetch.is_cached("tiny")  # the full edition is another entry


def test_an_unknown_name_gets_the_closest_name() -> None:
    with pytest.raises(
        InputError, match="no dataset is named 'fashion_mnist': did you mean 'fashion-mnist'"
    ):
        _fetch.fetch_named("fashion_mnist")


def test_digits_need_no_network_and_use_the_full_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib.request.urlopen", lambda *_: pytest.fail("used the network"))
    dataset = _fetch.fetch_named("digits")
    assert dataset.images.shape == (1797, 8, 8, 1)
    assert (dataset.images.min(), dataset.images.max()) == (0, 255)
    assert set(dataset.parts.tolist()) == {UNASSIGNED}
    assert dataset.class_names == tuple("0123456789")
    assert _fetch.source_of("digits") == "scikit-learn"


def test_the_catalogue_has_the_sizes_of_each_dataset() -> None:
    assert [
        (entry.name, entry.count, entry.train_count, entry.test_count, entry.image_shape)
        for entry in _fetch.catalogue()
    ] == [
        ("fashion-mnist", 70_000, 60_000, 10_000, (28, 28, 1)),
        ("mnist", 70_000, 60_000, 10_000, (28, 28, 1)),
        ("cifar10", 60_000, 50_000, 10_000, (32, 32, 3)),
        ("digits", 1_797, 0, 0, (8, 8, 1)),
    ]
    assert all(
        len(entry.class_names) == len(set(entry.class_names)) == 10 for entry in _fetch.catalogue()
    )


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> NDArray[np.uint8]:
    """Return CIFAR images, and make a batch four images instead of 10,000."""
    monkeypatch.setattr(_layouts, "CIFAR_BATCH", 4)
    return np.random.default_rng(0).integers(0, 256, (24, 32, 32, 3), np.uint8)


def test_cifar_sheets_hold_one_image_per_row(
    tmp_path: Path, small_batches: NDArray[np.uint8]
) -> None:
    images, labels = small_batches[:12], [1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2]
    for start, name in ((0, "data_batch_1.png"), (4, "data_batch_2.png"), (8, "test_batch.png")):
        Image.fromarray(images[start : start + 4].reshape(4, 1024, 3)).save(tmp_path / name)
    (tmp_path / "train.json").write_text(json.dumps(labels[:8]))
    (tmp_path / "test.json").write_text(json.dumps(labels[8:]))
    layout = _layouts.cifar_sheets(
        ("data_batch_1.png", "data_batch_2.png"), "train.json", "test.json"
    )
    chunks = list(layout.read(tmp_path))
    np.testing.assert_array_equal(np.concatenate([chunk[0] for chunk in chunks]), images)
    assert np.concatenate([chunk[1] for chunk in chunks]).tolist() == labels


def test_a_sheet_of_another_size_and_invalid_labels_are_errors(
    tmp_path: Path, small_batches: NDArray[np.uint8]
) -> None:
    layout = _layouts.cifar_sheets(("data_batch_1.png",), "train.json", "test.json")
    (tmp_path / "train.json").write_text("[1, 2, 3]")
    with pytest.raises(
        InputError, match="expected a list of 4 integers from 0 to 9, got a list of 3"
    ):
        list(layout.read(tmp_path))
    (tmp_path / "train.json").write_text("[1, 2, 3, 9]")
    Image.fromarray(small_batches[0]).save(tmp_path / "data_batch_1.png")
    with pytest.raises(
        InputError, match="expected 1024 x 4 RGB, one 32x32 image per row, got 32 x 32 RGB"
    ):
        list(layout.read(tmp_path))
    (tmp_path / "data_batch_1.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match="cannot be read as PNG"):
        list(layout.read(tmp_path))


def test_cifar_bins_hold_planes_after_a_label(
    tmp_path: Path, small_batches: NDArray[np.uint8]
) -> None:
    labels = np.arange(24, dtype=np.uint8) % 10
    rows = np.concatenate(
        [labels[:, None], small_batches.transpose(0, 3, 1, 2).reshape(24, -1)], axis=1
    )
    for number, name in enumerate(_layouts.CIFAR_BINS):
        (tmp_path / name).write_bytes(rows[4 * number : 4 * number + 4].tobytes())
    chunks = list(_layouts.cifar_bins().read(tmp_path))
    np.testing.assert_array_equal(np.concatenate([chunk[0] for chunk in chunks]), small_batches)
    assert np.concatenate([chunk[1] for chunk in chunks]).tolist() == labels.tolist()
    (tmp_path / "test_batch.bin").write_bytes(b"short")
    with pytest.raises(InputError, match=r"test_batch.bin: expected 12,292 bytes, got 5"):
        list(_layouts.cifar_bins().read(tmp_path))


def archive_of(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"../../package/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("package/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    return out.getvalue()


def test_only_the_named_files_of_an_archive_are_written_and_only_into_the_folder(
    tmp_path: Path,
) -> None:
    folder = _download.unpack(
        archive_of(image=b"yes", other=b"no"), ("image", "link"), tmp_path / "a" / "b", 100
    )
    assert [
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if not path.is_dir()
    ] == ["a/b/image"]
    assert (folder / "image").read_bytes() == b"yes"


def test_an_archive_that_unpacks_to_far_too_much_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="unpacks to far more than 100 bytes"):
        _download.unpack(archive_of(other=bytes(2_000)), ("image",), tmp_path, 100)


def test_content_that_is_not_an_archive_is_a_failed_source(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="cannot be unpacked"):
        _download.unpack(b"<html>not found</html>", ("image",), tmp_path, 100)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """Yield the address of a web server on this machine.

    It serves the files below tmp_path/web, and a body shorter than announced at /cut.
    """

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/cut":
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Length", "50")
            self.end_headers()
            self.wfile.write(b"only this")
            return None

        def log_message(self, format: str, *args: object) -> None:
            pass

    (tmp_path / "web").mkdir()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path / "web"))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def test_a_download_is_complete_or_a_failed_source(tmp_path: Path, web: str) -> None:
    (tmp_path / "web" / "file").write_bytes(b"x" * 1000)
    assert _download.download(f"{web}file", 1000) == b"x" * 1000
    for path, reason in (
        ("file", "file is too large: expected at most 400 bytes, got 1,000"),
        ("absent", "absent: HTTP Error 404"),
        ("cut", "cut ended after 9 of 50 bytes"),
    ):
        with pytest.raises(SourceFailed, match=reason):
            _download.download(web + path, 100)
    with pytest.raises(SourceFailed, match="is not an http or https address"):
        _download.download("file:///etc/hostname", 100)


@pytest.mark.parametrize("is_pinned", [True, False])
def test_an_npm_package_is_opened_only_with_its_pinned_digest(
    tmp_path: Path, web: str, monkeypatch: pytest.MonkeyPatch, is_pinned: bool
) -> None:
    content = archive_of(image=b"yes")
    description = {"dist": {"tarball": f"{web}archive.tgz"}}
    (tmp_path / "web" / "small").mkdir()
    (tmp_path / "web" / "small" / "1.0.0").write_text(json.dumps(description))
    (tmp_path / "web" / "archive.tgz").write_bytes(content if is_pinned else content + b"x")
    monkeypatch.setenv("npm_config_registry", web)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    digest = base64.b64encode(hashlib.sha512(content).digest()).decode()
    package = _packages.NpmPackage("small", "1.0.0", digest, ("image",), len(content))
    if is_pinned:
        assert (package.fetch(tmp_path / "files") / "image").read_bytes() == b"yes"
    else:
        with pytest.raises(SourceFailed, match=r"invalid SHA-512 of small@1\.0\.0: "):
            package.fetch(tmp_path / "files")
        assert not (tmp_path / "files").exists()


def test_the_npm_registry_is_the_one_of_the_users_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".npmrc").write_text(
        'audit=false\n@mine:registry=https://no/\n registry = "https://from.file/"\n'
    )
    assert _packages.npm_registry() == "https://from.file/"
    monkeypatch.setenv("NPM_CONFIG_REGISTRY", "https://from.environment/")
    assert _packages.npm_registry() == "https://from.environment/"


def test_without_npm_and_a_registry_the_reason_names_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("NPM_CONFIG_REGISTRY", "npm_config_registry"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(Path, "is_file", lambda _: False)
    with pytest.raises(
        SourceFailed, match="npm is not installed, and neither NPM_CONFIG_REGISTRY nor"
    ):
        _packages.npm_registry()


def test_a_machine_without_apt_is_a_failed_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(SourceFailed, match="this machine has no apt-get"):
        _packages.DebianPackage("some-package", "usr", 100).fetch(tmp_path)


def client(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", f"import pathlib, sys, time\n{code}"]


def test_a_package_client_returns_its_status_and_its_errors(tmp_path: Path) -> None:
    status, errors = _packages.run_client(
        client("print('E: no\\n\\nE: luck', file=sys.stderr); sys.exit(7)"), tmp_path, "x", 100
    )
    assert (status, errors) == (7, "E: no; E: luck")


def test_a_package_client_that_stalls_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_packages, "STALLED_SECONDS", 0.4)
    with pytest.raises(SourceFailed, match="wrote nothing for 0 seconds"):
        _packages.run_client(client("time.sleep(60)"), tmp_path, "x", 1000)


def test_a_package_client_that_writes_far_too_much_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(SourceFailed, match="far more than expected"):
        _packages.run_client(
            client("pathlib.Path('big').write_bytes(bytes(9000)); time.sleep(60)"),
            tmp_path,
            "x",
            1000,
        )


@pytest.mark.skipif(not REAL_DATA, reason="needs the real files: set HEADSTART_DATA")
@pytest.mark.parametrize("name", ["fashion-mnist", "mnist", "cifar10"])
def test_the_real_files_have_the_catalogues_digests(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HEADSTART_DATA", REAL_DATA)
    if not _fetch.source_of(name):
        pytest.skip(f"HEADSTART_DATA holds no {name}")
    dataset = _fetch.fetch_named(name)
    assert np.bincount(dataset.labels[dataset.parts == TEST], minlength=10).sum() == 10_000
