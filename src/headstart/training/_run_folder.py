"""The files of a run folder: written at the end, `metrics.json` last, so that its presence means the run is finished."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart import progress, store
from headstart.data import Dataset, SplitDataset, describe, take, write_split
from headstart.errors import InputError
from headstart.evaluation import choose_gallery
from headstart.models.recipes import Recipe, read_recipe, with_net

if TYPE_CHECKING:
    from headstart.classifier import Classifier
    from headstart.training._plan import Plan

CURVE_COLUMNS = (
    "epoch",
    "seconds",
    "learning_rate",
    "train_loss",
    "train_accuracy",
    "validation_loss",
    "validation_accuracy",
)
_LEAST_PROBABILITY = 1e-7  # six digits are written: what is below reads as 0
_DECIDES_BITS = ("torch", "threads", "device", "bfloat16", "cpu")
_VERSIONS_OF = ("headstart", "torch", "timm", "numpy", "scikit-learn", "scipy", "pillow")


def identity(
    recipe: Recipe, data: SplitDataset, seed: int, after: Path | None = None
) -> dict[str, Any]:
    """What makes a run this run: recipe x dataset x split x seed; and the weights of the run it goes on from, if any."""
    origin = (
        {}
        if after is None
        else {"after": hashlib.sha256((after / "model.safetensors").read_bytes()).hexdigest()}
    )
    return {
        **origin,
        "recipe": recipe.model_dump(mode="json"),
        "digest": recipe.digest,
        "seed": seed,
        "dataset": data.dataset.fingerprint,
        "split": data.split.fingerprint,
    }


def finished(folder: Path, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """The metrics of the run in `folder` if it is finished and is the one `wanted`; None if nothing finished is there.

    Raises:
        InputError: another finished run is there, or things that are no run; neither is ever overwritten.
    """
    if not (folder / "recipe.json").exists():
        strangers = (
            [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
            if folder.is_dir()
            else []
        )
        if strangers:
            listed = ", ".join(sorted(strangers)[:3])
            raise InputError(
                f"{folder} is not empty and holds no run: {listed}.", "Choose another --out."
            )
        return None
    is_finished = (folder / "metrics.json").exists()
    if not is_finished and not (folder / "checkpoint").exists():
        return None  # it never came to anything: there is nothing to lose
    found = store.read_json(folder / "recipe.json")
    for key, what in (
        ("recipe", "recipe"),
        ("seed", "seed"),
        ("dataset", "dataset"),
        ("split", "split"),
        ("after", "origin"),
    ):
        if found.get(key) != wanted.get(key):
            raise InputError(
                f"{folder} holds {'a' if is_finished else 'an unfinished'} run with another {what}"
                f"{_difference(found.get(key), wanted.get(key))}.",
                "Choose another --out, or remove that folder.",
            )
    return read_metrics(folder) if is_finished else None


def _difference(found: object, wanted: object) -> str:
    if not isinstance(found, dict) or not isinstance(wanted, dict):
        return f" ({found} there, {wanted} asked)" if isinstance(wanted, int) else ""
    found, wanted = ({**recipe, **recipe.get("net", {}), "net": None} for recipe in (found, wanted))
    keys = [key for key in wanted if found.get(key) != wanted[key]]
    return (
        f" ({', '.join(f'{key}: {found.get(key)} there, {wanted[key]} asked' for key in keys[:3])})"
    )


def begin(folder: Path, asked: dict[str, Any], data: SplitDataset) -> list[str]:
    """Write what the run is before it starts, so that a folder is never a riddle.

    Returns:
        Sentences about what is not as it was when this run began before: then its weights may differ in the last bits.
    """
    store.clear_debris(folder)
    now, before = environment(), store.read_json_or(folder / "environment.json", {})
    store.write_json(folder / "recipe.json", asked)
    store.write_json(folder / "data.json", describe(data))
    write_split(data, folder)
    store.write_json(folder / "environment.json", now)
    changed = [
        f"{key} {before[key]} before, {now[key]} now"
        for key in _DECIDES_BITS
        if before.get(key, now[key]) != now[key]
    ]
    found = (
        [
            f"resumed under another setting ({'; '.join(changed)}): not bit for bit what one go would give."
        ]
        if changed
        else []
    )
    for text in found:
        progress.say(f"WARNING: {text}")
    return found


def write_plan(folder: Path, asked: dict[str, Any], plan: Plan, classifier: Classifier) -> None:
    """`plan.json`: the steps of the run and everything that was left open before; a resumed run and `--repeat` follow it."""
    recipe = plan.recipe
    side_px = getattr(getattr(classifier.front, "backbone", None), "input_px", None)
    if side_px is not None:
        recipe = with_net(recipe, input_px=side_px)
    store.write_json(
        folder / "plan.json",
        {"run": _mark(asked), **plan.as_json(), "recipe": recipe.model_dump(mode="json")},
    )


def read_plan(folder: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """What `write_plan` wrote, its recipe as one; None if nothing is there, or another run's."""
    found = store.read_json_or(folder / "plan.json", None)
    if not isinstance(found, dict) or found.get("run") != _mark(asked):
        return None
    return {**found, "recipe": read_recipe(found["recipe"])}


