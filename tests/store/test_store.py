"""Files are whole or absent, folders have one writer."""

import errno
import os
from pathlib import Path

import pytest

from headstart import store
from headstart.errors import InputError, ResourceError


def test_a_failed_write_leaves_the_old_content_and_no_debris(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_file_where_a_folder_is_needed_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("")
    with pytest.raises(InputError, match="a file stands where a folder is needed"):
        store.write_text(tmp_path / "runs" / "a.txt", "a")


def test_no_permission_names_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(ResourceError, match=f"no permission to write {tmp_path}/x") as caught:
        store.ensure_folder(tmp_path / "x")
    assert "--out" in caught.value.hint


def test_a_new_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "entry"
    with pytest.raises(RuntimeError), store.new_folder(target) as building:
        (building / "half").write_text("half")
        raise RuntimeError
    assert not list(tmp_path.iterdir())
    with store.new_folder(target) as building:
        (building / "whole").write_text("whole")
        assert not target.exists()
    assert (target / "whole").read_text() == "whole"
    assert [entry.name for entry in tmp_path.iterdir()] == ["entry"]


def test_what_a_block_could_not_read_is_not_reported_as_a_failed_write(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), store.new_folder(tmp_path / "entry"):
        (tmp_path / "nowhere").read_text()


def test_too_little_space_says_how_much_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match=r"needs 1,000,000,000 MB, but only [\d,]+ MB are free"):
        store.need_space(tmp_path / "not" / "yet", 10**15)


def test_a_folder_in_use_names_its_owner(tmp_path: Path) -> None:
    with (
        store.claim(tmp_path),
        pytest.raises(ResourceError, match=f'in use by another process: .*"pid": {os.getpid()}'),
        store.claim(tmp_path),
    ):
        pass
    with store.claim(tmp_path):  # free again
        pass


def test_damaged_json_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("{")
    with pytest.raises(InputError, match=r"recipe.json cannot be read as JSON"):
        store.read_json(tmp_path / "recipe.json")


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    old, young = tmp_path / ".entry.killed", tmp_path / ".entry.running"
    for debris in (old, young):
        debris.mkdir()
    os.utime(old, (0, 0))
    with store.new_folder(tmp_path / "entry"):
        pass
    assert {entry.name for entry in tmp_path.iterdir()} == {"entry", ".entry.running"}
