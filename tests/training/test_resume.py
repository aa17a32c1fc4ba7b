"""Runs that are stopped, killed or damaged resume and end with the same weights."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from headstart import progress
from headstart.data import Dataset, Split, SplitDataset, make_split
from headstart.errors import InputError, Stopped
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, _checkpoints, train
from headstart.training._checkpoints import Checkpoints
from headstart.training._state import TrainingState
from headstart.training._step import training_step

# Everything that a checkpoint must hold: two optimizers' momentum, dropout, augmentation, early
# stopping, batch norm.
VALUES = {
    "epochs": 6,
    "batch": 64,
    "dropout": 0.2,
    "rotation": 10,
    "flip": True,
    "cutout": 0.2,
    "patience": 5,
    "nodes": 8,
}


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


class Killed(BaseException):
    """Stands for a kill: nothing that follows runs."""


def kill_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ends training as a kill would, after this many more steps; every step is checkpointed."""
    left = [steps]

    def save_then_die(self: Checkpoints, state: TrainingState) -> None:
        self.save(state)
        left[0] -= 1
        if not left[0]:
            raise Killed

    monkeypatch.setattr(Checkpoints, "save_if_due", save_then_die)


@pytest.fixture
def split(digits: Dataset) -> Split:
    return make_split(digits, train_images=400)


@pytest.mark.parametrize("model", ["cnn", "mlp", "cnn-fashion-small"])
@pytest.mark.parametrize("optimizer", ["muon", "adam", "rmsprop", "sgd"])
def test_a_run_killed_in_the_middle_of_an_epoch_ends_with_the_same_weights(
    model: str,
    optimizer: str,
    digits: Dataset,
    split: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = {key: value for key, value in VALUES.items() if key != "nodes" or model == "cnn"}
    recipe = make_recipe(model, {**values, "epochs": 2, "optimizer": optimizer})
    train(TrainingJob(recipe, SplitDataset(digits, split), 3, tmp_path / "whole"))
    for steps in (4, 1, 3):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_after(steps, patch)
            train(TrainingJob(recipe, SplitDataset(digits, split), 3, tmp_path / "killed"))
    summary = train(TrainingJob(recipe, SplitDataset(digits, split), 3, tmp_path / "killed"))
    assert summary.resumed
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    curves = [
        (tmp_path / run / "curves.csv").read_text().splitlines() for run in ("whole", "killed")
    ]
    for one, other in zip(*curves, strict=True):
        assert [word for at, word in enumerate(one.split(",")) if at != 1] == [
            word for at, word in enumerate(other.split(",")) if at != 1
        ]  # all but the seconds


def test_early_stopping_goes_on_where_it_was(
    digits: Dataset, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe(
        "mlp", {"epochs": 60, "nodes": 64, "patience": 2, "lr": 0.02, "schedule": "constant"}
    )
    whole = train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "whole"))
    for _ in range(4):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_after(9, patch)
            train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "killed"))
    found = train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "killed"))
    assert (found.epochs, found.stop_reason) == (whole.epochs, whole.stop_reason)
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")


@pytest.mark.parametrize("victim", ["state.safetensors", "state.json", "manifest.json"])
@pytest.mark.parametrize("harm", ["flip", "cut", "empty", "gone"])
def test_a_damaged_checkpoint_is_set_aside_and_the_one_before_is_used(
    victim: str,
    harm: str,
    digits: Dataset,
    split: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = make_recipe("mlp", {"epochs": 2, "batch": 64})
    train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "whole"))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(7, patch)
        train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "run"))
    path = tmp_path / "run" / "checkpoint" / "00000007" / victim
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(
        {
            "flip": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
            "cut": content[:middle],
        }.get(harm, b"")
    )
    if harm == "gone":
        path.unlink()
    progress.show_progress(True)
    train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "run"))
    said = capsys.readouterr().err
    assert "00000007 is damaged" in said and "resumed after step 6" in said
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


