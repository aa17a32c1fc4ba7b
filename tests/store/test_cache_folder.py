"""The place of the cache, also where there is no home folder to write to."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from headstart import store
from headstart.errors import ResourceError


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a temporary cache, without XDG_CACHE_HOME."""
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path / f"headstart-cache-{os.getuid()}"


def test_the_cache_is_in_the_home_folder(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.cache_folder() == tmp_path / ".cache/headstart"
    assert not store.is_cache_temporary()
    assert not (tmp_path / ".cache").exists()


def test_a_home_that_is_a_file_gives_a_temporary_cache(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    assert store.cache_folder() == temporary
    assert store.is_cache_temporary()


def test_a_home_that_cannot_be_written_gives_a_temporary_cache(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert store.cache_folder() == temporary


def test_no_home_at_all_gives_a_temporary_cache(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", refuse)
    assert store.cache_folder() == temporary


def test_a_temporary_cache_belongs_to_its_user_alone(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    store.write_json(store.cache_folder() / "a/b.json", {})
    assert temporary.stat().st_mode & 0o777 == 0o700


def test_a_temporary_cache_that_another_user_planted_is_refused(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    (tmp_path / "elsewhere").mkdir()
    temporary.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ResourceError, match="no permission to write") as error:
        store.ensure_folder(store.cache_folder() / "decoded")
    assert "XDG_CACHE_HOME" in error.value.hint
    assert not list((tmp_path / "elsewhere").iterdir())
