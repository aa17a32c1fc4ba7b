"""One run on two processes is the same run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_torch, save_file

from headstart import train

BIN = Path(sys.executable).parent
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def headstart(*words: object, processes: int = 1) -> str:
    start = (
        []
        if processes == 1
        else ["torchrun", "--standalone", "--nproc-per-node", str(processes), "--no-python"]
    )
    command = [
        str(BIN / word) if word in ("torchrun", "headstart") else str(word)
        for word in (*start, "headstart", *words)
    ]
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, env=ENVIRONMENT, text=True, timeout=240
    ).stdout


def test_two_processes_give_the_weights_of_one_within_rounding_and_one_result(
    tmp_path: Path,
) -> None:
    # Few steps, so that rounding stays rounding. All that could depend on who sees which image:
    # batch norm, class weights, augmentation, a batch that does not divide.
    options = [
        "--model",
        "cnn",
        "--nodes",
        8,
        "--epochs",
        0.5,
        "--batch",
        101,
        "--optimizer",
        "sgd",
        "--lr",
        0.02,
        "--flip",
    ]
    options += [
        "--rotation",
        10,
        "--cutout",
        0.2,
        "--class-weights",
        "balanced",
        "--precision",
        "float32",
        "--patience",
        9,
    ]
    one = json.loads(
        headstart("train", "digits", *options, "--json", "-q", "--out", tmp_path / "one")
    )
    printed = headstart(
        "train", "digits", *options, "--json", "-q", "--out", tmp_path / "two", processes=2
    )
    two = json.loads(printed)  # one object: only the first process speaks
    assert one["test"]["n"] == two["test"]["n"] == 270
    assert abs(one["validation"]["loss"] - two["validation"]["loss"]) < 1e-3
    mine, theirs = (load_file(tmp_path / run / "model.safetensors") for run in ("one", "two"))
    assert mine.keys() == theirs.keys()
    for name, weight in mine.items():
        scale = max(1e-3, float(np.abs(weight).max()))
        assert np.abs(weight - theirs[name]).max() < 2e-3 * scale, name


@pytest.mark.parametrize("way", ["finetune", "scratch"])
def test_a_backbone_learns_on_two_processes_as_on_one(way: str, tmp_path: Path) -> None:
    """Fine-tuning solves a head first; from scratch, batch norms with an activation are trained."""
    weights = tmp_path / "weights.safetensors"
    save_file(timm.create_model("test_efficientnet").state_dict(), weights)
    options: dict[str, Any] = {
        "transfer": way,
        "train_images": 90,
        "validation": 0.05,
        "test": 0.05,
        "epochs": 1,
        "batch": 31,
        "lr": 0.01,
    }
    options |= {
        "lr": 0.01,
        "optimizer": "sgd",
        "precision": "float32",
        "dropout": 0.0,
        **({"weights": weights} if way == "finetune" else {}),
    }
    train("digits", model="timm/test_efficientnet", input_px=32, out=tmp_path / "one", **options)
    words = [
        word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", value)
    ]
    words += [
        "--model",
        "timm/test_efficientnet",
        "--set",
        "input_px=32",
        "--json",
        "-q",
        "--out",
        tmp_path / "two",
    ]
    headstart("train", "digits", *words, processes=2)
    mine, theirs = (load_torch(tmp_path / run / "model.safetensors") for run in ("one", "two"))
    for name, weight in mine.items():
        scale = max(1e-3, float(weight.abs().max()))
        assert (weight - theirs[name]).abs().max() < 5e-3 * scale, name
