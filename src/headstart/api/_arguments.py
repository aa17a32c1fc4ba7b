"""Check and convert the arguments that several verbs share."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart import store
from headstart.api._keys import SPLIT_KEYS
from headstart.data import LOAD_KEYS, Dataset, SplitDataset
from headstart.errors import InputError

_SECONDS_PER_UNIT = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
# Files and folders that many projects have. The next folder above tells projects apart.
_COMMON_NAMES = frozenset(
    {
        *("data", "dataset", "image", "images", "img", "imgs", "input", "labels", "metadata"),
        *("train", "train_labels", "training", "trainlabels"),
    }
)
_LONGEST_FOLDER_NAME = 40  # characters, so that the names of run folders stay readable


def seconds(duration: str | float) -> float:
    """Return the seconds of a duration such as "90", "90s", "5m" or "1.5h".

    Args:
        duration: A positive number of seconds, or text with the unit s, m or h.

    Raises:
        InputError: The text is not a duration, or is zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*([smh]?)", str(duration).strip())
    if match is None or float(match[1]) == 0:
        raise InputError(
            f"invalid time limit: expected a positive duration, got '{duration}'.",
            "Write it as --time-limit 90s, 5m or 1.5h.",
        )
    return float(match[1]) * _SECONDS_PER_UNIT[match[2]]


def seconds_or_none(duration: str | float | None) -> float | None:
    """Return the seconds of a duration; None for "none" or None, which mean no limit.

    Raises:
        InputError: The text is not a duration, or is zero.
    """
    return None if duration is None or duration == "none" else seconds(duration)


def split_words(words: Sequence[Any] | str) -> tuple[str, ...]:
    """Return the words of a text such as "a, b", or of a sequence, without empty ones."""
    parts = words.split(",") if isinstance(words, str) else words
    stripped = [str(part).strip() for part in parts]
    return tuple(part for part in stripped if part)


def check_seed(value: int, option: str = "seed") -> int:
    """Return a seed, or a number of seeds, that numpy and torch accept.

    Args:
        value: The value.
        option: Name of the option that it was given for: "seed" or "seeds".

    Raises:
        InputError: The value is not an integer from 0 to 2**32 - 1.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**32:
        raise InputError(
            f"invalid --{option}: expected an integer from 0 to 2**32 - 1, got {value!r}.",
            f"Write it as --{option} {3 if option == 'seeds' else 0}.",
        )
    return value


@dataclass(frozen=True)
class SeedCount:
    """The seeds of a comparison.

    Attributes:
        seeds: The seeds: 0, 1 and so on.
        until_decided: Whether only as many are trained as the comparison needs.
    """

    seeds: tuple[int, ...]
    until_decided: bool


def seed_count(value: int | str, *, has_time_limit: bool) -> SeedCount:
    """Return the seeds of a comparison.

    Args:
        value: A number of seeds, "auto" for up to 5 with a time limit and 8 without one, or
            "auto:12" for up to 12.
        has_time_limit: Whether the seeds share a time limit. The time of a run is planned for the
            most seeds.

    Raises:
        InputError: The value is none of these, or fewer than 3 seeds are to decide a comparison.
    """
    from headstart.evaluation import FIRST_LOOK, MOST_SEEDS, MOST_SEEDS_IN_TIME

    word, _, most = str(value).partition(":")
    is_auto = word == "auto"
    if is_auto:
        most = most or str(MOST_SEEDS_IN_TIME if has_time_limit else MOST_SEEDS)
    elif isinstance(value, str):
        most = value
    else:
        return SeedCount(tuple(range(check_seed(value, "seeds"))), until_decided=False)

    count = int(most) if most.isascii() and most.isdigit() else -1
    if count < (FIRST_LOOK if is_auto else 0):
        raise InputError(
            f"invalid --seeds: expected a number, auto, or auto:N with N from {FIRST_LOOK}, "
            f"got '{value}'.",
            "Example: --seeds 3, or --seeds auto",
        )
    return SeedCount(tuple(range(check_seed(count, "seeds"))), is_auto)


def tracking(track: str | None, *, with_files: bool) -> AbstractContextManager[None]:
    """Return a context in which runs are logged to a tracker, if one is named.

    Args:
        track: tensorboard, mlflow, wandb, or None.
        with_files: Whether the tracker receives figures and files as well.

    Raises:
        InputError: The tracker is unknown or not installed. It is raised before the context begins.
    """
    if track is None:
        return nullcontext()
    from headstart.tracking import track_with
    from headstart.training import observing

    return observing(track_with(track, with_files=with_files))


def output_folder(out: str | Path | None) -> Path | None:
    """Return the folder that `out` names; None where it names none.

    Raises:
        InputError: The name is empty, or not UTF-8.
    """
    if out is None:
        return None
    if not str(out).strip():
        raise InputError(
            "invalid --out: expected a folder, got an empty name.",
            "Leave it out for a folder under runs/.",
        )
    store.encode_text(str(out))
    return Path(out)


def default_folder(data: SplitDataset, title: str, digest: str, end: str = "") -> Path:
    """Return a folder under `runs/` that follows from what defines the result.

    The same command finds its folder again, also one that was made when names of data such as
    "train" stood without the folder that they are in.

    Args:
        data: The dataset and its split.
        title: Model or study.
        digest: Digest of the recipe or of the study's question.
        end: Last word of the name before the digest, such as "seed0".
    """
    defining = f"{digest} {data.dataset.fingerprint} {data.split.fingerprint}"
    if data.groups_digest:
        # Where the data have parts of their own, groups change intervals, but not the split.
        defining += f" {data.groups_digest}"
    short_digest = hashlib.sha256(defining.encode()).hexdigest()[:6]
    rest = "-".join(word for word in (title, end, short_digest) if word)
    folder = _runs_folder(_telling_name(data.dataset), rest)
    earlier = _runs_folder(data.dataset.name, rest)
    return earlier if earlier.exists() and not folder.exists() else folder


def _runs_folder(dataset_name: str, rest: str) -> Path:
    name = re.sub(r"[^\w.-]+", "-", dataset_name)
    return Path("runs") / f"{name}-{rest}"


def _telling_name(dataset: Dataset) -> str:
    """Return the name of a dataset, with the folder that it is in if its name tells little.

    The runs of `titanic/train.csv` and of `digits/train.csv` are not both called "train".
    """
    source = Path(dataset.source)
    if dataset.name.lower() not in _COMMON_NAMES or not source.is_absolute():
        return dataset.name
    for folder in source.parents:
        if folder.name and folder.name.lower() not in _COMMON_NAMES:
            return f"{folder.name[:_LONGEST_FOLDER_NAME]}-{dataset.name}"
    return dataset.name


def recipe_keys(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of recipe and network that have a value."""
    others = {*LOAD_KEYS, *SPLIT_KEYS}
    return {key: value for key, value in keys.items() if key not in others and value is not None}


def learning_rate(word: str) -> float:
    """Return a learning rate.

    Raises:
        InputError: The word is not a number above 0.
    """
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


def label_count(word: str) -> int:
    """Return a number of labels.

    Raises:
        InputError: The word is not an integer from 1.
    """
    if not (word.isascii() and word.isdigit() and int(word) > 0):
        raise InputError(
            f"invalid --per-class: expected integers from 1, got '{word}'.",
            "Example: --per-class 10,100,1000",
        )
    return int(word)
