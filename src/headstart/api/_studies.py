"""The studies as functions: compare, tune, lr, labels, effects and backbones."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
from headstart.api._results import (
    BackboneRankingResult,
    ComparisonResult,
    EffectsResult,
    LabelCurvesResult,
    LearningRatesResult,
    TuningResult,
)
from headstart.data import SplitDataset
from headstart.errors import InputError
from headstart.results import Comparison, Finding

if TYPE_CHECKING:
    from headstart.studies import Draw, Study

FindingT = TypeVar("FindingT", bound=Finding)
DEFAULT_MODELS = ("cnn", "efficientnet-lite0")


def compare(
    data: Data,
    *,
    models: Sequence[str] | str = DEFAULT_MODELS,
    seeds: int = 3,
    time_limit: str | float | None = "5m",
    track: str | None = None,
    out: str | Path | None = None,
    **keys: Unpack[StudyKeys],
) -> ComparisonResult:
    """Compare contenders on the same split and seeds, with the same time, and write a report.

    Args:
        data: A dataset, or anything that `load` opens.
        models: The contenders: models, `model:preset`, or paths of a `recipe.json` or of a finished
            run. A pretrained backbone adds its control, the same network with random weights.
        seeds: The number of runs per contender, with seeds 0, 1, ….
        time_limit: Seconds for everything, or text such as "5m"; None for recipe epochs.
        track: A tracker: tensorboard, mlflow or wandb.
        out: The study folder; by default one under `runs/`.
        keys: Recipe values for all contenders, and arguments of `load` and `split`.

    Returns:
        The finding. Its keys are those that `headstart compare --json` prints.

    Raises:
        InputError: The data, the contenders or the folder cannot be used.
        ResourceError: Memory, disk space or a lock is missing.
        RunFailed: No contender finished.
    """
    from headstart.studies import ComparisonConfig

    names = split_words(models)
    options = {"models": names, "seeds": seeds, "time_limit": time_limit or "none"}
    call = _StudyCall(data, keys, options, out, track)
    config = ComparisonConfig(
        names, tuple(range(check_seed(seeds))), seconds_or_none(time_limit), recipe_keys(keys)
    )
    return ComparisonResult(_run(config, call))


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
) -> TuningResult:
    """Search hyper-parameters, retrain the best recipe and the defaults, and write a report.

    An interrupted search resumes when the function is called again.

    Args:
        data: A dataset, or anything that `load` opens.
        model: The model whose recipe is tuned.
        preset: The preset of the default recipe, which is the first trial.
        space: A TOML or YAML file, a mapping of keys to choices or ranges, or a function from an
            `optuna.Trial` to values; None for the search space of the model.
        also: Groups to add to that space: "augmentation", "label_smoothing".
        trials: The number of recipes; by default 24, or with a time limit as many as fit.
        time_limit: Seconds for everything, or text such as "15m".
        seed: The seed of the search and its runs.
        seeds: The number of seeds, after `seed`, with which the best recipe is retrained.
        together: The number of recipes drawn at the same time, and the most that run in parallel.
        workers: Worker processes on this machine.
        ray: The address of a Ray cluster, or "auto".
        storage: The URL of a database, such as PostgreSQL. Machines that make the same call share
            one search.
        track: A tracker: tensorboard, mlflow or wandb.
        out: The study folder; by default one under `runs/`.
        keys: Recipe values for all trials, and arguments of `load` and `split`.

    Returns:
        The finding. Its keys are those that `headstart tune --json` prints.

    Raises:
        InputError: The data, the space or the folder cannot be used.
        ResourceError: Memory, disk space or a lock is missing.
        RunFailed: Three trials in a row failed for the same reason.
    """
    from headstart.studies import TuningConfig, TuningStudy, read_space

    options = {
        "model": model,
        "preset": preset,
        "space": space if isinstance(space, str | Path) else None,
        "also": split_words(also) or None,
        "trials": trials,
        "time_limit": time_limit,
        "seed": seed,
        "seeds": seeds,
        "together": together,
    }
    call = _StudyCall(data, keys, options, out, track, workers, ray)
    config = TuningConfig(
        model,
        read_space(Path(space)) if isinstance(space, str | Path) else space,
        _underscored(also),
        trials,
        seconds_or_none(time_limit),
        recipe_keys(keys),
        preset,
        check_seed(seed),
        seeds,
        together=together,
        storage=storage,
    )
    return TuningResult(_run(TuningStudy(config), call))


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
) -> LearningRatesResult:
    """Train at a grid of learning rates over seeds, and write a report.

    Args:
        data: A dataset, or anything that `load` opens.
        model: The model whose learning rate varies.
        preset: The preset of its recipe.
        values: The learning rates; by default half decades from 0.0001 to 0.1, and beyond the rate
            of the recipe.
        seeds: The number of runs per learning rate.
        time_limit: Seconds for everything, or text such as "15m". A short limit drops seeds first,
            then half decades, and then shortens the runs.
        workers: Worker processes on this machine.
        ray: The address of a Ray cluster, or "auto".
        track: A tracker: tensorboard, mlflow or wandb.
        out: The study folder; by default one under `runs/`.
        keys: Recipe values for all runs, and arguments of `load` and `split`.

    Returns:
        The finding. Its keys are those that `headstart lr --json` prints.

    Raises:
        InputError: The data, the learning rates or the folder cannot be used.
        ResourceError: Memory, disk space or a lock is missing.
        RunFailed: No run finished.
    """
    from headstart.studies import LearningRatesConfig

    rates = None if values is None else tuple(_rate(word) for word in split_words(values))
    options = {
        "model": model,
        "preset": preset,
        "values": rates,
        "seeds": seeds,
        "time_limit": time_limit,
    }
    call = _StudyCall(data, keys, options, out, track, workers, ray)
    config = LearningRatesConfig(
        model, rates, seeds, seconds_or_none(time_limit), recipe_keys(keys), preset
    )
    return LearningRatesResult(_run(config, call))


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
) -> LabelCurvesResult:
    """Train contenders with different numbers of labels, compare their curves, and write a report.

    Args:
        data: A dataset, or anything that `load` opens.
        models: The contenders: models, `model:preset`, or paths of a `recipe.json`.
        per_class: Numbers of labels per class; by default 10, 30, 100, 300 and 1,000, as far as
            there are images.
        seeds: The number of runs per contender and number of labels. Each seed draws its own
            labelled images.
        time_limit: Seconds for everything, or text such as "15m". A short limit drops seeds first,
            then the largest numbers of labels, and then shortens the runs.
        workers: Worker processes on this machine.
        ray: The address of a Ray cluster, or "auto".
        track: A tracker: tensorboard, mlflow or wandb.
        out: The study folder; by default one under `runs/`.
        keys: Recipe values for all contenders, and arguments of `load` and `split`.

    Returns:
        The finding. Its keys are those that `headstart labels --json` prints.

    Raises:
        InputError: The data, the contenders or the folder cannot be used.
        ResourceError: Memory, disk space or a lock is missing.
        RunFailed: No run finished.
    """
    from headstart.studies import LabelCurvesConfig

    names = split_words(models)
    counts = (
        None if per_class is None else tuple(_label_count(word) for word in split_words(per_class))
    )
    options = {"models": names, "per_class": counts, "seeds": seeds, "time_limit": time_limit}
    call = _StudyCall(data, keys, options, out, track, workers, ray)
    config = LabelCurvesConfig(
        names, counts, check_seed(seeds), seconds_or_none(time_limit), recipe_keys(keys)
    )
    return LabelCurvesResult(_run(config, call))


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
) -> EffectsResult:
    """Change one hyper-parameter of a recipe at a time, test each change, and write a report.

    Args:
        data: A dataset, or anything that `load` opens.
        model: The model whose recipe is changed.
        preset: The preset of its recipe.
        of: The hyper-parameters: dropout, l2, layers, nodes, activation, batch, optimizer,
            augmentation, label_smoothing, schedule. By default all but the last two, as far as the
            model has them.
        seeds: The number of runs per recipe.
        time_limit: Seconds for everything, or text such as "15m". A short limit drops seeds first,
            then the later values of each hyper-parameter, and then shortens the runs.
        workers: Worker processes on this machine.
        ray: The address of a Ray cluster, or "auto".
        track: A tracker: tensorboard, mlflow or wandb.
        out: The study folder; by default one under `runs/`.
        keys: Recipe values for all runs, and arguments of `load` and `split`.

    Returns:
        The finding. Its keys are those that `headstart effects --json` prints.

    Raises:
        InputError: The data, the hyper-parameters or the folder cannot be used.
        ResourceError: Memory, disk space or a lock is missing.
        RunFailed: The unchanged recipe failed.
    """
    from headstart.studies import EffectsConfig

    names = None if of is None else _underscored(of)
    options = {
        "model": model,
        "preset": preset,
        "of": names,
        "seeds": seeds,
        "time_limit": time_limit,
    }
    call = _StudyCall(data, keys, options, out, track, workers, ray)
    config = EffectsConfig(
        model, names, seeds, seconds_or_none(time_limit), recipe_keys(keys), preset
    )
    return EffectsResult(_run(config, call))


def backbones(
    data: Data,
    *,
    candidates: Sequence[str] | str | None = None,
    images: int = 2000,
    time_limit: str | float | None = None,
    out: str | Path | None = None,
    **keys: Unpack[StudyKeys],
) -> BackboneRankingResult:
    """Rank backbones by cross-validated linear probes and by speed, and write a report.

    Args:
        data: A dataset, or anything that `load` opens. Only training images are used.
        candidates: Backbones, or `backbone@pixels`; by default those whose weights are installed,
            at two or three image sizes.
        images: The largest number of training images that each probe uses.
        time_limit: Seconds for everything, or text such as "15m". A short limit uses fewer images.
        out: The study folder; by default one under `runs/`.
        keys: Options of all backbones (cut, pool, weights, pretrained, …), and arguments of `load`
            and `split`.

    Returns:
        The finding. Its keys are those that `headstart backbones --json` prints.

    Raises:
        InputError: The candidates, the keys or the folder cannot be used.
        ResourceError: Weights, disk space or a lock are missing.
    """
    from headstart.studies import BackboneRankingConfig

    names = None if candidates is None else split_words(candidates)
    options = {"candidates": names, "images": images, "time_limit": time_limit}
    call = _StudyCall(data, keys, options, out)
    config = BackboneRankingConfig(names, images, seconds_or_none(time_limit), recipe_keys(keys))
    return BackboneRankingResult(_run(config, call))


@dataclass(frozen=True)
class _StudyCall:
    """A call of a study function.

    Attributes:
        data: What the caller gave as data.
        keys: Keys of the recipe, the dataset and the split.
        options: The options of the command, under their names on the command line.
        out: The study folder; None for one under `runs/`.
        track: The name of a tracker; None for none.
        workers: Worker processes on this machine.
        ray: The address of a Ray cluster; None for none.
        started: `time.perf_counter()` when the function was called.
    """

    data: Data
    keys: StudyKeys
    options: dict[str, Any]
    out: str | Path | None
    track: str | None = None
    workers: int = 1
    ray: str | None = None
    started: float = field(default_factory=time.perf_counter)


def _run(study: Study[FindingT], call: _StudyCall) -> FindingT:
    """Carry out a study in its folder, and write its report.

    Args:
        study: The configuration of the study.
        call: The call, which names data and folder.
    """
    from headstart.execution import Where
    from headstart.report import write_report
    from headstart.studies import run_study

    study.check()
    if call.track is not None and call.ray is not None:
        raise InputError(
            "--track follows runs on this machine: it cannot follow those on a Ray cluster.",
            "Leave one of --track and --ray out.",
        )
    workers = Where(workers=call.workers, ray=call.ray)
    verb = study.finding_type.study_name()
    # Figures and models of single runs are not logged: a study has hundreds of runs.
    with tracking(call.track, with_files=False):
        data = open_data(call.data, call.keys)
        content = json.dumps(study.as_json(), sort_keys=True)
        digest = hashlib.sha256(content.encode()).hexdigest()
        folder = output_folder(call.out) or default_folder(data, verb, digest, "")
        options = {**call.options, "track": call.track, **call.keys}
        finding = run_study(
            study,
            data,
            folder,
            workers=workers,
            command=command_of(verb, call.data, options, call.out),
            started=call.started,
        )
        if not (folder / "report.html").exists():
            if isinstance(finding, Comparison):
                _explain_errors(finding, data, folder)
            write_report(folder)
    return finding


def _explain_errors(finding: Comparison, data: SplitDataset, folder: Path) -> None:
    """Write `errors.npz` for the report: explanations of the worst errors. Needs Captum."""
    from headstart.deploy import explain_errors

    runs = {
        contender.name: folder / contender.representative_run
        for contender in finding.contenders
        if contender.role == "contender"
    }
    has_classifiers = all((run / "classifier.json").exists() for run in runs.values())
    if find_spec("captum") is None or not has_classifiers:
        return

    split = data.split
    part, rows = ("test", split.test) if len(split.test) else ("validation", split.validation)
    try:
        explain_errors(runs, data.dataset, rows, part, folder / "errors.npz")
    except Exception as error:
        # The runs may have taken hours: their report does not depend on one figure.
        progress.warn(
            "WARNING: the report shows no worst errors, because explaining them failed: "
            f"{type(error).__name__}: {error}."
        )


def _underscored(words: Sequence[str] | str) -> tuple[str, ...]:
    """Return words as keys: "label-smoothing" becomes "label_smoothing"."""
    return tuple(word.replace("-", "_") for word in split_words(words))


def _rate(word: str) -> float:
    try:
        rate = float(word)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise InputError(
            f"invalid --values: expected learning rates above 0, got '{word}'.",
            "Example: --values 1e-2,1e-3",
        )
    return rate


def _label_count(word: str) -> int:
    if not (word.isascii() and word.isdigit() and int(word) > 0):
        raise InputError(
            f"invalid --per-class: expected integers from 1, got '{word}'.",
            "Example: --per-class 10,100,1000",
        )
    return int(word)
