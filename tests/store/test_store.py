"""Files are complete or absent, and a folder has one writer."""

import errno
import hashlib
import os
import subprocess
import sys
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace

import pytest

from headstart import store
from headstart.errors import HeadstartError, InputError, ResourceError
from headstart.store._temporary import temporary_file


def test_a_failed_write_leaves_the_old_content_and_no_debris(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    store.write_json(path, {"n": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match=r"no space left while writing .*a.json"):
        store.write_json(path, {"n": 2})
    assert store.read_json(path) == {"n": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_nan_is_not_written_as_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        store.write_json(tmp_path / "a.json", {"loss": float("nan")})
    assert not list(tmp_path.iterdir())


def test_a_file_where_a_folder_is_needed_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(InputError, match="a file exists where a folder is needed"):
        store.write_text(tmp_path / "runs" / "a.txt", "a")


def test_no_permission_names_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ResourceError, match=f"no permission to write {tmp_path}/x") as caught:
        store.ensure_folder(tmp_path / "x")
    assert "--out" in caught.value.hint


def test_a_new_folder_appears_complete_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "entry"
    with pytest.raises(RuntimeError), store.new_folder(target) as building:
        (building / "half").write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with store.new_folder(target) as building:
        (building / "a.txt").write_text("complete")
        assert not target.exists()
    assert (target / "a.txt").read_text() == "complete"
    assert [entry.name for entry in tmp_path.iterdir()] == ["entry"]


def test_a_file_that_the_block_cannot_read_is_not_reported_as_a_failed_write(
    tmp_path: Path,
) -> None:
    with pytest.raises(FileNotFoundError), store.new_folder(tmp_path / "entry"):
        (tmp_path / "nowhere").read_text()


def test_the_error_about_too_little_space_says_how_much_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"needs 1,000,000,000 MB, but only [\d,]+ MB are free"):
        store.require_space(tmp_path / "not" / "yet", 10**15)


def test_the_error_about_a_folder_in_use_names_its_owner(tmp_path: Path) -> None:
    with (
        store.claim(tmp_path),
        pytest.raises(ResourceError, match=f'in use by another process: .*"pid": {os.getpid()}'),
        store.claim(tmp_path),
    ):
        pass
    with store.claim(tmp_path):  # the lock is released
        pass


def test_a_lock_on_a_full_disk_is_an_error_that_names_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(ResourceError, match="no space left while"), store.claim(tmp_path / "run"):
        pass
    monkeypatch.undo()
    with store.claim(tmp_path / "run"):  # The failed call holds no lock.
        pass


def test_a_folder_whose_owner_is_about_to_end_is_not_refused(tmp_path: Path) -> None:
    is_claimed = threading.Event()

    def own() -> None:
        with store.claim(tmp_path):
            is_claimed.set()
            time.sleep(0.3)

    owner = threading.Thread(target=own)
    owner.start()
    is_claimed.wait()
    with store.claim(tmp_path):
        pass
    owner.join()


def test_damaged_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(InputError, match=r"recipe.json cannot be read as JSON"):
        store.read_json(tmp_path / "recipe.json")


def test_a_killed_process_leaves_nothing_behind_for_long(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from headstart import store\n"
        "root = Path(sys.argv[1])\n"
        "with store.new_folder(root / 'entry') as building:\n"
        "    (building / 'half').write_text('half')\n"
        "    os.fsync = lambda _: os._exit(9)\n"
        "    store.write_text(root / 'a.txt', 'a')\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == 9
    assert store.has_debris(tmp_path) and len(list(tmp_path.iterdir())) == 2
    with store.new_folder(tmp_path / "another entry"):
        pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["another entry"]


def test_a_folder_that_another_process_fills_stays_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    week = 8 * 24 * 3600
    now = time.time()
    with store.new_folder(tmp_path / "entry") as building:
        os.utime(building, (0, 0))
        monkeypatch.setattr(time, "time", lambda: now + week)
        with store.new_folder(tmp_path / "entry"):
            pass
        store.clear_debris(tmp_path)
        assert building.exists()

    def use(name: str) -> AbstractContextManager[Path]:
        return store.unfinished_folder(
            tmp_path / "unfinished" / name,
            is_worth_keeping=lambda _: True,
            on_wait=lambda: None,
        )

    with use("slow") as slow:
        os.utime(slow, (0, 0))
        monkeypatch.setattr(time, "time", lambda: now + 2 * week)
        with use("other"):
            pass
        assert slow.exists()


def test_any_change_of_a_sealed_folder_is_damage(tmp_path: Path) -> None:
    store.write_bytes(tmp_path / "a", b"12345")
    store.write_bytes(tmp_path / "b", b"")
    store.seal(tmp_path)
    assert store.find_damage(tmp_path) is None
    store.write_bytes(tmp_path / "a", b"12346")
    assert store.find_damage(tmp_path) == "a has changed since it was written (SHA-256)"
    store.write_bytes(tmp_path / "a", b"123")
    assert store.find_damage(tmp_path) == "a has 3 bytes, not 5"
    (tmp_path / "a").unlink()
    assert store.find_damage(tmp_path) == "a is missing"
    store.write_bytes(tmp_path / "a", b"12345")
    for content in (b"", b"[]", b"{}", b'{"a": 3}', b"\xff"):
        store.write_bytes(tmp_path / "manifest.json", content)
        assert "manifest.json" in str(store.find_damage(tmp_path))
    (tmp_path / "manifest.json").unlink()
    assert store.find_damage(tmp_path) == "manifest.json is missing"


def test_a_manifest_cannot_point_outside_its_folder(tmp_path: Path) -> None:
    store.write_bytes(tmp_path / "secret", b"x")
    store.write_json(
        tmp_path / "run" / "manifest.json",
        {"../secret": {"bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}},
    )
    assert store.find_damage(tmp_path / "run") is not None


def test_only_the_debris_of_a_killed_process_is_cleared(tmp_path: Path) -> None:
    keep = [".lock", ".gitignore", "metrics.json", ".metrics.json"]
    for name in (*keep, ".metrics.json.k2_8xyz1"):
        (tmp_path / name).touch()
    (tmp_path / ".00000120.abcdefgh").mkdir()
    (tmp_path / ".00000120.abcdefgh" / "state.json").touch()
    store.clear_debris(tmp_path)
    store.clear_debris(tmp_path / "nowhere")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(keep)


def test_writing_a_file_again_removes_what_a_killed_process_left_for_it(tmp_path: Path) -> None:
    plan, others = tmp_path / "plan.csv", [".plan.csv", ".other.csv.k2_8xyz1", "plan.csv.k2_8xyz1"]
    for name in (*others, ".plan.csv.k2_8xyz1"):
        (tmp_path / name).touch()
    with temporary_file(plan) as (_, used):  # a living process holds this one
        store.write_text(plan, "new")
        assert used.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "plan.csv"])


def test_nothing_is_synced_while_syncing_is_disabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with store.without_sync():
        store.write_text(tmp_path / "a.txt", "a")
        with store.new_folder(tmp_path / "folder") as building:
            store.write_text(building / "b.txt", "b")
    assert not synced and (tmp_path / "folder" / "b.txt").read_text() == "b"
    store.write_text(tmp_path / "a.txt", "b")
    assert len(synced) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="the paths of open files are read from /proc")
def test_the_names_of_new_folders_are_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def sync(handle: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{handle}").readlink()))

    monkeypatch.setattr(os, "fsync", sync)
    store.ensure_folder(tmp_path / "study" / "runs" / "run")
    assert synced == [str(tmp_path / "study" / "runs"), str(tmp_path / "study"), str(tmp_path)]
    store.ensure_folder(tmp_path / "study" / "runs" / "run")
    assert len(synced) == 3


def test_the_name_of_a_folder_is_gone_from_the_disk_before_its_content_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "manifest.json").touch()
    synced: list[tuple[bool, int]] = []

    def sync(_: int) -> None:
        content = list(tmp_path.rglob("manifest.json"))
        synced.append(((tmp_path / "state").exists(), len(content)))

    monkeypatch.setattr(os, "fsync", sync)
    store.remove_folder(tmp_path / "state")
    assert synced == [(False, 1)]
    assert not list(tmp_path.iterdir())


def test_an_anonymous_file_holds_its_content_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with store.anonymous_file(b"twelve bytes") as file:
        assert list(tmp_path.iterdir()) == []
        assert (file.seek(0), file.read()) == (0, b"twelve bytes")
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=0))
    with pytest.raises(ResourceError, match="are free there"):
        store.anonymous_file(b"twelve bytes")


