"""The verbs as Python functions: same words, same keys, same results as the command line's `--json`."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.data import PART_NAMES, Dataset, Resize, Split
from headstart.data import load as load_dataset
from headstart.data import make_split as make_split_of
from headstart.errors import InputError

if TYPE_CHECKING:
    from headstart.training import Classifier, Recipe

Data = str | Path | tuple[Any, Any] | Dataset
DEFAULT_MODELS = ("cnn", "efficientnet-lite0")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def load(
    data: Data,
    *,
    image_size: int | None = None,
    resize: Resize = "pad",
    pixel_max: float | None = None,
    group_by: str | None = None,
) -> Dataset:
    """Open a dataset: a name, a folder, a CSV, IDX, `.npz`, or a pair of arrays. See `headstart.data.load`."""
    if isinstance(data, Dataset):
        return data
    return load_dataset(data, image_size=image_size, resize=resize, pixel_max=pixel_max, group_by=group_by)


def split(
    dataset: Dataset,
    *,
    validation: float | None = None,
    test: float | None = None,
    train_images: int | None = None,
    split_seed: int = 0,
) -> Split:
    """Which images train, choose and judge. See `headstart.data.make_split`."""
    return make_split_of(dataset, validation=validation, test=test, train_images=train_images, seed=split_seed)


_LOAD_KEYS = ("image_size", "resize", "pixel_max", "group_by")
_SPLIT_KEYS = ("validation", "test", "train_images", "split_seed")


# How a published experiment saw its images, where the user and the dataset say nothing else: 150x150 pixels, 70/30.
_PUBLISHED_DATA: dict[str, dict[str, Any]] = {"cnn-scenes": {"image_size": 150, "validation": 0.3, "test": 0.0}}


def _open(data: Data, keys: dict[str, Any], model: str = "") -> tuple[Dataset, Split]:
    """The dataset and its split, from those of `keys` that are about them."""
    given = {key: value for key, value in keys.items() if value is not None}
    usual = _PUBLISHED_DATA.get(model, {})
    dataset = load(data, **{key: value for key, value in {**usual, **given}.items() if key in _LOAD_KEYS})
    own = {name for part, name in PART_NAMES.items() if (dataset.parts == part).any()}
    usual = {key: value for key, value in usual.items() if key not in own}
    return dataset, split(dataset, **{key: value for key, value in {**usual, **given}.items() if key in _SPLIT_KEYS})


def train(
    data: Data,
    *,
    model: str = "cnn",
    preset: str = "balanced",
    seed: int = 0,
    epochs: str | float | None = None,
    time_limit: str | float | None = None,
    out: str | Path | None = None,
    **keys: Any,
) -> dict[str, Any]:
    """Train one model.

    A run that was stopped or killed goes on where it was; a finished one answers at once.

    Args:
        data: what `load` takes, or a dataset.
        model: mlp, cnn, cnn-fashion, cnn-fashion-small, cnn-scenes or efficientnet-lite0.
        preset: fast (seconds), balanced, or best (as long as it pays).
        epochs: passes over the training images; "+10" goes on for ten from the end of the finished run that `out` names, or that
            the same call without `epochs` made, in a folder of its own beside it.
        seed: of initial weights, order and augmentation.
        time_limit: seconds, or "90s", "5m", "1h"; the schedule is planned to end in time.
        out: the run folder; by default one under `runs/` whose name follows from data, recipe and seed.
        keys: recipe keys (epochs, lr, batch, …), options of the model, and those of `load` and `split`.

    Returns:
        What `headstart train --json` prints.

    Raises:
        InputError: data, keys or folder cannot be used; RunFailed: training diverged; ResourceError: disk or lock.
    """
    from headstart.training import make_recipe
    from headstart.training import train as train_run

    more = _more_epochs(epochs)
    asked = {"model": model, "preset": preset, "seed": seed, "epochs": epochs, "time_limit": time_limit, **keys}
    values = {
        **_recipe_keys(keys),
        "epochs": None if more else epochs,
        "time_limit": None if time_limit is None else seconds(time_limit),
    }
    recipe = make_recipe(model, values, preset)
    dataset, parts = _open(data, keys, model)
    folder = _folder(out) or _default_folder(dataset, model, recipe.digest, parts.fingerprint, f"seed{_whole(seed)}")
    command = _command("train", data, asked, out)
    if more:
        return _extend(folder, more, recipe, dataset, parts, _whole(seed), command)
    return train_run(recipe, dataset, parts, _whole(seed), folder, command)


def repeat(run: str | Path, data: Data | None = None, *, out: str | Path | None = None) -> dict[str, Any]:
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
    from headstart.data import read_split
    from headstart.training import read_run
    from headstart.training import train as train_run

    old = Path(run)
    about = read_run(old)
    if data is None and not about.source:
        raise InputError(f"{old} was trained on arrays, which it cannot open again.", "Give the data: repeat(run, data).")
    options = {key: value for key, value in about.options.items() if key in _LOAD_KEYS and value is not None}
    dataset = load(about.source if data is None else data, **options)
    folder = _folder(out) or old.with_name(f"{old.name}-repeat")
    command = shlex.join(["headstart", "train", "--repeat", str(run), *(["--out", str(out)] if out else [])])
    found = train_run(about.recipe, dataset, read_split(old, dataset), about.seed, folder, command, repeat=old)
    same = (old / "model.safetensors").exists() and _same_weights(old, folder)
    return {**found, "repeats": {"run": str(old), "identical": same}}


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
        raise InputError(f"--epochs is '{epochs}', but wanted is how many to add.", "Example: --epochs +10")
    return more


def _extend(run: Path, more: float, recipe: Recipe, dataset: Dataset, parts: Split, seed: int, command: str) -> dict[str, Any]:
    """Go on from a finished run, in a folder of its own."""
    from headstart.training import read_metrics, read_run
    from headstart.training import train as train_run

    if not (run / "metrics.json").exists():
        raise InputError(
            f"{run} holds no finished run to go on from.",
            "Run the same command without --epochs first, or name a run with --out.",
        )
    about = read_run(run)
    changed = [key for key in recipe.changes_from(about.recipe) if key not in ("epochs", "time_limit", "effort")]
    if changed or about.seed != seed:
        raise InputError(
            f"{run} was trained with another {changed[0] if changed else 'seed'}, so this would be no extension of it.",
            "Give the same options as for that run, and --epochs +N.",
        )
    longer = about.recipe.model_copy(update={"epochs": read_metrics(run)["epochs"] + more, "time_limit": recipe.time_limit})
    return train_run(longer, dataset, parts, seed, run.with_name(f"{run.name}-plus{more:g}"), command, after=run)


def network(data: Data, *, model: str = "cnn", preset: str = "balanced", **keys: Any) -> list[dict[str, Any]]:
    """The layers that `train` would train: name, kind, output shape, parameters, multiply-adds."""
    from headstart.training import make_recipe, network_layers

    recipe = make_recipe(model, _recipe_keys(keys), preset)
    dataset, parts = _open(data, keys, model)
    return network_layers(recipe, dataset, parts)


def compare(
    data: Data,
    *,
    models: tuple[str, ...] | list[str] | str = DEFAULT_MODELS,
    seeds: int = 3,
    time_limit: str | float | None = "5m",
    out: str | Path | None = None,
    **keys: Any,
) -> dict[str, Any]:
    """Compare models on the same splits, seeds and seconds, and write a report.

    Args:
        data: what `load` takes, or a dataset.
        models: the contenders; a backbone brings its control, the same network from random weights.
        seeds: how many runs each contender gets: seeds 0, 1, ….
        time_limit: for everything, the report included; None lets every recipe run its own epochs.
        out: the study folder; by default one under `runs/`.
        keys: recipe keys for all contenders, and those of `load` and `split`.

    Returns:
        What `headstart compare --json` prints: contenders, floors, verdict, report.

    Raises:
        InputError, ResourceError: as `train`; RunFailed: no contender finished.
    """
    from headstart.report import write_report
    from headstart.studies import Comparison
    from headstart.studies import compare as run_study

    started = time.perf_counter()
    names = tuple(name.strip() for name in (models.split(",") if isinstance(models, str) else models) if name.strip())
    asked_with = {"models": ",".join(names), "seeds": seeds, "time_limit": time_limit or "none", **keys}
    command = _command("compare", data, asked_with, out)
    values = _recipe_keys(keys)
    asked = Comparison(
        names,
        tuple(range(_whole(seeds))),
        None if time_limit in (None, "none") else seconds(time_limit),
        values,
    )
    asked.check()
    dataset, parts = _open(data, keys)
    digest = hashlib.sha256(json.dumps(asked.as_json(), sort_keys=True).encode()).hexdigest()
    folder = _folder(out) or _default_folder(dataset, "compare", digest, parts.fingerprint, "")
    finding = run_study(asked, dataset, parts, folder, command=command, started=started)
    if not (folder / "report.html").exists():
        write_report(folder)
    return finding


def report(study: str | Path) -> Path:
    """Draw the page of a finished study or run again; returns its path.

    Raises:
        InputError: nothing finished is there.
    """
    from headstart.report import write_report, write_run_report

    folder = Path(study)
    if (folder / "finding.json").exists():
        return write_report(folder)
    if (folder / "metrics.json").exists():
        return write_run_report(folder)
    raise InputError(f"{folder} holds no finished study or run.", "`headstart runs` lists them.")


def runs(folder: str | Path = "runs") -> list[dict[str, Any]]:
    """Every run below a folder, finished or not."""
    from headstart.training import list_runs

    return list_runs(Path(folder))


def load_classifier(run: str | Path) -> Classifier:
    """The classifier of a finished run: `.probabilities(images)` takes uint8 `(N, H, W, C)`."""
    from headstart.training import load_classifier as load_from

    return load_from(Path(run))


def seconds(given: str | float) -> float:
    """Seconds of "90", "90s", "5m", "1.5h".

    Raises:
        InputError: not a duration, or not above zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)\s*([smh]?)", str(given).strip())
    if match is None or float(match[1]) == 0:
        raise InputError(
            f"the time limit is '{given}', but wanted is a duration above zero.", "Examples: --time-limit 90s, 5m, 1.5h"
        )
    return float(match[1]) * _UNITS[match[2]]


