"""A decoding that is interrupted continues, and two processes decode the same data once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from numpy.typing import NDArray
from PIL import Image
from pyarrow import parquet

from headstart import progress
from headstart.data import load
from headstart.data._decode_journal import JOURNAL_FILE
from headstart.data.formats.images import _decode, _decode_rows, _image_files

COUNT = 40


class Interrupted(Exception):
    pass


def folder_of(root: Path) -> Path:
    for label, kind in enumerate(("cat", "dog")):
        (root / kind).mkdir(parents=True)
        for number in range(COUNT // 2):
            picture = Image.new("RGB", (12, 10), (number, 40 * label, 200))
            picture.save(root / kind / f"{number:02d}.png")
    return root


@pytest.fixture
def interrupt_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], list[int]]:
    """Return a function that lets the decoder raise an exception after some images.

    It returns a list that grows with each image that is decoded.
    """
    monkeypatch.setattr(_decode_rows, "SECONDS_BETWEEN_RECORDS", 0.0)
    monkeypatch.setattr("headstart.data._threads.usable_cores", lambda: 1)

    def patch(count: int) -> list[int]:
        decoded: list[int] = []

        def read(*args: Any, **keys: Any) -> NDArray[np.uint8]:
            if len(decoded) >= count:
                raise Interrupted
            decoded.append(1)
            return _decode.read_image(*args, **keys)

        monkeypatch.setattr(_image_files, "read_image", read)
        return decoded

    return patch


def interrupted_folder(root: Path, interrupt_after: Callable[[int], list[int]]) -> Path:
    folder_of(root)
    time.sleep(0.2)  # until a change would have another time stamp
    interrupt_after(25)
    with pytest.raises(Interrupted):
        load(root)
    return root


def unfinished(cache: Path) -> Path:
    (folder,) = (cache / "headstart/unfinished").iterdir()
    return folder


def fresh(root: Path, monkeypatch: pytest.MonkeyPatch, place: Path) -> Any:
    with monkeypatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(place))
        return load(root)


def test_finished_images_are_not_decoded_again(
    tmp_path: Path,
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    interrupt_after: Callable[[int], list[int]],
) -> None:
    root = interrupted_folder(tmp_path / "pets", interrupt_after)
    said: list[str] = []
    monkeypatch.setattr(progress, "say", said.append)
    decoded = interrupt_after(COUNT)
    data = load(root)
    assert len(decoded) == COUNT - 25
    assert any("25 of 40 images were decoded before" in line for line in said)
    assert not list((own_cache / "headstart/unfinished").iterdir())

    interrupt_after(COUNT)
    expected = fresh(root, monkeypatch, tmp_path / "other")
    assert np.array_equal(data.images, expected.images)
    assert data.fingerprint == expected.fingerprint


def test_finished_images_of_a_parquet_file_are_not_decoded_again(
    tmp_path: Path, interrupt_after: Callable[[int], list[int]]
) -> None:
    root = folder_of(tmp_path / "pets")
    files = sorted(root.rglob("*.png"))
    columns = {
        "image": [file.read_bytes() for file in files],
        "label": [file.parent.name for file in files],
    }
    path = tmp_path / "pets.parquet"
    parquet.write_table(pyarrow.table(columns), path)
    interrupt_after(25)
    with pytest.raises(Interrupted):
        load(path)
    decoded = interrupt_after(COUNT)
    data = load(path)
    assert len(decoded) == COUNT - 25

    interrupt_after(COUNT)
    assert np.array_equal(data.images, load(root).images)


def test_an_image_that_was_edited_meanwhile_is_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, interrupt_after: Callable[[int], list[int]]
) -> None:
    root = interrupted_folder(tmp_path / "pets", interrupt_after)
    Image.new("RGB", (12, 10), (1, 2, 3)).save(root / "cat/03.png")
    decoded = interrupt_after(COUNT)
    data = load(root)
    assert len(decoded) == COUNT - 24
    assert data.images[3, 0, 0].tolist() == [1, 2, 3]


def test_an_image_that_was_only_touched_is_hashed_and_kept(
    tmp_path: Path, interrupt_after: Callable[[int], list[int]]
) -> None:
    root = interrupted_folder(tmp_path / "pets", interrupt_after)
    for path in root.rglob("*.png"):
        path.touch()
    decoded = interrupt_after(COUNT)
    load(root)
    assert len(decoded) == COUNT - 25


@pytest.mark.parametrize("damage", ["tail", "record", "map", "head", "gone"])
def test_a_damaged_journal_or_map_is_not_believed(
    tmp_path: Path,
    own_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    interrupt_after: Callable[[int], list[int]],
    damage: str,
) -> None:
    root = interrupted_folder(tmp_path / "pets", interrupt_after)
    folder = unfinished(own_cache)
    journal, images = folder / JOURNAL_FILE, folder / "images.npy"
    content = bytearray(journal.read_bytes())
    if damage == "tail":
        journal.write_bytes(content[:-5])
    elif damage == "record":
        content[len(content) // 2] ^= 255
        journal.write_bytes(content)
    elif damage == "head":
        content[0] ^= 255
        journal.write_bytes(content)
    elif damage == "gone":
        images.unlink()
    else:
        pixels = bytearray(images.read_bytes())
        pixels[128:1000] = bytes(872)
        images.write_bytes(pixels)

    interrupt_after(COUNT)
    data = load(root)
    interrupt_after(COUNT)
    expected = fresh(root, monkeypatch, tmp_path / "other")
    assert np.array_equal(data.images, expected.images)
    assert data.fingerprint == expected.fingerprint


def test_a_refused_folder_continues_with_skip_bad(
    tmp_path: Path, interrupt_after: Callable[[int], list[int]]
) -> None:
    root = folder_of(tmp_path / "pets")
    (root / "cat/05.png").write_bytes(b"")
    time.sleep(0.2)
    interrupt_after(COUNT)
    with pytest.raises(Exception, match="1 of 40 images"):
        load(root)
    decoded = interrupt_after(COUNT)
    assert len(load(root, skip_bad=True)) == COUNT - 1
    # The last images before the error may not have been recorded.
    assert len(decoded) <= 2


def load_and_report(root: Path, queue: Any) -> None:
    progress.show_progress(False)
    queue.put(load(root).fingerprint)


def test_processes_that_decode_the_same_data_agree(tmp_path: Path, own_cache: Path) -> None:
    root = folder_of(tmp_path / "pets")
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    workers = [
        context.Process(target=load_and_report, args=(root, queue), daemon=True) for _ in range(3)
    ]
    for worker in workers:
        worker.start()
    fingerprints = {queue.get(timeout=100) for _ in workers}
    for worker in workers:
        worker.join(timeout=30)
    assert len(fingerprints) == 1
    assert len(list((own_cache / "headstart/decoded").iterdir())) == 1
    assert not list((own_cache / "headstart/unfinished").iterdir())


# A shell starts commands in the background with interrupts ignored, and they inherit that.
SLOW = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from headstart.data import load
from headstart.data.formats.images import _decode
from headstart.data.formats.images import _decode_rows
from headstart.data.formats.images import _image_files

_decode_rows.SECONDS_BETWEEN_RECORDS = 0.0

started = 0

def read(*args, **keys):
    global started
    started += 1
    time.sleep(0.05 if started <= 25 else 5)  # so that the signal comes before the end
    print("decoded", flush=True)
    return _decode.read_image(*args, **keys)

_image_files.read_image = read
load(sys.argv[1])
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_process_leaves_what_it_has_decoded(
    tmp_path: Path,
    signum: signal.Signals,
    interrupt_after: Callable[[int], list[int]],
) -> None:
    root = folder_of(tmp_path / "pets")
    time.sleep(0.2)
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    ) as process:
        assert process.stdout is not None
        for _ in range(20):
            assert process.stdout.readline()
        stopped = time.monotonic()
        process.send_signal(signum)
        process.wait(timeout=60)
        assert time.monotonic() - stopped < 20
    assert process.returncode != 0

    decoded = interrupt_after(COUNT)
    assert len(load(root)) == COUNT
    assert 0 < len(decoded) < COUNT - 5