def test_a_folder_that_is_resumed_leaves_out_what_the_killed_process_had_begun(
    tmp_path: Path,
) -> None:
    with store.unfinished_folder(
        tmp_path / "unfinished" / "entry", is_worth_keeping=lambda _: True, on_wait=lambda: None
    ) as filled:
        (filled / "images.npy").touch()
        (filled / ".about.json.7wiq8abe").touch()
        store.publish_folder(filled, tmp_path / "entry")
    assert [path.name for path in (tmp_path / "entry").iterdir()] == ["images.npy"]


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "name another place with --csv. Then run"),
        (errno.EACCES, "Choose a folder you own with --csv."),
        (errno.EISDIR, "Choose another path with --csv."),
        (errno.EIO, "Choose a folder on another disk with --csv."),
    ],
)
def test_a_failed_write_names_the_option_that_was_given(
    tmp_path: Path, code: int, advice: str
) -> None:
    def fail() -> None:
        with store.translate_os_errors(tmp_path / "scores.csv"):
            raise OSError(code, "failed")

    with pytest.raises(HeadstartError) as named, store.named_by("--csv"):
        fail()
    assert advice in named.value.hint and "--out" not in named.value.hint
    with pytest.raises(HeadstartError) as unnamed:
        fail()
    assert advice.replace("--csv", "--out") in unnamed.value.hint

    with pytest.raises(HeadstartError) as in_cache, store.translate_os_errors(store.cache_folder()):
        raise OSError(code, "failed")
    assert advice.replace("--csv", "the variable XDG_CACHE_HOME") in in_cache.value.hint


def test_a_fifo_is_written_to_and_stays_a_fifo(tmp_path: Path) -> None:
    """A rename would put a file in its place; as root, in that of /dev/null as well."""
    fifo = tmp_path / "rows"
    os.mkfifo(fifo)
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(fifo.read_bytes()), daemon=True)
    reader.start()
    store.write_text(fifo, "image,label\n")
    reader.join(10)
    assert found == [b"image,label\n"]
    assert store.special_kind(fifo) == "a FIFO" and list(tmp_path.iterdir()) == [fifo]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/dev/null", True),
        ("/dev/stdout", True),
        ("/dev/fd/1", True),
        ("/dev/shm/rows.csv", False),
        ("rows.csv", False),
    ],
)
def test_devices_and_standard_streams_are_no_files(path: str, expected: bool) -> None:
    assert store.is_stream(Path(path)) is expected
