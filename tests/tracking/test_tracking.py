"""Trackers receive every epoch once, also across kills, and their failures never end a run."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import headstart as hs
from headstart.data import Dataset, Split, SplitDataset
from headstart.errors import InputError, RunFailed
from headstart.models.recipes import make_recipe
from headstart.tracking import TRACKERS, _track, track_with
from headstart.training import TrainingJob, observing, read_curves, train
from headstart.training._checkpoints import Checkpoints
from headstart.training._observe import RunObserver
from headstart.training._state import TrainingState

Command = Callable[..., tuple[int, str, str]]
Epochs = Callable[[Path], list[tuple[int, float]]]
RECIPE = make_recipe("mlp", {"epochs": 5, "nodes": 16, "batch": 64})


class Killed(BaseException):
    """Raised in place of a kill: nothing that follows it runs."""


def kill_at(epoch: int, saved: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """End training right after an epoch is logged, with the last checkpoint of an earlier epoch."""

    def save_or_die(self: Checkpoints, state: TrainingState) -> None:
        if state.plan.is_epoch_end and len(state.curve) == saved:
            self.save(state)
        if len(state.curve) == epoch:
            raise Killed

    monkeypatch.setattr(Checkpoints, "save_if_due", save_or_die)
    monkeypatch.setattr(RunObserver, "fail", lambda *_: None)


def events(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder / "tensorboard"), size_guidance={"images": 0}).Reload()


def epochs_of_tensorboard(folder: Path) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events(folder).Scalars("train_loss")]


def mlflow_run(folder: Path) -> tuple[Any, Any]:
    from mlflow import MlflowClient

    client = MlflowClient()
    return client, client.get_run(
        json.loads((folder / "tracking.json").read_text())["mlflow"]["mark"]
    )


def epochs_of_mlflow(folder: Path) -> list[tuple[int, float]]:
    client, run = mlflow_run(folder)
    return [
        (metric.step, metric.value)
        for metric in client.get_metric_history(run.info.run_id, "train_loss")
    ]


@pytest.fixture(scope="module")
def mlflow_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set up a SQLite store, which is MLflow's default."""
    pytest.importorskip("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("mlflow")
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        yield


@pytest.mark.parametrize(
    ("tracker", "epochs"), [("tensorboard", epochs_of_tensorboard), ("mlflow", epochs_of_mlflow)]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_each_epoch_is_logged_once_across_two_kills(
    tracker: str,
    epochs: Epochs,
    mlflow_store: None,
    digits: Dataset,
    small: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = tmp_path / "run"
    with observing(track_with(tracker, with_files=False)):
        for epoch, saved in ((3, 1), (4, 3)):
            with monkeypatch.context() as patch, pytest.raises(Killed):
                kill_at(epoch, saved, patch)
                train(TrainingJob(RECIPE, SplitDataset(digits, small), 0, run))
        assert [number for number, _ in epochs(run)] == [1, 2, 3, 4]
        assert train(TrainingJob(RECIPE, SplitDataset(digits, small), 0, run)).resumed
        assert train(TrainingJob(RECIPE, SplitDataset(digits, small), 0, run)).reused
    losses = read_curves(run)["train_loss"]
    assert [number for number, _ in epochs(run)] == [1, 2, 3, 4, 5]
    assert [value for _, value in epochs(run)] == pytest.approx(losses.tolist(), rel=1e-5)


def test_tensorboard_has_curves_scores_figures_and_parameters(headstart: Command) -> None:
    words = (
        "train",
        "digits",
        "--model",
        "mlp",
        "--epochs",
        2,
        "--nodes",
        16,
        "--out",
        "run",
        "--json",
    )
    summary = json.loads(headstart(*words, "--track", "tensorboard")[1])
    logged = events(Path("run"))
    assert {"validation_accuracy", "learning_rate", "seconds", "train_loss"} <= set(
        logged.Tags()["scalars"]
    )
    final = logged.Scalars("final_test_accuracy")[0].value
    assert final == pytest.approx(summary["test"]["accuracy"])
    assert "curves" in logged.Tags()["images"]
    assert logged.Images("curves")[0].encoded_image_string.startswith(b"\x89PNG")
    hparams = logged.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    assert b"nodes" in hparams and b"train_images" in hparams


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_mlflow_has_parameters_scores_figures_and_the_model(
    mlflow_store: None, tmp_path: Path
) -> None:
    summary = hs.train(
        "digits", model="mlp", epochs=2, nodes=16, track="mlflow", out=tmp_path / "run"
    )
    client, run = mlflow_run(tmp_path / "run")
    assert run.info.status == "FINISHED"
    assert (run.data.params["nodes"], run.data.params["dataset"], run.data.params["seed"]) == (
        "16",
        "digits",
        "0",
    )
    assert run.data.metrics["final_test_accuracy"] == pytest.approx(summary["test"]["accuracy"])
    artifacts = set()
    for folder in (None, "model", "figures"):
        artifacts |= {file.path for file in client.list_artifacts(run.info.run_id, folder)}
    assert {
        "report.html",
        "model/model.safetensors",
        "model/classifier.json",
        "figures/curves.png",
    } <= artifacts


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_failed_run_has_failed_in_the_tracker_as_well(
    mlflow_store: None, digits: Dataset, small: Split, tmp_path: Path
) -> None:
    diverging = make_recipe(
        "mlp", {"epochs": 3, "lr": 100.0, "optimizer": "sgd", "schedule": "constant"}
    )
    with observing(track_with("mlflow")), pytest.raises(RunFailed):
        train(TrainingJob(diverging, SplitDataset(digits, small), 0, tmp_path / "run"))
    assert mlflow_run(tmp_path / "run")[1].info.status == "FAILED"


def test_wandb_offline_writes_to_the_run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    summary = hs.train(
        "digits", model="mlp", epochs=3, nodes=16, track="wandb", out=tmp_path / "run"
    )
    assert summary["warnings"] == []
    (written,) = (tmp_path / "run" / "wandb").glob("offline-run-*/run-*.wandb")
    # A process of the library writes it, and may still do so on a busy machine.
    deadline = time.monotonic() + 60
    while b"final_test_accuracy" not in (content := written.read_bytes()):
        assert time.monotonic() < deadline, f"only {len(content)} bytes were written"
        time.sleep(0.1)
    assert content.count(b"train_accuracy") >= 3 and b"label_smoothing" in content
    assert json.loads((tmp_path / "run" / "wandb-epochs.json").read_text()) == [1, 2, 3]


def test_wandb_without_a_key_is_an_error_before_anything_starts(
    headstart: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_MODE", "WANDB_API_KEY", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    status, _, err = headstart("train", "digits", "--track", "wandb")
    assert status == 2 and "has no key" in err and "WANDB_MODE=offline" in err


def test_a_run_finished_without_a_tracker_is_logged_afterwards(tmp_path: Path) -> None:
    keys: dict[str, Any] = {"model": "mlp", "epochs": 3, "nodes": 16, "out": tmp_path / "run"}
    hs.train("digits", **keys)
    for _ in range(2):
        assert hs.train("digits", **keys, track="tensorboard")["reused"]
    assert [number for number, _ in epochs_of_tensorboard(tmp_path / "run")] == [1, 2, 3]


class Failing:
    """An observer that fails in one of its methods and records the calls."""

    calls: list[str]

    def __init__(self, at: str) -> None:
        self.at = at

    def _call(self, name: str) -> None:
        type(self).calls.append(name)
        if name == self.at:
            raise ConnectionError("the server is gone")

    def begin(self, *_: Any) -> None:
        self._call("begin")

    def epoch(self, *_: Any) -> None:
        self._call("epoch")

    def end(self, *_: Any) -> None:
        self._call("end")

    def fail(self, *_: Any, **__: Any) -> None:
        self._call("fail")


@pytest.mark.parametrize(("at", "calls"), [("begin", 2), ("epoch", 3), ("end", 8)])
def test_a_failing_tracker_is_reported_and_the_run_continues(
    at: str,
    calls: int,
    digits: Dataset,
    small: Split,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Failing.calls = []
    with observing(lambda: Failing(at)):
        metrics = train(TrainingJob(RECIPE, SplitDataset(digits, small), 0, tmp_path / "run"))
    assert (metrics.epochs, len(Failing.calls), Failing.calls[-1]) == (
        5,
        calls,
        "fail",
    )  # which closes what it holds
    warning = (
        "the tracker failed, and receives nothing more of this run: "
        "ConnectionError: the server is gone"
    )
    assert warning in metrics.warnings and warning in capsys.readouterr().err


@pytest.mark.parametrize("tracker", list(TRACKERS))
def test_a_tracker_that_is_not_installed_is_an_error_before_anything_starts(
    tracker: str, headstart: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_track, "find_spec", lambda _: None)
    for verb in ("train", "compare", "tune", "lr", "effects"):
        status, _, err = headstart(verb, "digits", "--track", tracker)
        assert status == 2
        assert "which is not installed" in err and f"pip install 'headstart[{tracker}]'" in err
    assert not list(Path().iterdir())


def test_an_unknown_tracker_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(
        InputError, match=r"unknown tracker 'tensorbord'.* did you mean 'tensorboard'"
    ):
        track_with("tensorbord")


def test_every_run_of_a_study_is_tracked_on_two_workers(page_only: None, tmp_path: Path) -> None:
    keys: dict[str, Any] = {"epochs": 1, "train_images": 200, "track": "tensorboard"}
    space = {"lr": [0.01, 0.1]}
    hs.tune(
        "digits",
        model="mlp",
        space=space,
        trials=2,
        seeds=1,
        workers=2,
        nodes=8,
        out=tmp_path / "tune",
        **keys,
    )
    runs = [path.parent for path in tmp_path.rglob("recipe.json")]
    assert len(runs) >= 6
    assert [
        run for run in runs if [number for number, _ in epochs_of_tensorboard(run)] != [1]
    ] == []
    for verb in (hs.tune, hs.lr, hs.effects):
        with pytest.raises(InputError, match="Leave one of --track and --ray out"):
            verb("digits", ray="auto", track="tensorboard")
