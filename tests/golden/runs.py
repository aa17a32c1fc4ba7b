"""Short runs whose results are recorded, so that a refactoring can prove that it changed no number.

`python -m tests.golden.runs --check` compares all of them. Without `--check` it records them again,
which is for changes that are meant to change numbers.
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

RECORD = Path(__file__).parent / "results.json"
# Kinds of arithmetic by which libraries choose their kernels. An AMD EPYC with avx_vnni and
# avx512_vp2intersect gave other last bits, with the recording commit too, than the EPYC that made
# the record. That one, it is assumed, had neither.
UNITS = ("amx_", "avx512_bf16", "avx512_vp2intersect", "avx512f", "avx_vnni")
VERSIONS_OF = ("numpy", "optuna", "pillow", "scikit-learn", "scipy", "timm", "torch")

# The precision is named, because another machine may choose another one.
# `--set input_px=64` keeps backbones quick.
_FLOAT32 = ("--precision", "float32")
_BFLOAT16 = ("--precision", "bfloat16")
_BACKBONE = ("--model", "efficientnet-lite0", "--set", "input_px=64", "--train-images", "120")
RUNS: dict[str, tuple[str, ...]] = {
    "cnn-float32": ("digits", "--model", "cnn", "--epochs", "2", *_FLOAT32),
    "cnn-bfloat16": ("digits", "--model", "cnn", "--epochs", "2", *_BFLOAT16),
    "cnn-augmented": (
        *(
            "digits",
            "--model",
            "cnn",
            "--epochs",
            "1",
            "--train-images",
            "300",
            "--shift",
            "0.1",
            "--rotation",
            "10",
        ),
        *("--zoom", "0.1", "--cutout", "0.2", "--flip", "--seed", "3", *_FLOAT32),
    ),
    "cnn-fashion-small": (
        "digits",
        "--model",
        "cnn-fashion-small",
        "--epochs",
        "1",
        "--image-size",
        "28",
        *_FLOAT32,
    ),
    "mlp": ("digits", "--model", "mlp", "--epochs", "3", "--dropout", "0.2", *_FLOAT32),
    "mlp-adam": (
        "digits",
        "--model",
        "mlp",
        "--epochs",
        "2",
        "--optimizer",
        "adam",
        "--l2",
        "0.01",
        *_FLOAT32,
    ),
    "frozen": ("digits", *_BACKBONE, *_FLOAT32),
    "frozen-bfloat16": ("digits", *_BACKBONE, *_BFLOAT16),
    "frozen-steps": ("digits", *_BACKBONE, "--optimizer", "adam", "--epochs", "3", *_FLOAT32),
    "fine-tuned": ("digits", *_BACKBONE, "--transfer", "finetune", "--epochs", "1", *_FLOAT32),
}
STUDIES: dict[str, tuple[str, ...]] = {
    "compare": (
        "compare",
        "digits",
        "--models",
        "mlp,cnn",
        "--seeds",
        "2",
        "--epochs",
        "2",
        "--set",
        "precision=float32",
    ),
    "lr": (
        *(
            "lr",
            "digits",
            "--model",
            "mlp",
            "--values",
            "1e-1,1e-2,1e-3",
            "--seeds",
            "2",
            "--epochs",
            "2",
        ),
        *("--set", "precision=float32"),
    ),
    "tune": (
        "tune",
        "digits",
        "--model",
        "mlp",
        "--trials",
        "4",
        "--train-images",
        "300",
        "--set",
        "precision=float32",
    ),
    "labels": (
        *(
            "labels",
            "digits",
            "--models",
            "mlp,cnn",
            "--per-class",
            "5,20",
            "--seeds",
            "2",
            "--epochs",
            "2",
        ),
        *("--set", "precision=float32"),
    ),
    "effects": (
        *(
            "effects",
            "digits",
            "--model",
            "mlp",
            "--of",
            "dropout",
            "--seeds",
            "2",
            "--epochs",
            "2",
            "--train-images",
            "300",
        ),
        *("--set", "precision=float32"),
    ),
}


def machine() -> dict[str, str]:
    """Return what decides the last bits of a result: processor, threads and package versions."""
    return {
        "processor": _processor(),
        "threads": "1",
        "python": platform.python_version(),
        **{package: version(package) for package in VERSIONS_OF},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")),
        "unknown",
    )
    flags = next((line.split(":", 1)[1].split() for line in lines if line.startswith("flags")), [])
    units = sorted(flag for flag in flags if flag.startswith(UNITS))
    return " ".join([model, *units])


def run(name: str, folder: Path) -> dict[str, Any]:
    """Train one golden run below `folder` and return its results."""
    _headstart("train", *RUNS[name], "--out", str(folder / name))
    return run_results(folder / name)


def study(name: str, folder: Path) -> dict[str, Any]:
    """Carry out one golden study below `folder` and return its results."""
    _headstart(*STUDIES[name], "--out", str(folder / name))
    runs = sorted(path.parent for path in (folder / name).rglob("metrics.json"))
    return {
        "runs": {run.name: run_results(run) for run in runs},
        "finding": _finding(name, folder / name),
    }


def run_results(folder: Path) -> dict[str, Any]:
    """Return the digests, the loss of each epoch and the scores of a finished run."""
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    with (folder / "curves.csv").open(encoding="utf-8", newline="") as file:
        epochs = list(csv.DictReader(file))
    weights, predictions = folder / "model.safetensors", folder / "predictions.csv"
    return {
        "weights": _digest(weights) if weights.exists() else None,
        "predictions": _digest(predictions) if predictions.exists() else None,
        "train_loss": [float(row["train_loss"]) for row in epochs],
        "validation_loss": [
            float(row["validation_loss"]) for row in epochs if row["validation_loss"]
        ],
        "steps": metrics["steps"],
        "parameters": metrics["parameters"],
        "scores": {
            part: None
            if metrics[part] is None
            else {key: metrics[part][key] for key in ("accuracy", "loss", "macro_f1", "n")}
            for part in ("validation", "test")
        },
    }


def _finding(name: str, folder: Path) -> dict[str, Any]:
    """Return the numbers of a finding whose keys scripts rely on."""
    finding = json.loads((folder / "finding.json").read_text(encoding="utf-8"))
    if name == "compare":
        verdict = finding["verdict"]
        kept = ("winner", "difference", "interval", "p_value", "smallest_detectable")
        contenders = {
            contender["name"]: contender["test"]["interval"] for contender in finding["contenders"]
        }
        return {**{key: verdict[key] for key in kept}, "contenders": contenders}
    if name == "tune":
        return {"best": finding["best"], "trials": len(finding["trials"])}
    return {}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _headstart(*words: str) -> None:
    from headstart.cli import main

    with (
        mock.patch.object(sys, "argv", ["headstart", *words, "-q"]),
        pytest.raises(SystemExit) as end,
    ):
        main()
    assert not end.value.code, words


def record() -> dict[str, Any]:
    """Carry out every golden run and study and return the content of `results.json`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = {name: run(name, folder) for name in RUNS}
        studies = {name: study(name, folder) for name in STUDIES}
    return {"machine": machine(), "runs": runs, "studies": studies}


def main() -> None:
    """Record the golden results, or with `--check` compare them with the recorded ones."""
    os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
    results = json.loads(json.dumps(record()))
    if sys.argv[1:] != ["--check"]:
        RECORD.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        return
    recorded = json.loads(RECORD.read_text(encoding="utf-8"))
    different = [
        f"{kind}/{name}"
        for kind in ("runs", "studies")
        for name in recorded[kind]
        if results[kind][name] != recorded[kind][name]
    ]
    print("machine: " + ("the same" if results["machine"] == recorded["machine"] else "another"))
    print("different: " + (", ".join(different) or "nothing"))
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
