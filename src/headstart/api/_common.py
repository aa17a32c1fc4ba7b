"""What the verbs share: opening data, durations, folders named by their content, and the command line that does the same."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from headstart.data import (
    PART_NAMES,
    Dataset,
    Resize,
    Split,
    SplitDataset,
    load as load_dataset,
    make_split as make_split_of,
)
from headstart.errors import InputError

Data = str | Path | tuple[Any, Any] | tuple[Any, Any, Any] | Dataset
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
LOAD_KEYS = ("image_size", "resize", "pixel_max", "group_by")
SPLIT_KEYS = ("validation", "test", "train_images", "split_seed")


def load(
    data: Data,
    *,
    image_size: int | None = None,
    resize: Resize = "pad",
    pixel_max: float | None = None,
    group_by: str | None = None,
) -> Dataset:
    """Open a dataset: a name, a folder, a CSV, IDX, `.npz`, or arrays. See `headstart.data.load`."""
    if isinstance(data, Dataset):
        return data
    return load_dataset(
        data, image_size=image_size, resize=resize, pixel_max=pixel_max, group_by=group_by
    )


def split(
    dataset: Dataset,
    *,
    validation: float | None = None,
    test: float | None = None,
    train_images: int | None = None,
    split_seed: int = 0,
) -> Split:
    """Which images train, choose and judge. See `headstart.data.make_split`."""
    return make_split_of(
        dataset, validation=validation, test=test, train_images=train_images, seed=split_seed
    )


# How a published experiment saw its images, where the user and the dataset say nothing else: 150x150 pixels, 70/30.
_PUBLISHED_DATA: dict[str, dict[str, Any]] = {
    "cnn-scenes": {"image_size": 150, "validation": 0.3, "test": 0.0}
}


def open_data(data: Data, keys: dict[str, Any], model: str = "") -> SplitDataset:
    """The dataset and its split, from those of `keys` that are about them."""
    given = {key: value for key, value in keys.items() if value is not None}
    usual = _PUBLISHED_DATA.get(model, {})
    dataset = load(
        data, **{key: value for key, value in {**usual, **given}.items() if key in LOAD_KEYS}
    )
    own = {name for part, name in PART_NAMES.items() if (dataset.parts == part).any()}
    usual = {key: value for key, value in usual.items() if key not in own}
    parts = split(
        dataset, **{key: value for key, value in {**usual, **given}.items() if key in SPLIT_KEYS}
    )
    return SplitDataset(dataset, parts)


def seconds(given: str | float) -> float:
    """Seconds of "90", "90s", "5m", "1.5h".

    Raises:
        InputError: not a duration, or not above zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*([smh]?)", str(given).strip())
    if match is None or float(match[1]) == 0:
        raise InputError(
            f"the time limit is '{given}', but wanted is a duration above zero.",
            "Examples: --time-limit 90s, 5m, 1.5h",
        )
    return float(match[1]) * _UNITS[match[2]]


def seconds_or_none(given: str | float | None) -> float | None:
    """Seconds; None where there is no limit."""
    return None if given in (None, "none") else seconds(given or "")


def words_of(given: Sequence[Any] | str) -> tuple[str, ...]:
    """The words of "a, b", or of a sequence."""
    return tuple(
        str(word).strip()
        for word in (given.split(",") if isinstance(given, str) else given)
        if str(word).strip()
    )


def told_to(track: str | None, *, with_files: bool) -> AbstractContextManager[None]:
    """Runs of the block are told to this tracker, if one is named. Whether that can be is known before the block begins.

    Raises:
        InputError: no such tracker, or it is not installed.
    """
    if track is None:
        return nullcontext()
    from headstart.tracking import track_with
    from headstart.training import observing

    return observing(track_with(track, with_files=with_files))


def folder_of(out: str | Path | None) -> Path | None:
    """The folder that `out` names; None where none is named.

    Raises:
        InputError: an empty name.
    """
    if out is not None and not str(out).strip():
        raise InputError(
            "--out is empty, but wanted is a folder.", "Leave it out for a folder under runs/."
        )
    return None if out is None else Path(out)


def whole(given: int) -> int:
    """A seed, or a number of seeds.

    Raises:
        InputError: no whole number, or one that numpy and torch do not take as a seed.
    """
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 2**32:
        raise InputError(
            f"a seed or number of seeds is {given!r}, but wanted is a whole number from 0 to 2**32 - 1.",
            "Example: --seed 0",
        )
    return given


def recipe_keys(keys: dict[str, Any]) -> dict[str, Any]:
    """Those of the recipe and its network, as far as they are given."""
    return {
        key: value
        for key, value in keys.items()
        if key not in (*LOAD_KEYS, *SPLIT_KEYS) and value is not None
    }


def default_folder(data: SplitDataset, what: str, digest: str, end: str) -> Path:
    """Under `runs/`, named by what defines the result: the same command finds its folder again."""
    mark = hashlib.sha256(
        f"{digest} {data.dataset.fingerprint} {data.split.fingerprint}".encode()
    ).hexdigest()[:6]
    words = [re.sub(r"[^\w.-]+", "-", data.dataset.name), what, *([end] if end else []), mark]
    return Path("runs") / "-".join(words)


ONLY_BY_SET = {
    "momentum",
    "warmup",
    "pretrained",
    "input_px",
    "layer_decay",
    "unfreeze",
    "l2_sp",
    "revision",
    "filters",
    "padding",
    "head_dropout",
    "effort",
    "downsample",
}  # keys without an option of their own
_OF_STUDIES = {"model", "preset", "seeds", "time_limit", "epochs", "batch", *LOAD_KEYS, *SPLIT_KEYS}
_OPTIONS = {
    "compare": {*_OF_STUDIES, "models", "track"} - {"model", "preset"},
    "tune": {*_OF_STUDIES, "space", "also", "trials", "seed", "together", "track"},
    "lr": {*_OF_STUDIES, "values", "optimizer", "track"},
    "labels": {*_OF_STUDIES, "models", "per_class", "track"} - {"model", "preset"},
    "effects": {*_OF_STUDIES, "of", "track"},
    "backbones": {
        "candidates",
        "images",
        "time_limit",
        "cut",
        "pool",
        "weights",
        *LOAD_KEYS,
        *SPLIT_KEYS,
    },
}  # of verbs that do not have one for every key of a recipe


def command_of(verb: str, data: Data, keys: dict[str, Any], out: str | Path | None) -> str:
    """The command line that does the same; defaults of the split are left out."""
    source = (
        data.source if isinstance(data, Dataset) else data if isinstance(data, str | Path) else ""
    )
    words = ["headstart", verb, str(source or "DATA")]
    for key, value in keys.items():
        if value is None or (key, value) in (
            ("split_seed", 0),
            ("resize", "pad"),
            ("preset", "balanced"),
        ):
            continue
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        option = key.replace("_", "-")
        if key in ONLY_BY_SET or (verb in _OPTIONS and key not in _OPTIONS[verb]):
            words += ["--set", f"{key}={text}"]
        elif isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", text]
    return shlex.join(words + (["--out", str(out)] if out else []))
