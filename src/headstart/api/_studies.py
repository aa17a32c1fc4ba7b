"""The studies: compare, tune, lr, labels, effects, backbones; and their report."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from headstart import progress
from headstart.api._arguments import (
    check_seed,
    default_folder,
    output_folder,
    recipe_keys,
    seconds_or_none,
    split_words,
    tracking,
)
from headstart.api._command_line import command_of
from headstart.api._data import Data, open_data
from headstart.api._keys import StudyKeys
from headstart.api._results import Backbones, Comparison, Effects, LabelCurves, Rates, Search, Study
from headstart.data import SplitDataset
from headstart.errors import InputError

if TYPE_CHECKING:
    from headstart.studies import Draw

Found = TypeVar("Found", bound=Study)
DEFAULT_MODELS = ("cnn", "efficientnet-lite0")


def compare(
    data: Data,
    *,
    models: tuple[str, ...] | list[str] | str = DEFAULT_MODELS,
    seeds: int = 3,
    time_limit: str | float | None = "5m",
    track: str | None = None,
    out: str | Path | None = None,
    **keys: Unpack[StudyKeys],
) -> Comparison:
    """Compare models on the same splits, seeds and seconds, and write a report.

    Args:
        data: what `load` takes, or a dataset.
        models: the contenders: models, `model:preset`, paths of a `recipe.json` or of a finished run; a backbone brings its
            control, the same network from random weights.
        seeds: how many runs each contender gets: seeds 0, 1, ….
        time_limit: for everything, the report included; None lets every recipe run its own epochs.
        track: tensorboard, mlflow or wandb: told of each run, epoch by epoch, and of its scores.
        out: the study folder; by default one under `runs/`.
        keys: recipe keys for all contenders, and those of `load` and `split`.

    Returns:
        What `headstart compare --json` prints: contenders, floors, verdict, report; `.contenders` is a frame.

    Raises:
        InputError, ResourceError: as `train`; RunFailed: no contender finished.
    """
    from headstart.studies import Comparison as Question, compare as run_study

    started = time.perf_counter()
    names = split_words(models)
    asked = Question(
        names, tuple(range(check_seed(seeds))), seconds_or_none(time_limit), recipe_keys(keys)
    )
    own = {"models": names, "seeds": seeds, "time_limit": time_limit or "none", "track": track}
    return _answer(Comparison, "compare", run_study, asked, data, own, keys, out, started)


def tune(
    data: Data,
    *,
    model: str = "cnn",
    preset: str = "balanced",
    space: str | Path | Mapping[str, Any] | Callable[[Draw], dict[str, Any]] | None = None,
    also: Sequence[str] | str = (),
    trials: int | None = None,
    time_limit: str | float | None = None,
    seed: int = 0,
    seeds: int = 3,
    together: int = 8,
    workers: int = 1,
    ray: str | None = None,
    storage: str | None = None,
    track: str | None = None,
    out: str | Path | None = None,
    **keys: Unpack[StudyKeys],
) -> Search:
    """Search the hyper-parameters of a model, retrain the best recipe and the defaults over new seeds, and write a report.

    Killed at any moment, the same call goes on.

    Args:
        data: what `load` takes, or a dataset.
        model, preset: the recipe to start from; it is the first trial.
        space: a TOML or YAML file, a mapping of keys to choices or ranges, or a function from an `optuna.Trial` to values; None
            for the model's own.
        also: "augmentation", "label_smoothing": groups that the model's own space takes in.
        trials: recipes to try; by default 24, or with a time limit as many as fit.
        time_limit: seconds for everything, or "15m".
        seed: of the search and its runs; the winner is retrained over the `seeds` seeds after it.
        together: recipes drawn at once: the most that can run side by side.
        workers: processes of this machine. ray: the address of a Ray cluster, or "auto".
        storage: URL of a database, such as PostgreSQL, that several machines share: the same call on each works on one search.
        track: tensorboard, mlflow or wandb: told of each run of this machine, epoch by epoch, and of its scores.
        out: the study folder; by default one under `runs/`.
        keys: recipe keys that all trials share, `epochs` among them, and those of `load` and `split`.

    Returns:
        What `headstart tune --json` prints; `.trials` and `.history` are frames.

    Raises:
        InputError, ResourceError: as `train`; RunFailed: three trials in a row failed for the same reason.
    """
    from headstart.studies import Tuning, read_space, tune as run_study

    started = time.perf_counter()
    asked = Tuning(
        model,
        read_space(Path(space)) if isinstance(space, str | Path) else space,
        tuple(word.replace("-", "_") for word in split_words(also)),
        trials,
        seconds_or_none(time_limit),
        recipe_keys(keys),
        preset,
        check_seed(seed),
        seeds,
        together=together,
        storage=storage,
    )
    shown = space if isinstance(space, str | Path) else None
    own: dict[str, Any] = {
        "model": model,
        "preset": preset,
        "space": shown,
        "also": split_words(also) or None,
        "trials": trials,
    }
    own |= {
        "time_limit": time_limit,
        "seed": seed,
        "seeds": seeds,
        "together": together,
        "track": track,
    }
    return _answer(
        Search, "tune", run_study, asked, data, own, keys, out, started, workers=workers, ray=ray
    )


def lr(
    data: Data,
    *,
    model: str = "cnn",
    preset: str = "balanced",
    values: Sequence[float] | str | None = None,
    seeds: int = 3,
    time_limit: str | float | None = None,
    workers: int = 1,
    ray: str | None = None,
    track: str | None = None,
    out: str | Path | None = None,
    **keys: Unpack[StudyKeys],
) -> Rates:
    """Show what the learning rate does: a grid of rates over seeds, the good range, where training breaks, and a report.

    Args:
        data: what `load` takes, or a dataset.
        model, preset: the recipe whose rate varies.
        values: learning rates; by default half decades from 0.0001 to 0.1, and on beyond the recipe's own.
        seeds: runs of each rate.
        time_limit: seconds for everything: it costs seeds first, then half decades, then the length of runs.
        workers, ray, track, out, keys: as for `tune`.

    Returns:
        What `headstart lr --json` prints; `.rates` is a frame.

    Raises:
        InputError, ResourceError: as `train`; RunFailed: no run finished.
    """
    from headstart.studies import RateStudy, lr as run_study

    started = time.perf_counter()
    rates = None if values is None else tuple(_rate(word) for word in split_words(values))
    asked = RateStudy(model, rates, seeds, seconds_or_none(time_limit), recipe_keys(keys), preset)
    own = {
        "model": model,
        "preset": preset,
        "values": rates,
        "seeds": seeds,
        "time_limit": time_limit,
        "track": track,
    }
    return _answer(
        Rates, "lr", run_study, asked, data, own, keys, out, started, workers=workers, ray=ray
    )


def labels(
    data: Data,
    *,
    models: Sequence[str] | str = DEFAULT_MODELS,
    per_class: Sequence[int] | str | None = None,
    seeds: int = 3,
    time_limit: str | float | None = None,
    workers: int = 1,
    ray: str | None = None,
    track: str | None = None,
    out: str | Path | None = None,
    **keys: Unpack[StudyKeys],
) -> LabelCurves:
    """Show what labels are worth: accuracy against their number, how many one model needs to match another, and a report.

    Args:
        data: what `load` takes, or a dataset.
        models: the contenders: models, `model:preset`, or paths of a `recipe.json`.
        per_class: labels of each class; by default 10, 30, 100, 300 and 1,000, as far as there are images.
        seeds: runs of each contender with each number of labels; each seed draws labelled images of its own.
        time_limit: seconds for everything: it costs seeds first, then the largest numbers of labels, then the length of runs.
        workers, ray, track, out: as for `tune`.
        keys: recipe keys for all contenders, and those of `load` and `split`.

    Returns:
        What `headstart labels --json` prints; `.points` is a frame.

    Raises:
        InputError, ResourceError: as `train`; RunFailed: no run finished.
    """
    from headstart.studies import LabelStudy, labels as run_study

    started = time.perf_counter()
    names = split_words(models)
    counts = (
        None if per_class is None else tuple(_labels_of(word) for word in split_words(per_class))
    )
    asked = LabelStudy(
        names, counts, check_seed(seeds), seconds_or_none(time_limit), recipe_keys(keys)
    )
    own = {
        "models": names,
        "per_class": counts,
        "seeds": seeds,
        "time_limit": time_limit,
        "track": track,
    }
    return _answer(
        LabelCurves,
        "labels",
        run_study,
        asked,
        data,
        own,
        keys,
        out,
        started,
        workers=workers,
        ray=ray,
    )


def effects(
    data: Data,
    *,
    model: str = "cnn",
    preset: str = "balanced",
    of: Sequence[str] | str | None = None,
    seeds: int = 3,
    time_limit: str | float | None = None,
    workers: int = 1,
    ray: str | None = None,
    track: str | None = None,
    out: str | Path | None = None,
    **keys: Unpack[StudyKeys],
) -> Effects:
    """Show what each knob of a recipe does here: one turned at a time, over seeds, with intervals, and a report.

    Args:
        data: what `load` takes, or a dataset.
        model, preset: the recipe around which they are turned.
        of: dropout, l2, layers, nodes, activation, batch, optimizer, augmentation (by default these, as far as the model has
            them), label_smoothing, schedule.
        seeds: runs of each recipe.
        time_limit: seconds for everything: it costs seeds first, then each knob's later values, then the length of runs.
        workers, ray, track, out, keys: as for `tune`.

    Returns:
        What `headstart effects --json` prints; `.effects` is a frame.

    Raises:
        InputError, ResourceError: as `train`; RunFailed: the recipe itself fails.
    """
    from headstart.studies import EffectStudy, effects as run_study

    started = time.perf_counter()
    knobs = None if of is None else tuple(word.replace("-", "_") for word in split_words(of))
    asked = EffectStudy(model, knobs, seeds, seconds_or_none(time_limit), recipe_keys(keys), preset)
    own = {
        "model": model,
        "preset": preset,
        "of": knobs,
        "seeds": seeds,
        "time_limit": time_limit,
        "track": track,
    }
    return _answer(
        Effects,
        "effects",
        run_study,
        asked,
        data,
        own,
        keys,
        out,
        started,
        workers=workers,
        ray=ray,
    )


def backbones(
    data: Data,
    *,
    candidates: Sequence[str] | str | None = None,
    images: int = 2000,
    time_limit: str | float | None = None,
    out: str | Path | None = None,
    **keys: Unpack[StudyKeys],
) -> Backbones:
    """Rank backbones on these images: a cross-validated linear probe on their features, against images a second here.

    Args:
        data: what `load` takes, or a dataset. Only training images are looked at.
        candidates: backbones, or backbone@pixels; by default those whose weights are installed, at two or three sides.
        images: training images that are looked at, at most.
        time_limit: seconds for everything: it costs images.
        out: the study folder; by default one under `runs/`.
        keys: options of the backbones (cut, pool, weights, pretrained, …), and keys of `load` and `split`.

    Returns:
        What `headstart backbones --json` prints; `.candidates` is a frame.

    Raises:
        InputError: candidates, keys or folder cannot be used; ResourceError: weights are missing, disk or lock.
    """
    from headstart.studies import BackboneStudy, backbones as run_study

    started = time.perf_counter()
    names = None if candidates is None else split_words(candidates)
    asked = BackboneStudy(names, images, seconds_or_none(time_limit), recipe_keys(keys))
    own = {"candidates": names, "images": images, "time_limit": time_limit}
    return _answer(Backbones, "backbones", run_study, asked, data, own, keys, out, started)


def _answer(
    kind: type[Found],
    verb: str,
    study: Callable[..., dict[str, Any]],
    asked: Any,
    data: Data,
    own: dict[str, Any],
    keys: StudyKeys,
    out: str | Path | None,
    started: float,
    **executor: Any,
) -> Found:
    """Run a study in its folder, and write its report.

    Args:
        kind: what to return.
        asked: the question, as the study takes it.
        own: the same as the verb's options of the command line. keys: those of the recipe and the data.
        executor: fields of `Where`, for studies that take one.
    """
    from headstart.execution import Where
    from headstart.report import write_report

    asked.check()
    track = own.get("track")
    if track is not None and executor.get("ray") is not None:
        raise InputError(
            "--track follows runs of this machine, and --ray makes them elsewhere.",
            "Leave one of the two out.",
        )
    where = {"where": Where(**executor)} if executor else {}
    # A study has figures of its own, and hundreds of models that nobody asked for.
    with tracking(track, with_files=False):
        opened = open_data(data, keys)
        digest = hashlib.sha256(json.dumps(asked.as_json(), sort_keys=True).encode()).hexdigest()
        folder = output_folder(out) or default_folder(opened, verb, digest, "")
        command = command_of(verb, data, {**own, **keys}, out)
        finding = study(asked, opened, folder, command=command, started=started, **where)
        if not (folder / "report.html").exists():
            if verb == "compare":
                _explain_errors(finding, opened, folder)
            write_report(folder)
    return kind(finding)


def _explain_errors(finding: dict[str, Any], data: SplitDataset, folder: Path) -> None:
    """Leave `errors.npz` for the report: what the contenders looked at where they were most wrong. Needs Captum."""
    from headstart.deploy import explain_errors

    contenders = [
        one
        for one in finding["contenders"]
        if one["role"] == "contender" and one["representative_run"]
    ]
    runs = {one["name"]: folder / one["representative_run"] for one in contenders}
    split = data.split
    part, rows = ("test", split.test) if len(split.test) else ("validation", split.validation)
    if find_spec("captum") is not None and all(
        (run / "classifier.json").exists() for run in runs.values()
    ):
        try:
            explain_errors(runs, data.dataset, rows, part, folder / "errors.npz")
        except (
            Exception
        ) as error:  # the runs may have taken hours: their report does not wait for one figure
            progress.warn(
                f"WARNING: the report shows no worst errors: explaining them failed ({type(error).__name__}: {error})."
            )


def _rate(word: str) -> float:
    try:
        rate = float(word)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise InputError(
            f"--values holds '{word}', but wanted are learning rates above zero.",
            "Example: --values 1e-2,1e-3",
        )
    return rate


def _labels_of(word: str) -> int:
    if not (word.isascii() and word.isdigit() and int(word) > 0):
        raise InputError(
            f"--per-class holds '{word}', but wanted are whole numbers from 1.",
            "Example: --per-class 10,100,1000",
        )
    return int(word)
