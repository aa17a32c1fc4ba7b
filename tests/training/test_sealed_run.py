"""Finished runs and studies are sealed: no damaged file is used, and none is overwritten."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import headstart
from headstart import api, store
from headstart.errors import InputError, ResourceError
from headstart.training import check_run, list_runs, read_correct
from headstart.training._checkpoints import load_final_state
from headstart.training._run_files import RUN_FILES

IMAGES = np.zeros((1, 8, 8), np.uint8)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Two finished runs that differ in their seed."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return {seed: _train(root / f"seed{seed}", seed) for seed in (0, 1)}


def _train(out: Path, seed: int = 0) -> Path:
    headstart.train("digits", model="mlp", nodes=32, epochs=1, train_images=100, seed=seed, out=out)
    return out


@pytest.fixture
def run(finished: dict[int, Path], tmp_path: Path) -> Path:
    """A copy of the first run, which a test may damage."""
    return Path(shutil.copytree(finished[0], tmp_path / "run"))


def _snapshot(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_all_files_of_a_finished_run_are_sealed(run: Path) -> None:
    files = {path.name for path in run.iterdir() if path.is_file() and path.name != ".lock"}
    assert (
        files - {"manifest.json"} == set(RUN_FILES) == set(store.read_json(run / "manifest.json"))
    )
    assert store.find_problems(run) == ()


@pytest.mark.parametrize("name", RUN_FILES)
def test_a_run_with_a_file_of_another_run_is_neither_reused_nor_trained_again(
    name: str, run: Path, finished: dict[int, Path]
) -> None:
    content = (finished[1] / name).read_bytes()
    if content == (run / name).read_bytes():  # both runs have the same data, and so on
        content = content[:-1]
    (run / name).write_bytes(content)
    before = _snapshot(run)
    with pytest.raises(InputError, match=f"run/{name} is damaged"):
        _train(run)
    assert _snapshot(run) == before


@pytest.mark.parametrize("content", [b"null", b"", None])
def test_a_run_that_lost_its_metrics_is_not_trained_again(run: Path, content: bytes | None) -> None:
    if content is None:
        (run / "metrics.json").unlink()
    else:
        (run / "metrics.json").write_bytes(content)
    before = _snapshot(run)
    with pytest.raises(InputError, match=r"metrics\.json is damaged"):
        _train(run)
    assert _snapshot(run) == before


def _repeat(run: Path) -> object:
    return api.repeat(run, out=run.with_name("again"))


READERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "weights": ("model.safetensors", lambda run: api.predict(run, IMAGES)),
    "class names": ("classifier.json", api.load_classifier),
    "predictions": ("predictions.csv", lambda run: read_correct(run, "test")),
    "report": ("gallery.npz", headstart.report),
    "curves": ("curves.csv", headstart.report),
    "split": ("split.npz", _repeat),
    "plan": ("plan.json", _repeat),
}


@pytest.mark.parametrize("reader", READERS)
def test_one_flipped_bit_is_refused_where_it_is_read(reader: str, run: Path) -> None:
    name, read = READERS[reader]
    content = bytearray((run / name).read_bytes())
    content[len(content) // 2] ^= 0x40
    (run / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} is damaged"):
        read(run)


def test_a_run_without_its_weights_still_has_a_report(run: Path, page_only: None) -> None:
    (run / "model.safetensors").write_bytes(b"")
    assert headstart.report(run).exists()


def test_the_final_state_of_another_run_is_not_continued_from(
    run: Path, finished: dict[int, Path]
) -> None:
    assert load_final_state(run) is not None
    shutil.rmtree(run / "state")
    shutil.copytree(finished[1] / "state", run / "state")
    assert load_final_state(run) is None


def test_a_study_with_an_altered_finding_is_not_reused(tmp_path: Path, page_only: None) -> None:
    def study() -> None:
        api.lr("digits", model="mlp", nodes=32, epochs=1, train_images=100, values=[0.01, 0.1],
               seeds=1, out=tmp_path / "lr")  # fmt: skip

    study()
    finding = tmp_path / "lr" / "finding.json"
    content = json.loads(finding.read_text())
    finding.write_text(json.dumps({**content, "test_reads": 7}))
    before = _snapshot(tmp_path / "lr")
    for use in (study, lambda: headstart.report(tmp_path / "lr")):
        with pytest.raises(InputError, match=r"finding\.json is damaged"):
            use()
    assert _snapshot(tmp_path / "lr") == before


def test_runs_that_are_damaged_are_listed_with_their_problem(run: Path) -> None:
    (run / "recipe.json").write_text("null")
    (listed,) = list_runs(run.parent)
    assert listed["state"] == "damaged" and "recipe.json" in str(listed["problem"])
    shutil.copy(run / "predictions.csv", run / "metrics.json")
    (run / "manifest.json").unlink()  # also in a run without a seal
    (listed,) = list_runs(run.parent)
    assert listed["state"] == "damaged"


def test_the_condition_of_a_run_names_what_its_damage_touches(run: Path, tmp_path: Path) -> None:
    whole = check_run(run)
    assert whole is not None and (whole.state, whole.problems) == ("finished", ())
    (run / "model.safetensors").write_bytes(b"")
    damaged = check_run(run)
    assert damaged is not None and damaged.state == "damaged"
    assert [problem.used_by for problem in damaged.problems] == [RUN_FILES["model.safetensors"]]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "recipe.json").write_text('{"ingredients": []}')
    assert check_run(tmp_path / "other") is None


def test_an_exported_file_is_compared_with_the_digest_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    store.write_with_digest(path, b"weights")
    assert store.read_with_digest(path, 1000) == b"weights"
    path.write_bytes(b"weightz")
    with pytest.raises(InputError, match=r"model\.onnx is damaged"):
        store.read_with_digest(path, 1000)
    (tmp_path / "model.sha256").unlink()
    assert store.read_with_digest(path, 1000) == b"weightz"


def test_nothing_beside_an_exported_file_looks_like_a_part_of_it(tmp_path: Path) -> None:
    path, other = tmp_path / "model.onnx", tmp_path / "model.pt2"
    former = tmp_path / "model.onnx.sha256"
    former.write_text(f"{64 * '0'}  model.onnx\n")  # of an earlier version
    path.write_bytes(b"old")
    with pytest.raises(InputError, match=r"model\.onnx is damaged"):
        store.read_with_digest(path, 1000)

    store.write_with_digest(path, b"weights")
    store.write_with_digest(other, b"program")
    store.write_with_digest(path, b"better weights")
    assert sorted(path.name for path in tmp_path.glob("model.onnx*")) == ["model.onnx"]
    lines = (tmp_path / "model.sha256").read_text().splitlines()
    assert sorted(line.split()[1] for line in lines) == ["model.onnx", "model.pt2"]
    assert store.read_with_digest(path, 1000) == b"better weights"
    assert store.read_with_digest(other, 1000) == b"program"
    other.write_bytes(b"another program")
    with pytest.raises(InputError, match=r"model\.pt2 is damaged"):
        store.read_with_digest(other, 1000)


def test_an_export_that_cannot_be_written_is_named_and_not_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    for function in ("unlink", "mkdir", "open"):
        monkeypatch.setattr(Path, function, refuse)
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(ResourceError) as error:
        store.write_with_digest(tmp_path / "model.onnx", b"weights")
    assert error.value.message == f"no permission to write {tmp_path / 'model.onnx'}."
