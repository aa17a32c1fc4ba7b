"""One run: train it, extend it, repeat it, list it, load its classifier."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from headstart import progress
from headstart.api._arguments import (
    check_seed,
    default_folder,
    output_folder,
    recipe_keys,
    seconds_or_none,
    tracking,
)
from headstart.api._command_line import command_of
from headstart.api._data import Data, load, load_torch, open_data
from headstart.api._keys import StudyKeys, TrainKeys
from headstart.api._results import Run
from headstart.data import SplitDataset, summary_line
from headstart.errors import InputError

if TYPE_CHECKING:
    from headstart.classifier import Classifier, Ensemble
    from headstart.results import JsonObject, RunSummary
    from headstart.training import RunDescription, TrainingJob

_WEIGHTS = "model.safetensors"
# Keys that an extension of a run may change.
_BUDGET_KEYS = ("epochs", "time_limit", "effort")


def train(
    data: Data,
    *,
    model: str = "cnn",
    preset: str = "balanced",
    seed: int = 0,
    epochs: str | float | None = None,
    time_limit: str | float | None = None,
    track: str | None = None,
    out: str | Path | None = None,
    **keys: Unpack[TrainKeys],
) -> Run:
    """Train one model.

    A run that was interrupted resumes. A finished run is reused.

    Args:
        data: What `load` accepts.
        model: mlp, cnn, cnn-fashion, cnn-fashion-small, cnn-scenes, efficientnet-lite0, -lite1,
            -lite2, inception-mixed7, or timm/NAME.
        preset: fast (seconds), balanced, or best (as long as it pays).
        seed: Seed of initial weights, image order and augmentation.
        epochs: Passes over the training images. "+10" extends a finished run by ten epochs, in a
            new folder beside it. That run is the one in `out`, or the one that the same call
            without `epochs` made.
        time_limit: Seconds, or "90s", "5m", "1h". The schedule is planned to end in time.
        track: tensorboard, mlflow or wandb, which receives each epoch, and at the end the metrics,
            figures and files.
        out: The run folder. By default it is under `runs/`, and its name follows from data, recipe
            and seed.
        keys: Keys of the recipe (lr, batch, ...), of the network, and of `load` and `split`.

    Returns:
        What `headstart train --json` prints, with `.figures`, `.summary()`, `.module`, `.curves`
        and `.predictions`.

    Raises:
        InputError: Data, keys or folder cannot be used.
        RunFailed: Training diverged.
        ResourceError: Disk space, memory or a lock is missing.
    """
    from headstart.models.recipes import make_recipe

    more_epochs = _epochs_to_add(epochs)
    values = {
        **recipe_keys(keys),
        "epochs": None if more_epochs else epochs,
        "time_limit": seconds_or_none(time_limit),
    }
    recipe = make_recipe(model, values, preset)
    end = f"seed{check_seed(seed)}"
    load_torch(data, keys)

    from headstart.studies import count_run
    from headstart.training import TrainingJob, train as train_run

    tracker = tracking(track, with_files=True)
    opened = open_data(data, keys, model)
    folder = output_folder(out) or default_folder(opened, model, recipe.digest, end)
    options = {
        "model": model,
        "preset": preset,
        "seed": seed,
        "epochs": epochs,
        "time_limit": time_limit,
        "track": track,
        **keys,
    }
    job = TrainingJob(recipe, opened, seed, folder, command_of("train", data, options, out))
    with tracker:
        summary = _extend(job, more_epochs) if more_epochs else train_run(job)
    count_run(Path(summary.run), opened)
    if summary.reused:
        progress.say(f"{summary.run} is finished: its results are reused.")
    return Run(summary.as_json())


def repeat(
    run: str | Path,
    data: Data | None = None,
    *,
    track: str | None = None,
    out: str | Path | None = None,
) -> Run:
    """Repeat a run: the same recipe, data, split and seed, and the same steps.

    The steps are the same also where a time limit decided them.

    Args:
        run: A run folder.
        data: The dataset, where the run's source cannot be opened again: arrays, or a folder that
            moved.
        track: tensorboard, mlflow or wandb, as for `train`.
        out: The new run folder. By default the old name with "-repeat".

    Returns:
        What `train` returns, and `repeats`: the run, and whether the weights are identical bit for
        bit.

    Raises:
        InputError: The folder does not hold a run, or its data have changed.
    """
    original = Path(run)
    tracker = tracking(track, with_files=True)
    again = shlex.join(["headstart", "train", "--repeat", str(run), "DATA"])
    about, opened = reopen_run(original, data, f"Pass its current location: {again}")
    if about.is_ensemble:
        raise InputError(
            f"{run} is an ensemble, which cannot be repeated as one training.",
            "Repeat the runs that it consists of, or the study that selected them.",
        )
    from headstart.training import TrainingJob, train as train_run

    folder = output_folder(out) or original.with_name(f"{original.name}-repeat")
    words = ["headstart", "train", "--repeat", str(run)]
    if track:
        words += ["--track", track]
    if out:
        words += ["--out", str(out)]

    job = TrainingJob(
        about.recipe, opened, about.seed, folder, command=shlex.join(words), repeat=original
    )
    with tracker:
        summary = train_run(job)
    repeats: JsonObject = {"run": str(run), "identical": _has_same_weights(original, folder)}
    return Run({**summary.as_json(), "repeats": repeats})


def reopen_run(
    run: Path, data: Data | None, hint_if_moved: str = "Pass its current location with --data."
) -> tuple[RunDescription, SplitDataset]:
    """Return the facts of a run, and its dataset with its split.

    Args:
        run: A run folder.
        data: The dataset, where the run's source cannot be opened again: arrays, or a folder that
            moved.
        hint_if_moved: What to do if the source no longer exists.

    Raises:
        InputError: The folder does not hold a run, or its data are missing or have changed.
    """
    from headstart.data import read_split
    from headstart.training import read_run

    about = read_run(run)
    if data is None and not about.source:
        raise InputError(
            f"{run} was trained on arrays, which it cannot open again.",
            "Pass the arrays in Python: (run, data=...).",
        )
    if data is None and Path(about.source).is_absolute() and not Path(about.source).exists():
        raise InputError(
            f"{run} was trained on {about.source}, which no longer exists.",
            hint_if_moved,
        )
    dataset = load(about.source if data is None else data, **about.options)
    opened = SplitDataset(dataset, read_split(run, dataset))
    progress.say(summary_line(opened))
    return about, opened


def _has_same_weights(first: Path, second: Path) -> bool:
    """Return whether two run folders hold the same weights, bit for bit."""
    if not (first / _WEIGHTS).exists():
        return False
    return (first / _WEIGHTS).read_bytes() == (second / _WEIGHTS).read_bytes()


def _epochs_to_add(epochs: str | float | None) -> float:
    """Return 10 for "+10", and 0 for epochs that do not extend a run.

    Raises:
        InputError: No positive number follows "+".
    """
    if not isinstance(epochs, str) or not epochs.startswith("+"):
        return 0
    try:
        more = float(epochs)
    except ValueError:
        more = 0
    if not 0 < more < float("inf"):
        raise InputError(
            f"invalid --epochs: expected a positive number after '+', got '{epochs}'.",
            "Write it as --epochs +10.",
        )
    return more


def _extend(job: TrainingJob, more_epochs: float) -> RunSummary:
    """Extend the finished run in the job's folder, in a new folder."""
    from headstart.results import read_metrics
    from headstart.training import read_run, train as train_run

    run = job.folder
    if not (run / "metrics.json").exists():
        raise InputError(
            f"{run} does not hold a finished run to extend.",
            "Run the same command without --epochs first, or name a run with --out.",
        )
    about = read_run(run)
    changes = job.recipe.changes_from(about.recipe)
    changed = [key for key in changes if key not in _BUDGET_KEYS]
    if about.seed != job.seed:
        changed.append("seed")
    if changed:
        raise InputError(
            f"{run} was trained with another {changed[0]}, so it cannot be extended.",
            "Pass the same options as for that run, and --epochs +N.",
        )

    epochs = read_metrics(run).epochs + more_epochs
    longer = about.recipe.model_copy(update={"epochs": epochs, "time_limit": job.recipe.time_limit})
    folder = run.with_name(f"{run.name}-plus{more_epochs:g}")
    return train_run(replace(job, recipe=longer, folder=folder, after=run))


