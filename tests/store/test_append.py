"""Lines that several processes append to one file."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from headstart import store
from headstart.errors import InputError


def _append_lines(path: Path, process: int) -> None:
    for number in range(50):
        store.append_line(path, f"{process} {number}")


def test_processes_that_append_at_once_lose_no_line(tmp_path: Path) -> None:
    path = tmp_path / "new" / "lines.txt"
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_append_lines, args=(path, number)) for number in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    lines = path.read_text().splitlines()
    assert sorted(lines) == sorted(f"{p} {n}" for p in range(3) for n in range(50))


def test_a_line_that_a_killed_process_left_unfinished_does_not_damage_the_next(
    tmp_path: Path,
) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("complete\ncut o")
    store.append_line(path, "next")
    assert path.read_text() == "complete\ncut o\nnext\n"


def test_a_line_of_which_the_system_accepts_only_a_part_at_a_time_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[:3]))
    path = tmp_path / "lines.txt"
    store.append_line(path, "eleven words")
    store.write_at(tmp_path / "rows.bin", b"0123456789", 0)
    assert path.read_text() == "eleven words\n"
    assert (tmp_path / "rows.bin").read_bytes() == b"0123456789"


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="a file exists where a folder is needed"):
        store.append_line(tmp_path / "file" / "lines.txt", "x")