def test_all_checkpoints_damaged_means_a_fresh_start(
    digits: Dataset, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe("mlp", {"epochs": 2, "batch": 64})
    train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "whole"))
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(7, patch)
        train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "run"))
    for path in (tmp_path / "run" / "checkpoint").glob("*/state.safetensors"):
        path.write_bytes(b"")
    summary = train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "run"))
    assert not summary.resumed
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


def test_a_whole_checkpoint_of_another_run_is_not_resumed(
    digits: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = make_recipe("mlp", {"epochs": 2, "batch": 64, "nodes": 32})
    data = SplitDataset(digits, make_split(digits, train_images=200))
    for seed in (0, 1):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            kill_after(3, patch)
            train(TrainingJob(recipe, data, seed, tmp_path / f"run{seed}"))
    shutil.rmtree(tmp_path / "run0" / "checkpoint")
    shutil.copytree(tmp_path / "run1" / "checkpoint", tmp_path / "run0" / "checkpoint")

    assert not train(TrainingJob(recipe, data, 0, tmp_path / "run0")).resumed
    assert "00000003 belongs to another run" in capsys.readouterr().err
    train(TrainingJob(recipe, data, 0, tmp_path / "whole"))
    assert weights(tmp_path / "run0") == weights(tmp_path / "whole")


def test_an_unfinished_run_is_not_overwritten_by_another(
    digits: Dataset, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Killed):
        kill_after(2, patch)
        train(
            TrainingJob(
                make_recipe("mlp", {"epochs": 2}), SplitDataset(digits, split), 0, tmp_path / "run"
            )
        )
    with pytest.raises(
        InputError,
        match=r"holds an unfinished run with another recipe \(.*lr: 0.08 there, 0.01 requested",
    ):
        train(
            TrainingJob(
                make_recipe("mlp", {"epochs": 2, "lr": 0.01}),
                SplitDataset(digits, split),
                0,
                tmp_path / "run",
            )
        )


def test_a_signal_finishes_the_step_saves_and_says_how_to_go_on(
    digits: Dataset, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe("mlp", {"epochs": 4, "batch": 64})
    train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "whole"))
    steps = [0]
    original = training_step

    def interrupted(*args: object) -> object:
        steps[0] += 1
        if steps[0] == 9:
            signal.raise_signal(signal.SIGTERM)
        return original(*args)  # type: ignore[arg-type]

    before = signal.getsignal(signal.SIGTERM)
    with (
        monkeypatch.context() as patch,
        pytest.raises(Stopped, match="stopped after step 9 of 24") as caught,
    ):
        patch.setattr("headstart.training._loop.training_step", interrupted)
        train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "run"))
    assert caught.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before
    train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "run"))
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


def test_a_repeated_run_takes_the_steps_that_a_time_limit_allowed(
    digits: Dataset, split: Split, tmp_path: Path
) -> None:
    recipe = make_recipe("mlp", {"epochs": 2000, "time_limit": 1.5, "batch": 64})
    train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "first"))
    train(
        TrainingJob(
            recipe, SplitDataset(digits, split), 0, tmp_path / "again", repeat=tmp_path / "first"
        )
    )
    assert weights(tmp_path / "again") == weights(tmp_path / "first")
    with pytest.raises(InputError, match="is not a run of this recipe, data, split and seed"):
        train(
            TrainingJob(
                recipe,
                SplitDataset(digits, split),
                1,
                tmp_path / "other",
                repeat=tmp_path / "first",
            )
        )


