"""One run: train it, extend it, make it again, look at it, use it."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.api._common import (
    LOAD_KEYS,
    Data,
    command_of,
    default_folder,
    folder_of,
    load,
    open_data,
    recipe_keys,
    seconds,
    told_to,
    whole,
)
from headstart.api._results import Run
from headstart.data import SplitDataset
from headstart.errors import InputError

if TYPE_CHECKING:
    from headstart.classifier import Classifier
    from headstart.training import RunDescription, TrainingJob


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
    **keys: Any,
) -> Run:
    """Train one model.

    A run that was stopped or killed goes on where it was; a finished one answers at once.

    Args:
        data: what `load` takes, or a dataset.
        model: mlp, cnn, cnn-fashion, cnn-fashion-small, cnn-scenes, efficientnet-lite0, -lite1, -lite2, inception-mixed7,
            or timm/NAME.
        preset: fast (seconds), balanced, or best (as long as it pays).
        epochs: passes over the training images; "+10" goes on for ten from the end of the finished run that `out` names, or that
            the same call without `epochs` made, in a folder of its own beside it.
        seed: of initial weights, order and augmentation.
        time_limit: seconds, or "90s", "5m", "1h"; the schedule is planned to end in time.
        track: tensorboard, mlflow or wandb: told of the run epoch by epoch, then of its scores, figures and files.
        out: the run folder; by default one under `runs/` whose name follows from data, recipe and seed.
        keys: recipe keys (epochs, lr, batch, …), options of the model, and those of `load` and `split`.

    Returns:
        What `headstart train --json` prints, with `.module`, `.curves` and `.predictions`.

    Raises:
        InputError: data, keys or folder cannot be used; RunFailed: training diverged; ResourceError: disk or lock.
    """
    from headstart.models.recipes import make_recipe
    from headstart.training import TrainingJob, train as train_run

    more, told = _more_epochs(epochs), told_to(track, with_files=True)
    asked = {
        "model": model,
        "preset": preset,
        "seed": seed,
        "epochs": epochs,
        "time_limit": time_limit,
        "track": track,
        **keys,
    }
    values = {
        **recipe_keys(keys),
        "epochs": None if more else epochs,
        "time_limit": None if time_limit is None else seconds(time_limit),
    }
    recipe = make_recipe(model, values, preset)
    opened = open_data(data, keys, model)
    folder = folder_of(out) or default_folder(opened, model, recipe.digest, f"seed{whole(seed)}")
    command = command_of("train", data, asked, out)
    job = TrainingJob(recipe, opened, whole(seed), folder, command)
    with told:
        return Run(_extend(job, more) if more else train_run(job))


def repeat(run: str | Path, data: Data | None = None, *, out: str | Path | None = None) -> Run:
    """Train a run again: the same recipe, data, split and seed, and the same steps, also where a time limit decided them.

    Args:
        run: a run folder.
        data: the dataset, where the run's own source cannot be opened again (arrays, a folder that moved).
        out: the new run folder; by default the old one's name and "-repeat".

    Returns:
        What `train` returns, and `repeats`: the run, and whether the weights came out the same to the last bit.

    Raises:
        InputError: no run there, or its data have changed.
    """
    from headstart.training import TrainingJob, train as train_run

    old = Path(run)
    about, opened = open_again(old, data)
    folder = folder_of(out) or old.with_name(f"{old.name}-repeat")
    command = shlex.join(
        ["headstart", "train", "--repeat", str(run), *(["--out", str(out)] if out else [])]
    )
    job = TrainingJob(about.recipe, opened, about.seed, folder, command, repeat=old)
    found = train_run(job)
    same = (old / "model.safetensors").exists() and _same_weights(old, folder)
    return Run({**found, "repeats": {"run": str(old), "identical": same}})


def open_again(run: Path, data: Data | None) -> tuple[RunDescription, SplitDataset]:
    """Return what a run was, and its dataset with the split.

    Args:
        data: the dataset, where the run's own source cannot be opened again (arrays, a folder that moved).

    Raises:
        InputError: no run there, or its data are gone or have changed.
    """
    from headstart.data import read_split
    from headstart.training import read_run

    about = read_run(run)
    if data is None and not about.source:
        raise InputError(
            f"{run} was trained on arrays, which it cannot open again.",
            "Give the data, in Python: (run, data=...).",
        )
    if data is None and Path(about.source).is_absolute() and not Path(about.source).exists():
        raise InputError(
            f"{run} was trained on {about.source}, which is no longer there.",
            "Give the place where it is now with --data.",
        )
    options = {
        key: value for key, value in about.options.items() if key in LOAD_KEYS and value is not None
    }
    dataset = load(about.source if data is None else data, **options)
    return about, SplitDataset(dataset, read_split(run, dataset))


def _same_weights(a: Path, b: Path) -> bool:
    return (a / "model.safetensors").read_bytes() == (b / "model.safetensors").read_bytes()


def _more_epochs(epochs: str | float | None) -> float:
    """10 of "+10"; 0 if these are not epochs to add."""
    if not isinstance(epochs, str) or not epochs.startswith("+"):
        return 0
    try:
        more = float(epochs)
    except ValueError:
        more = 0
    if not 0 < more < float("inf"):
        raise InputError(
            f"--epochs is '{epochs}', but wanted is how many to add.", "Example: --epochs +10"
        )
    return more


def _extend(job: TrainingJob, more: float) -> dict[str, Any]:
    """Continue the finished run in the job's folder for `more` epochs, in a new folder."""
    from headstart.training import read_metrics, read_run, train as train_run

    run = job.folder
    if not (run / "metrics.json").exists():
        raise InputError(
            f"{run} holds no finished run to go on from.",
            "Run the same command without --epochs first, or name a run with --out.",
        )
    about = read_run(run)
    changed = [
        key
        for key in job.recipe.changes_from(about.recipe)
        if key not in ("epochs", "time_limit", "effort")
    ]
    if changed or about.seed != job.seed:
        raise InputError(
            f"{run} was trained with another {changed[0] if changed else 'seed'}, so this would be no extension of it.",
            "Give the same options as for that run, and --epochs +N.",
        )
    longer = about.recipe.model_copy(
        update={"epochs": read_metrics(run)["epochs"] + more, "time_limit": job.recipe.time_limit}
    )
    folder = run.with_name(f"{run.name}-plus{more:g}")
    return train_run(replace(job, recipe=longer, folder=folder, after=run))


def network(
    data: Data, *, model: str = "cnn", preset: str = "balanced", **keys: Any
) -> list[dict[str, Any]]:
    """The layers that `train` would train: name, kind, output shape, parameters, multiply-adds."""
    from headstart.models.recipes import make_recipe
    from headstart.training import network_layers

    recipe = make_recipe(model, recipe_keys(keys), preset)
    return network_layers(recipe, open_data(data, keys, model))


def runs(folder: str | Path = "runs") -> list[dict[str, Any]]:
    """Every run below a folder, finished or not."""
    from headstart.training import list_runs

    return list_runs(Path(folder))


def load_classifier(run: str | Path) -> Classifier:
    """The classifier of a finished run: `.probabilities(images)` takes uint8 `(N, H, W, C)`."""
    from headstart.classifier import load_classifier as load_from

    return load_from(Path(run))