def network(
    data: Data, *, model: str = "cnn", preset: str = "balanced", **keys: Unpack[StudyKeys]
) -> list[JsonObject]:
    """Return the layers that `train` would train.

    Args:
        data: What `load` accepts.
        model: Name of the model.
        preset: fast, balanced or best.
        keys: Keys of the recipe, of the network, and of `load` and `split`.

    Returns:
        One entry per layer: name, kind, output shape, parameters and multiply-adds.

    Raises:
        InputError: The data or the keys cannot be used.
    """
    from headstart.models.recipes import make_recipe

    recipe = make_recipe(model, recipe_keys(keys), preset)
    load_torch(data, keys)

    from headstart.training import network_layers

    return network_layers(recipe, open_data(data, keys, model))


def runs(folder: str | Path = "runs") -> list[JsonObject]:
    """Return the summary of every run below a folder, finished or not.

    Args:
        folder: A folder, including its subfolders.

    Returns:
        One object per run, sorted by path: `run`, `state` ("finished", "unfinished" or "damaged")
        and `data`; of a finished run also what `train` returned, and of a damaged one `problem`.

    Raises:
        InputError: There is no such folder.
    """
    from headstart.training import list_runs

    return list_runs(Path(folder))


def load_classifier(run: str | Path) -> Classifier | Ensemble:
    """Return the classifier of a finished run: one network, or an ensemble of several.

    Its `probabilities(images)` accepts uint8 images of shape (N, H, W, C).

    Args:
        run: A run folder, or the folder of a study for its best run.

    Returns:
        A `torch.nn.Module` with `class_names`, `image_shape`, `predict` and `probabilities`.

    Raises:
        InputError: The folder holds no finished run, or its files are damaged.
    """
    from headstart import classifier, deploy

    folder = deploy.resolve_run(run)
    if folder.is_file():
        raise InputError(
            f"invalid run {run}: expected a run folder, got a file.",
            "Open an exported file with: headstart.deploy.open_model",
        )
    deploy.need_classifier(folder)
    return classifier.load_classifier(folder)