def test_more_epochs_after_a_finished_run_equal_as_many_from_the_start(
    digits: Dataset, split: Split, tmp_path: Path
) -> None:
    values = {"batch": 64, "schedule": "constant", "dropout": 0.2}
    train(
        TrainingJob(
            make_recipe("mlp", {**values, "epochs": 5}),
            SplitDataset(digits, split),
            0,
            tmp_path / "five",
        )
    )
    train(
        TrainingJob(
            make_recipe("mlp", {**values, "epochs": 2}),
            SplitDataset(digits, split),
            0,
            tmp_path / "two",
        )
    )
    longer = make_recipe("mlp", {**values, "epochs": 5})
    found = train(
        TrainingJob(
            longer,
            SplitDataset(digits, split),
            0,
            tmp_path / "two-and-three",
            after=tmp_path / "two",
        )
    )
    assert found.epochs == 5
    assert weights(tmp_path / "two-and-three") == weights(tmp_path / "five")
    again = train(
        TrainingJob(
            longer,
            SplitDataset(digits, split),
            0,
            tmp_path / "two-and-three",
            after=tmp_path / "two",
        )
    )
    assert again.reused


def test_the_weights_do_not_depend_on_how_often_they_are_saved(
    digits: Dataset, split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe("cnn", {"epochs": 1, "batch": 64, "nodes": 8})
    train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "a"))
    monkeypatch.setattr(_checkpoints, "SECONDS_BETWEEN", 0.0)
    train(TrainingJob(recipe, SplitDataset(digits, split), 0, tmp_path / "b"))
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_a_run_killed_after_its_last_result_is_cleaned_up_by_the_next_start(
    digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    recipe = make_recipe("mlp", {"epochs": 1, "nodes": 16})
    first = train(TrainingJob(recipe, SplitDataset(digits, digits_split), 0, tmp_path / "run"))
    (tmp_path / "run" / "checkpoint").mkdir()
    (tmp_path / "run" / "state").rename(tmp_path / "run" / "checkpoint" / "00000039")
    again = train(TrainingJob(recipe, SplitDataset(digits, digits_split), 0, tmp_path / "run"))
    assert again.reused and again.test == first.test
    assert (tmp_path / "run" / "state").is_dir() and not (tmp_path / "run" / "checkpoint").exists()


# Processes are forked from one that has imported torch, which takes longer than the training. For
# the real command, killed 20 times, see benchmarks/kill.py. A run must not import what takes a
# second more. The first one does, to decode the digits.
KILLING = """
import os, random, signal, sys, time
from pathlib import Path
import headstart.training, torch
import headstart

def begin(out):
    if process := os.fork():
        return process
    try:
        headstart.train("digits", epochs=40, dropout=0.1, out=out)
        slow_imports = {"sklearn", "scipy.stats", "pandas"} & set(sys.modules)
        print(*slow_imports, file=sys.stderr)
        os._exit(2 if slow_imports and out == "run" else 0)
    finally:
        os._exit(1)

def newest():
    return max((path.name for path in Path("run/checkpoint").glob("[0-9]*")), default="")

assert os.waitpid(begin("whole"), 0)[1] == 0
chance, killed = random.Random(0), 0
for _ in range(4):
    process, seen = begin("run"), newest()
    for _ in range(chance.randint(1, 2)):
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while newest() == seen and os.waitid(os.P_PID, process, flags) is None:
            time.sleep(0.002)
        seen = newest()
    time.sleep(chance.uniform(0, 0.05))
    os.kill(process, signal.SIGKILL)
    killed += os.WIFSIGNALED(os.waitpid(process, 0)[1])
assert os.waitpid(begin("run"), 0)[1] == 0
print(killed)
"""


def test_a_real_training_killed_at_random_moments_ends_bit_identical(tmp_path: Path) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", KILLING],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and int(done.stdout) >= 2, done.stdout + done.stderr
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    found, expected = (
        json.loads((tmp_path / of / "metrics.json").read_text()) for of in ("run", "whole")
    )
    assert found["resumed"] and found["test"]["accuracy"] == expected["test"]["accuracy"]
    assert not [path for path in (tmp_path / "run").rglob(".*") if path.name != ".lock"]
    assert not (tmp_path / "run" / "checkpoint").exists()
