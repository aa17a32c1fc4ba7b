"""Files and folders that are never data, links, and folders that cannot be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from folder_helpers import fails, fill, write

from headstart import progress
from headstart.data import load
from headstart.data.formats.folders._file_tree import list_images

CLASSES = ["cat/1.png", "dog/2.png"]


@pytest.fixture
def notices(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(progress, "say", lines.append)
    return lines


CLUTTER = [
    "@eaDir/1.png",
    "#recycle/2.png",
    "$RECYCLE.BIN/3.png",
    "lost+found/4.png",
    "__MACOSX/cat/5.png",
    ".ipynb_checkpoints/6.png",
    ".Trash-1000/7.png",
    ".@__thumb/8.png",
    "@Recycle/9.png",
    ".git/10.png",
    "node_modules/11.png",
    "__pycache__/12.png",
    "cat/@eaDir/1.png",
    "cat/.@__thumb/13.png",
    "cat/._1.png",
    "dog/.ipynb_checkpoints/14.png",
    ".svn/15.png",
    "#snapshot/16.png",
]


def test_system_files_and_folders_are_never_data(tmp_path: Path, notices: list[str]) -> None:
    fill(tmp_path, [*CLASSES, *CLUTTER, "System Volume Information/1.png"])
    write(tmp_path, "cat/Thumbs.db", "dog/desktop.ini", "cat/.DS_Store", "Thumbs.db", "dog/~$a.png")
    assert load(tmp_path).image_names == ("cat/1.png", "dog/2.png")
    lines = [line for line in notices if "hidden or of the system" in line]
    assert len(lines) == 1
    assert "left out 6 files and 18 folders" in lines[0]


def test_runs_and_studies_are_never_data(tmp_path: Path, notices: list[str]) -> None:
    fill(tmp_path, [*CLASSES, "runs/photos-compare/figures/1.png", "study/figures/2.png"])
    fill(tmp_path, ["cat/my run/3.png", "runs/photos-compare/runs/a/figures/4.png"])
    write(tmp_path, "runs/photos-compare/study.json", "runs/photos-compare/split.npz")
    write(
        tmp_path, "runs/photos-compare/runs/a/recipe.json", "runs/b/recipe.json", "runs/b/data.json"
    )
    write(tmp_path, "runs/photos-compare/runs/a/data.json")
    write(tmp_path, "study/finding.json", "study/report.html")
    write(tmp_path, "cat/my run/classifier.json", "cat/my run/model.safetensors")
    assert load(tmp_path).image_names == ("cat/1.png", "dog/2.png")
    line = next(line for line in notices if "that Headstart wrote" in line)
    assert line.endswith("left out 3 folders that Headstart wrote: cat/my run, runs, study")


def test_a_class_called_runs_is_read(tmp_path: Path) -> None:
    fill(tmp_path, ["runs/1.png", "walks/2.png"])
    write(tmp_path, "runs/x/recipe.json", "runs/x/data.json")
    assert load(tmp_path).class_names == ("runs", "walks")


def test_a_run_given_as_data_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, ["figures/1.png", "more/2.png"])
    write(tmp_path, "recipe.json", "data.json", "curves.csv")
    error = fails(tmp_path)
    assert "is a run or a study of Headstart, not data" in error
    assert "curves.csv" not in error  # a table, but not of images


def test_outputs_of_other_tools_are_never_data(tmp_path: Path, notices: list[str]) -> None:
    fill(
        tmp_path, [*CLASSES, "logs/a/1.png", "mlruns/0/x/2.png", "wandb/run-1/3.png", "yolo/4.png"]
    )
    fill(tmp_path, ["venv/lib/5.png"])
    write(tmp_path, "logs/a/events.out.tfevents.1", "yolo/args.yaml", "yolo/weights/best.pt")
    write(tmp_path, "venv/pyvenv.cfg")
    assert load(tmp_path).image_names == ("cat/1.png", "dog/2.png")
    line = next(line for line in notices if "that another program wrote" in line)
    assert "5 folders" in line and ": logs, mlruns, venv, wandb" in line


def test_a_class_with_the_name_of_a_tool_is_read(tmp_path: Path) -> None:
    assert load(fill(tmp_path, ["wandb/1.png", "dog/2.png"])).class_names == ("dog", "wandb")


def test_links_are_followed_and_loops_named(tmp_path: Path, notices: list[str]) -> None:
    fill(tmp_path, ["data/cat/1.png", "data/dog/2.png", "elsewhere/3.png", "4.png"])
    (tmp_path / "data/owl").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "data/dog/4.png").symlink_to(tmp_path / "4.png")
    (tmp_path / "data/dog/up").symlink_to(tmp_path / "data", target_is_directory=True)
    data = load(tmp_path / "data")
    assert data.image_names == ("cat/1.png", "dog/2.png", "dog/4.png", "owl/3.png")
    assert data.class_names == ("cat", "dog", "owl")
    assert any("left out 1 link to a folder that contains it: dog/up" in line for line in notices)


def test_a_link_to_a_missing_image_is_named(tmp_path: Path) -> None:
    fill(tmp_path, CLASSES)
    (tmp_path / "cat/9.png").symlink_to(tmp_path / "nowhere.png")
    assert "1 image in" in fails(tmp_path)
    assert "target of the link is missing: cat/9.png" in fails(tmp_path)


def test_a_pipe_is_not_opened(tmp_path: Path, notices: list[str]) -> None:
    fill(tmp_path, CLASSES)
    os.mkfifo(tmp_path / "cat/pipe.png")
    assert len(load(tmp_path)) == 2
    assert any("1 file of a special kind, such as a pipe: cat/pipe.png" in line for line in notices)


def _for_the_permitted(list_folder: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a function that lists folders as a user does who is not root."""

    def list_permitted(path: str | Path) -> Any:
        if stat.S_IMODE(Path(path).stat().st_mode) == 0:
            raise PermissionError(13, "Permission denied", str(path))
        return list_folder(path)

    return list_permitted


def test_folders_without_permission_are_all_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, [*CLASSES, "owl/3.png"])
    # The tests may run as root, who may read every folder.
    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, _for_the_permitted(getattr(os, name)))
    for name in ("dog", "owl"):
        (tmp_path / name).chmod(0)
    try:
        text = fails(tmp_path)
    finally:
        for name in ("dog", "owl"):
            (tmp_path / name).chmod(0o700)
    assert "2 folders in" in text
    assert "cannot be read: dog (Permission denied), owl (Permission denied)." in text


def test_other_files_are_counted_by_suffix_and_named(tmp_path: Path, notices: list[str]) -> None:
    fill(tmp_path, CLASSES)
    write(tmp_path, "cat/a.txt", "cat/b.TXT", "dog/x/c.pdf")
    load(tmp_path)
    line = next(line for line in notices if "ignored 2 .txt files, 1 .pdf file" in line)
    assert "(cat/a.txt, cat/b.TXT, dog/x/c.pdf)" in line


def test_folders_of_images_to_predict_leave_out_the_same(tmp_path: Path) -> None:
    fill(tmp_path, ["a.png", "b/2.png", "@eaDir/a.png", "runs/x/figures/1.png"])
    write(tmp_path, "runs/x/recipe.json", "runs/x/data.json")
    assert list_images(tmp_path) == [tmp_path / "a.png", tmp_path / "b/2.png"]