def _mark(asked: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def environment() -> dict[str, Any]:
    """Versions and machine, for the record."""
    import torch

    from headstart.classifier import best_device, self_test

    versions = {}
    for package in _VERSIONS_OF:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "python": platform.python_version(),
        **versions,
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "threads": torch.get_num_threads(),
        "device": str(best_device()),
        "bfloat16": self_test().is_good,
        "bfloat16_because": self_test().why,
        "executable": Path(sys.executable).name,
    }


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or "unknown"


def write_curves(folder: Path, rows: list[dict[str, float | None]]) -> None:
    """`curves.csv`: one row an epoch; empty where there was no validation."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CURVE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: "" if value is None else f"{value:.6g}" for key, value in row.items()} for row in rows
    )
    store.write_text(folder / "curves.csv", out.getvalue())


def write_predictions(
    folder: Path, dataset: Dataset, parts: dict[str, tuple[NDArray[np.int64], NDArray[np.float32]]]
) -> None:
    """`predictions.csv`: one row an image of validation and test, with the probability of every class.

    Args:
        parts: by name, the dataset indices and their probabilities `(n, K)`.
    """
    names = dataset.class_names
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["index", "image", "part", "label", "predicted", "correct", *names])
    for part, (rows, probabilities) in parts.items():
        best = probabilities.argmax(1)
        for row, label, guess, values in zip(
            rows.tolist(),
            dataset.labels[rows].tolist(),
            best.tolist(),
            probabilities.tolist(),
            strict=True,
        ):
            writer.writerow(
                [
                    row,
                    dataset.image_names[row],
                    part,
                    names[label],
                    names[guess],
                    int(label == guess),
                    *(f"{value:.6g}" for value in values),
                ]
            )
    store.write_text(folder / "predictions.csv", out.getvalue())


def write_gallery(
    folder: Path,
    dataset: Dataset,
    rows: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    seed: int,
) -> None:
    """`gallery.npz`: nine right and nine wrong images of the test (or validation) part, drawn at random."""
    right, wrong = choose_gallery(dataset.labels[rows], probabilities, seed)
    indices = rows[np.concatenate([right, wrong])]
    out = io.BytesIO()
    np.savez(out, right=rows[right], wrong=rows[wrong], images=take(dataset.images, indices))
    store.write_bytes(folder / "gallery.npz", out.getvalue())


@dataclass(frozen=True)
class RunFacts:
    """What a run folder says of its run.

    Attributes:
        source, options: where its images came from, and the options under which they were opened; source is "" for arrays.
    """

    recipe: Recipe
    seed: int
    source: str
    options: dict[str, Any]


def read_run(folder: Path) -> RunFacts:
    """What the run in `folder` was asked to be, finished or not.

    Raises:
        InputError: no run there, or its files are damaged.
    """
    asked, data = store.read_json(folder / "recipe.json"), store.read_json(folder / "data.json")
    try:
        return RunFacts(
            read_recipe(asked["recipe"]), asked["seed"], data["source"] or "", data["options"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _unusable(folder / "recipe.json", error) from error


def read_recipe_file(path: Path) -> Recipe:
    """The recipe in a file such as a run's `recipe.json`, whatever it is called and wherever it lies.

    Raises:
        InputError: no such file, or no recipe in it.
    """
    try:
        return read_recipe(store.read_json(path)["recipe"])
    except (KeyError, TypeError, ValueError) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> InputError:
    lacks = f"it has no {error}" if isinstance(error, KeyError) else str(error).splitlines()[0]
    return InputError(
        f"{path} cannot be used as a recipe: {lacks}.",
        "It may be damaged, of another version of Headstart, or hold something else.",
    )


def read_metrics(folder: Path) -> dict[str, Any]:
    """`metrics.json` of a finished run.

    Raises:
        InputError: there is none.
    """
    metrics: dict[str, Any] = store.read_json(folder / "metrics.json")
    return metrics


def read_correct(folder: Path, part: str) -> NDArray[np.bool_]:
    """For each image of a part ("validation" or "test"), in the order of the split, whether the run got it right."""
    return np.array([row["correct"] == "1" for row in _predictions(folder, part)], bool)


def read_losses(folder: Path, part: str) -> NDArray[np.float64]:
    """For each image of a part, in the order of the split, the cross-entropy of the run's prediction: -log p(true class)."""
    likely = np.array([float(row[f"={row['label']}"]) for row in _predictions(folder, part)])
    losses: NDArray[np.float64] = -np.log(np.maximum(likely, _LEAST_PROBABILITY))
    return losses


