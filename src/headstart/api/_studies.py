"""The studies as functions: compare, tune, lr, labels, effects and backbones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack, cast

from headstart.api._arguments import (
    check_seed,
    label_count,
    learning_rate,
    recipe_keys,
    seconds_or_none,
    seed_count,
    split_words,
)
from headstart.api._data import Data, load_torch, open_with_and_without_plan
from headstart.api._keys import StudyKeys
from headstart.api._results import (
    BackboneRankingResult,
    ComparisonResult,
    EffectsResult,
    LabelCurvesResult,
    LearningRatesResult,
    TuningResult,
)
from headstart.api._run_images import with_images_of_runs
from headstart.api._study_calls import StudyCall, carry_out
from headstart.api._study_folds import open_folds

if TYPE_CHECKING:
    from headstart.studies import Draw, WhenSlow

DEFAULT_MODELS = ("cnn", "efficientnet-lite0")


def compare(
    data: Data,
    *,
    models: Sequence[str] | str = DEFAULT_MODELS,
    seeds: int | str = 3,
    folds: int | str | None = "auto",
    time_limit: str | float | None = "5m",
    when_slow: WhenSlow = "shorten",
    equivalence: float = 0.5,
    gate: bool = False,
    track: str | None = None,
    out: str | Path | None = None,
    **keys: Unpack[StudyKeys],
) -> ComparisonResult:
    """Compare contenders on the same split and seeds, with the same time, and write a report.

    With a plan, each contender is trained on the data with the plan and without it. All are
    evaluated on the images that the plan does not change, so the verdict is about the plan as well.

    Args:
        data: A dataset, or anything that `load` opens.
        models: The contenders: models, `model:preset`, or paths of a `recipe.json`, of a finished
            run, or of a finished study, such as one of `fit`, whose best run enters. A pretrained
            backbone adds its control, the same network with random weights.
        seeds: The number of runs per contender, or of repeats with folds. "auto" adds seeds until
            the comparison is decided, up to 5 with a time limit and 8 without; "auto:12" up to 12.
        folds: The number of folds of a cross-validation, in which every image is tested once per
            repeat. "auto" uses five folds for fewer than 1,000 images, if fewer than 200 of them
            would be test images. It uses none if the data have a test set, or if `test`,
            `train_images` or a plan is given. A study in `out` keeps its folds. None uses one
            split.
        time_limit: Seconds for everything, or text such as "5m"; None for recipe epochs.
        when_slow: If the machine slows down, "shorten" keeps the limit, "lengthen" the plan.
        equivalence: The largest difference in accuracy that counts as equivalent, in percentage
            points. Choose it before the results are known.
        gate: Whether to decide if the last contender may replace the first one. It may if it is
            better, or not worse by `equivalence` points or more. `gate.md` is a summary.
        track: A tracker: tensorboard, mlflow or wandb.
        out: The study folder; by default one under `runs/`.
        keys: Recipe values for all contenders, and arguments of `load` and `split`.

    Returns:
        The finding. Its keys are those that `headstart compare --json` prints. With `gate`, the key
        `gate` has the decision.

    Raises:
        InputError: The data, the contenders or the folder cannot be used.
        ResourceError: Memory, disk space or a lock is missing.
        RunFailed: No contender finished.
    """
    names, limit = _without_studies(split_words(models)), seconds_or_none(time_limit)
    options = {
        "models": names,
        "seeds": seeds,
        "time_limit": time_limit or "none",
        "when_slow": when_slow,
        "equivalence": equivalence,
    }
    if folds in (None, "none"):
        options["folds"] = "none"
    call = StudyCall(data, keys, options, out, track)
    from headstart.studies import check_models

    check_models(names, recipe_keys(keys))
    call = replace(call, keys=cast("StudyKeys", with_images_of_runs(data, keys, names)))
    load_torch(data, keys)

    from headstart.evaluation import check_margin
    from headstart.studies import ComparisonConfig, gate_question

    count = seed_count(seeds, has_time_limit=limit is not None)
    config = ComparisonConfig(
        names,
        count.seeds,
        limit,
        recipe_keys(keys),
        when_slow=when_slow,
        margin=check_margin(equivalence / 100),
        until_decided=count.until_decided,
    )
    if keys.get("plan") is not None:
        config.check()
        planned, original = open_with_and_without_plan(data, call.keys)
        call = replace(call, opened=planned)
        config = replace(config, without_plan=original)
    config.check()
    question = None
    if gate:
        question = gate_question(
            config.contender_names(), config.margin, until_decided=config.until_decided
        )
    if folds == "auto" and not config.can_cross_validate:
        folds = None
    call, number_of_folds = open_folds(call, folds)
    result = ComparisonResult(carry_out(replace(config, folds=number_of_folds), call, question))
    if question is not None:
        result.decide_gate(question)
    return result


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
    seeds: int | None = None,
    folds: int | str | None = None,
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
        trials: The number of recipes per search; by default 24, or with a time limit as many as
            fit.
        time_limit: Seconds for everything, or text such as "15m".
        seed: The seed of the search and its runs.
        seeds: The number of seeds, after `seed`, with which the best recipe is retrained; by
            default 3. With folds, each recipe has one final run per fold.
        folds: The number of folds of a nested cross-validation: each fold is tested by the recipe
            of a search on the other images, and one more search on all images gives the classifier.
            That takes one search more than there are folds, which share the time limit. None,
            "none" and "auto" use one split.
        together: The number of recipes proposed at a time, which can run in parallel.
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
    from headstart.models.recipes import make_recipe

    if folds == "auto":
        folds = None  # a search per fold costs too much to be a default
    has_folds = folds not in (None, "none")
    if seeds is None:
        seeds = 1 if has_folds else 3
    limit = seconds_or_none(time_limit)
    options = {
        "model": model,
        "preset": preset,
        "space": space if isinstance(space, str | Path) else None,
        "also": split_words(also) or None,
        "trials": trials,
        "time_limit": time_limit,
        "seed": seed,
        "seeds": None if has_folds else seeds,
        "together": together,
    }
    call = StudyCall(data, keys, options, out, track, workers, ray)
    make_recipe(model, recipe_keys(keys), preset)
    load_torch(data, keys)

    from headstart.studies import (
        TuningConfig,
        TuningStudy,
        check_searches_of_folds,
        read_space,
    )

    config = TuningConfig(
        model,
        read_space(Path(space)) if isinstance(space, str | Path) else space,
        _underscored(also),
        trials,
        limit,
        recipe_keys(keys),
        preset,
        check_seed(seed),
        check_seed(seeds, "seeds"),
        together=together,
        storage=storage,
    )
    if has_folds:
        assert folds is not None
        check_searches_of_folds(folds, config.seeds, storage)
    config.check()
    call, count = open_folds(call, folds)
    return TuningResult(carry_out(TuningStudy(replace(config, folds=count)), call))


def lr(
    data: Data,
    *,
    model: str = "cnn",
    preset: str = "balanced",
    values: Sequence[float] | str | None = None,
    seeds: int = 3,
    folds: int | str | None = None,
    time_limit: str | float | None = None,
    when_slow: WhenSlow = "shorten",
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
        seeds: The number of runs per learning rate. With folds, the number of repeats.
        folds: The number of folds of a cross-validation, as in `effects`. None uses one split.
        time_limit: Seconds for everything, or text such as "15m". A short limit drops seeds first,
            then half decades, and then shortens the runs.
        when_slow: If the machine slows down, "shorten" keeps the limit, "lengthen" the plan.
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
    from headstart.models.recipes import make_recipe

    rates = None if values is None else tuple(learning_rate(word) for word in split_words(values))
    limit = seconds_or_none(time_limit)
    options = {
        "model": model,
        "preset": preset,
        "values": rates,
        "seeds": seeds,
        "time_limit": time_limit,
        "when_slow": when_slow,
    }
    call = StudyCall(data, keys, options, out, track, workers, ray)
    make_recipe(model, recipe_keys(keys), preset)
    load_torch(data, keys)

    from headstart.studies import LearningRatesConfig

    config = LearningRatesConfig(
        model,
        rates,
        check_seed(seeds, "seeds"),
        limit,
        recipe_keys(keys),
        preset,
        when_slow=when_slow,
    )
    config.check()
    call, count = open_folds(call, folds)
    return LearningRatesResult(carry_out(replace(config, folds=count), call))


def labels(
    data: Data,
    *,
    models: Sequence[str] | str = DEFAULT_MODELS,
    per_class: Sequence[int] | str | None = None,
    seeds: int = 3,
    folds: int | str | None = None,
    time_limit: str | float | None = None,
    when_slow: WhenSlow = "shorten",
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
            labelled images. With folds, the number of repeats.
        folds: The number of folds of a cross-validation, as in `effects`. None uses one split.
        time_limit: Seconds for everything, or text such as "15m". A short limit drops seeds first,
            then the largest numbers of labels, and then shortens the runs.
        when_slow: If the machine slows down, "shorten" keeps the limit, "lengthen" the plan.
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
    from headstart.studies import check_models

    names = split_words(models)
    counts = (
        None if per_class is None else tuple(label_count(word) for word in split_words(per_class))
    )
    limit = seconds_or_none(time_limit)
    options = {"models": names, "per_class": counts, "seeds": seeds, "time_limit": time_limit}
    options |= {"when_slow": when_slow}
    call = StudyCall(data, keys, options, out, track, workers, ray)
    check_models(names, recipe_keys(keys))
    load_torch(data, keys)

    from headstart.studies import LabelCurvesConfig

    config = LabelCurvesConfig(
        names,
        counts,
        check_seed(seeds, "seeds"),
        limit,
        recipe_keys(keys),
        when_slow=when_slow,
    )
    config.check()
    call, count = open_folds(call, folds)
    return LabelCurvesResult(carry_out(replace(config, folds=count), call))


def effects(
    data: Data,
    *,
    model: str = "cnn",
    preset: str = "balanced",
    of: Sequence[str] | str | None = None,
    seeds: int = 3,
    folds: int | str | None = None,
    time_limit: str | float | None = None,
    when_slow: WhenSlow = "shorten",
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
            augmentation, label_smoothing, schedule. By default, those of the first eight that the
            model has.
        seeds: The number of runs per recipe. With folds, the number of repeats.
        folds: The number of folds of a cross-validation, in which every image is tested once per
            repeat. "auto" decides as `compare` does. None uses one split.
        time_limit: Seconds for everything, or text such as "15m". A short limit drops seeds first,
            then the later values of each hyper-parameter, and then shortens the runs.
        when_slow: If the machine slows down, "shorten" keeps the limit, "lengthen" the plan.
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
    from headstart.models.recipes import make_recipe

    names = None if of is None else _underscored(of)
    limit = seconds_or_none(time_limit)
    options = {
        "model": model,
        "preset": preset,
        "of": names,
        "seeds": seeds,
        "time_limit": time_limit,
        "when_slow": when_slow,
    }
    call = StudyCall(data, keys, options, out, track, workers, ray)
    make_recipe(model, recipe_keys(keys), preset)
    load_torch(data, keys)

    from headstart.studies import EffectsConfig

    config = EffectsConfig(
        model,
        names,
        check_seed(seeds, "seeds"),
        limit,
        recipe_keys(keys),
        preset,
        when_slow=when_slow,
    )
    config.check()
    call, count = open_folds(call, folds)
    return EffectsResult(carry_out(replace(config, folds=count), call))


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
    names = None if candidates is None else split_words(candidates)
    limit = seconds_or_none(time_limit)
    options = {"candidates": names, "images": images, "time_limit": time_limit}
    call = StudyCall(data, keys, options, out)
    load_torch(data, keys)

    from headstart.studies import BackboneRankingConfig

    config = BackboneRankingConfig(names, images, limit, recipe_keys(keys))
    return BackboneRankingResult(carry_out(config, call))


def _underscored(words: Sequence[str] | str) -> tuple[str, ...]:
    """Return words as keys: "label-smoothing" becomes "label_smoothing"."""
    return tuple(word.replace("-", "_") for word in split_words(words))


def _without_studies(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of contenders, with the best run of a study in place of its folder.

    A folder with the name of a model is written with its path, such as ./cnn.
    """
    from headstart import deploy
    from headstart.studies import has_model_name

    paths = []
    for name in names:
        is_study = not has_model_name(name) and deploy.is_study(name)
        paths.append(str(deploy.resolve_run(name)) if is_study else name)
    return tuple(paths)
