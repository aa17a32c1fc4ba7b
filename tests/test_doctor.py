"""`headstart doctor`: it names damage, what still works and what to do, and writes nothing."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import headstart
from headstart import store
from headstart.diagnosis import check_machine, examine
from headstart.diagnosis._study import check_database
from headstart.errors import InputError, ResourceError

OTHERS = ("data.json", "classifier.json", "split.npz", "curves.csv")
SEALED = ("recipe.json", "metrics.json", "model.safetensors", "predictions.csv", "gallery.npz")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor") / "run"
    headstart.train("digits", model="mlp", nodes=32, epochs=1, train_images=100, out=folder)
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


def states(folder: Path) -> list[tuple[str, str, str | None]]:
    return [(item.kind, item.state, item.file) for item in examine([folder])]


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def flip(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def test_a_finished_run_is_healthy_and_nothing_is_written(run: Path) -> None:
    before = contents(run)
    assert states(run.parent) == [("run", "healthy", None)]
    assert contents(run) == before


@pytest.mark.parametrize("name", SEALED)
def test_any_change_of_a_sealed_file_is_named(run: Path, name: str) -> None:
    path = run / name
    path.write_bytes(flip(path.read_bytes()))
    (found,) = examine([run])
    assert (found.state, found.file) == ("damaged", name)
    assert "has changed since it was written" in found.reason and found.help
    assert found.works.endswith(" still work.")


@pytest.mark.parametrize("name", [*SEALED, *OTHERS])
@pytest.mark.parametrize(
    "change", [lambda content: content[: len(content) // 2], lambda _: b"null"]
)
def test_damage_is_named_without_a_seal_as_well(
    run: Path, name: str, change: Callable[[bytes], bytes]
) -> None:
    store.unseal(run)
    (run / name).write_bytes(change((run / name).read_bytes()))
    found = examine([run])
    assert name in {item.file for item in found}
    assert {item.state for item in found} == {"damaged"}


def test_an_altered_prediction_contradicts_the_metrics(run: Path) -> None:
    store.unseal(run)
    path = run / "predictions.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    (found,) = examine([run])
    assert found.file == "predictions.csv" and "and metrics.json" in found.reason


def test_classes_in_another_order_are_found(run: Path) -> None:
    store.unseal(run)
    description = store.read_json(run / "classifier.json")
    description["class_names"].reverse()
    store.write_json(run / "classifier.json", description)
    (found,) = examine([run])
    assert found.file == "classifier.json" and "class names differ" in found.reason


def test_an_unfinished_run_names_the_step_that_it_resumes_from(run: Path) -> None:
    store.unseal(run)
    (run / "metrics.json").unlink()
    for step in (2, 4):
        with store.new_folder(run / "checkpoint" / f"{step:08d}") as building:
            (building / "state.json").write_text("{}")
            store.seal(building)
    damaged, intact = run / "checkpoint/00000004", run / "checkpoint/00000002"
    (damaged / "state.json").write_text("[]")
    first, second = examine([run])
    assert (first.kind, first.state, first.path) == ("checkpoint", "damaged", str(damaged))
    assert (second.state, second.reason) == ("unfinished", "it is resumable from step 2")

    with store.claim(run):
        assert [item.state for item in examine([run])] == ["in use"]
    result = headstart.doctor(run, repair=True)
    assert not damaged.exists() and intact.exists()
    (moved,) = result["set_aside"]
    assert Path(moved, "state.json").read_text() == "[]"


def test_debris_is_set_aside_but_not_that_of_a_living_process(tmp_path: Path) -> None:
    debris = tmp_path / ".model.safetensors.abcdefgh"
    with store.new_folder(tmp_path / "new") as building:
        debris.write_bytes(bytes(1000))
        result = headstart.doctor(tmp_path, repair=True)
        assert building.exists()
    assert result["debris_bytes"] == 1000
    assert result["set_aside"] == [str(tmp_path / ".set-aside" / "model.safetensors.abcdefgh")]
    assert headstart.doctor(tmp_path)["debris_bytes"] == 0


def test_damaged_cache_entries_are_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    entry = store.cache_folder() / "decoded" / "key"
    entry.mkdir(parents=True)
    (entry / "about.json").write_text("{}")
    result = headstart.doctor(tmp_path / "headstart", cache=True, repair=True)
    assert result["damaged"] == 1 and not entry.exists()
    assert Path(result["set_aside"][0], "about.json").exists()


def test_sqlite_checks_its_own_database(tmp_path: Path) -> None:
    path = tmp_path / "trials.db"
    database = sqlite3.connect(path)
    database.execute("create table trials (value text)")
    database.executemany("insert into trials values (?)", [("x" * 500,)] * 200)
    database.commit()
    database.close()
    check_database(path)
    content = path.read_bytes()
    path.write_bytes(content[:6000] + bytes(3000) + content[9000:])
    with pytest.raises(InputError, match="SQLite"):
        check_database(path)


def test_a_finding_of_the_wrong_shape_is_damage(tmp_path: Path) -> None:
    (tmp_path / "finding.json").write_text('{"study": "compare", "schema_version": 1}')
    assert states(tmp_path) == [("study", "damaged", "finding.json")]


def test_the_machine_is_examined(tmp_path: Path) -> None:
    names = {item.path for item in check_machine(tmp_path)}
    assert names == {"disk", "memory", "cache", "packages", "bfloat16"}


def test_a_folder_that_is_missing_cannot_be_examined(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="cannot look into"):
        examine([tmp_path / "nowhere"])


def test_the_command_ends_with_2_for_damage_and_needs_no_torch(run: Path) -> None:
    (run / "predictions.csv").write_bytes(b"")
    code = (
        "import sys\n"
        f"sys.argv = ['headstart', 'doctor', {str(run)!r}, '--json']\n"
        "from headstart.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: status = end.code\n"
        "assert 'torch' not in sys.modules\n"
        "sys.exit(status)\n"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    found = json.loads(done.stdout)
    assert found["healthy"] is False and found["damaged"] == 1