def _predictions(folder: Path, part: str) -> Iterator[dict[str, str]]:
    """The rows of `predictions.csv` about a part; probabilities under "=" and their class, which no other column begins with."""
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        header = next(reader)
        first = header.index("correct") + 1
        names = [*header[:first], *(f"={name}" for name in header[first:])]
        yield from (
            found for row in reader if (found := dict(zip(names, row, strict=True)))["part"] == part
        )


def read_curves(folder: Path) -> dict[str, NDArray[np.float64]]:
    """`curves.csv` by column, one value an epoch; NaN where nothing was measured."""
    with (folder / "curves.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in CURVE_COLUMNS}


def slim(folder: Path) -> None:
    """Remove from a finished run what only its use needs: weights, state, pictures. Scores, curves and recipe stay.

    A search leaves hundreds of runs behind, of which one is used.
    """
    for name in ("model.safetensors", "classifier.json", "gallery.npz", "predictions.csv"):
        store.remove_file(folder / name)
    for path in ("checkpoint", "state"):
        if (folder / path).exists():
            store.remove_folder(folder / path)


def run_summary(folder: Path, metrics: dict[str, Any], *, reused: bool) -> dict[str, Any]:
    """The JSON that scripts rely on: metrics without tables."""

    def short(part: dict[str, Any] | None) -> dict[str, Any] | None:
        return (
            None
            if part is None
            else {key: part[key] for key in ("accuracy", "interval", "n", "loss", "macro_f1")}
        )

    kept = (
        "model",
        "seed",
        "epochs",
        "parameters",
        "trainable_parameters",
        "multiply_adds",
        "seconds",
        "predict_ms_per_image",
        "stopped",
    )
    return {
        "run": str(folder),
        **{key: metrics[key] for key in kept},
        "resumed": metrics.get("resumed", False),
        "reused": reused,
        "validation": short(metrics["validation"]),
        "test": short(metrics["test"]),
        "warnings": [
            *metrics["warnings"],
            *store.read_json_or(folder / "data.json", {}).get("warnings", []),
        ],
    }


def list_runs(folder: Path) -> list[dict[str, Any]]:
    """Every run below `folder`, finished or not, by path: `run`, `state`, and the summary of finished ones.

    Raises:
        InputError: no such folder.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is no folder.",
            "Runs are made by `headstart train` and `headstart compare`, under runs/ or --out.",
        )
    found: list[dict[str, Any]] = []
    for path in sorted(folder.rglob("recipe.json")):
        run, asked = path.parent, store.read_json_or(path, {})
        if not isinstance(asked, dict) or not {"digest", "recipe", "seed"} <= set(asked):
            continue  # somebody else's recipe
        data = store.read_json_or(run / "data.json", {}).get("name")
        metrics = store.read_json_or(run / "metrics.json", None)
        if metrics is None:
            about = {
                "state": "unfinished",
                "run": str(run),
                "model": asked["recipe"]["model"],
                "seed": asked["seed"],
            }
        else:
            about = {"state": "finished", **run_summary(run, metrics, reused=True)}
        found.append({**about, "data": data})
    return found
