"""The function `fit`: the best classifier within a time limit."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from headstart.api._arguments import check_seed, recipe_keys, seconds, tracking
from headstart.api._data import Data, load_torch
from headstart.api._keys import StudyKeys
from headstart.api._results import FitResult
from headstart.api._study_calls import StudyCall, carry_out


def fit(
    data: Data,
    *,
    time_limit: str | float = "10m",
    single: bool = False,
    seed: int = 0,
    max_ms: float | None = None,
    track: str | None = None,
    out: str | Path | None = None,
    **keys: Unpack[StudyKeys],
) -> FitResult:
    """Find the best classifier within a time limit, evaluate it once, and write a report.

    Frozen backbones with a linear head, a network trained from scratch and fine-tuning are tried,
    the cheapest first. Validation images select what is trained longer and what is chosen. With few
    images, cross-validation on training and validation images selects instead. If there is time,
    the chosen recipe is trained once more on both, which `last_fit` reports. An interrupted call
    keeps the best classifier so far, and continues when it is called again. A longer `time_limit`
    with the same `out` continues a finished fit, and evaluates it on the test images again.

    Photographs get 256 pixels, and whether they are padded, cropped or squished is chosen by
    measuring, unless `image_size` and `resize` are given or there are too many for the time.

    Args:
        data: A dataset, or anything that `load` opens.
        time_limit: Seconds for everything, or text such as "10m".
        single: Whether to choose a single network. Otherwise it may be an average of several.
        seed: Seed of the runs.
        max_ms: The longest time per image on this machine, in milliseconds.
        track: A tracker: tensorboard, mlflow or wandb.
        out: The study folder; by default one under `runs/`.
        keys: Recipe values for all networks that have them, and arguments of `load` and `split`.
            `metric` is used for the selection on validation images: "accuracy" (the default),
            "macro-f1", "balanced-accuracy", "log-loss", or `FILE.py:function`.

    Returns:
        The finding. Its keys are those that `headstart fit --json` prints. The folder of the
        classifier is `run`.

    Raises:
        InputError: The data, the keys or the folder cannot be used.
        ResourceError: Memory, disk space or a lock is missing.
        RunFailed: No network could be trained.
    """
    limit, values = seconds(time_limit), recipe_keys(keys)
    options = {
        "time_limit": time_limit,
        "single": single or None,
        "seed": seed or None,
        "max_ms": max_ms,
    }
    call = StudyCall(data, keys, options, out, track)
    load_torch(data, keys)

    from headstart.api._fit_images import with_chosen_images
    from headstart.studies import FitConfig, FitStudy

    metric = values.pop("metric", "accuracy")
    config = FitConfig(limit, metric, single, check_seed(seed), max_ms, values)
    config.check()
    tracking(track, with_files=False)  # an unknown tracker is an error before data are read
    call, images = with_chosen_images(call, limit)
    return FitResult(carry_out(FitStudy(config, images), call))