def _folder(out: str | Path | None) -> Path | None:
    if out is not None and not str(out).strip():
        raise InputError("--out is empty, but wanted is a folder.", "Leave it out for a folder under runs/.")
    return None if out is None else Path(out)


def _whole(given: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given < 2**32:
        raise InputError(
            f"a seed or number of seeds is {given!r}, but wanted is a whole number from 0 to 2**32 - 1.", "Example: --seed 0"
        )
    return given


def _recipe_keys(keys: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if key not in (*_LOAD_KEYS, *_SPLIT_KEYS) and value is not None}


def _default_folder(dataset: Dataset, what: str, digest: str, split_fingerprint: str, end: str) -> Path:
    """Under `runs/`, named by what defines the result: the same command finds its folder again."""
    mark = hashlib.sha256(f"{digest} {dataset.fingerprint} {split_fingerprint}".encode()).hexdigest()[:6]
    words = [re.sub(r"[^\w.-]+", "-", dataset.name), what, *([end] if end else []), mark]
    return Path("runs") / "-".join(words)


_ONLY_BY_SET = {
    "momentum",
    "warmup",
    "pretrained",
    "input_px",
    "filters",
    "padding",
    "head_dropout",
    "effort",
    "downsample",
}  # keys without an option of their own
_OPTIONS_OF_COMPARE = {"models", "seeds", "time_limit", "epochs", "batch", *_LOAD_KEYS, *_SPLIT_KEYS}


def _command(verb: str, data: Data, keys: dict[str, Any], out: str | Path | None) -> str:
    """The command line that does the same; defaults of the split are left out."""
    source = data.source if isinstance(data, Dataset) else data if isinstance(data, str | Path) else ""
    words = ["headstart", verb, str(source or "DATA")]
    for key, value in keys.items():
        if value is None or (key, value) in (("split_seed", 0), ("resize", "pad"), ("preset", "balanced")):
            continue
        text = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        option = key.replace("_", "-")
        if key in _ONLY_BY_SET or (verb == "compare" and key not in _OPTIONS_OF_COMPARE):
            words += ["--set", f"{key}={text}"]
        elif isinstance(value, bool):
            words.append(f"--{option}" if value else f"--no-{option}")
        else:
            words += [f"--{option}", text]
    return shlex.join(words + (["--out", str(out)] if out else []))


def datasets() -> list[dict[str, Any]]:
    """The named datasets: size, shape, and where each would come from."""
    from headstart.data import catalogue, edition, is_cached, where_from

    found = []
    for entry in catalogue():
        shown = edition(entry.name)
        found.append(
            {
                "name": entry.name,
                "title": entry.title,
                "train": shown.train_count,
                "test": shown.test_count,
                "images": shown.count,
                "classes": len(shown.class_names),
                "image_shape": list(shown.image_shape),
                "cached": is_cached(entry.name),
                "from": where_from(entry.name),
                "licence": entry.licence,
            }
        )
    return found


def get_dataset(name: str) -> dict[str, Any]:
    """Fetch a named dataset into the cache and say what it is.

    Raises:
        InputError: no such name; ResourceError: no source has it.
    """
    from headstart.data import fetch_named, where_from

    dataset = fetch_named(name)
    return {
        "name": dataset.name,
        "images": len(dataset),
        "classes": len(dataset.class_names),
        "class_names": list(dataset.class_names),
        "image_shape": list(dataset.image_shape),
        "fingerprint": dataset.fingerprint,
        "from": where_from(name),
    }
