"""The real commands on real images: small parts of CIFAR-10, Fashion-MNIST and MNIST."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Command = Callable[..., tuple[int, str, str]]
Subset = Callable[[str, int, int], Path]


@pytest.mark.slow
def test_transfer_is_ahead_on_few_colour_photographs(subset: Subset, headstart: Command) -> None:
    photos = subset("cifar10", 1000, 600)
    models = "cnn:fast,efficientnet-lite0"
    words = (
        "--models",
        models,
        "--seeds",
        2,
        "--time-limit",
        "none",
        "--set",
        "input_px=64",
        "--out",
        "photos",
        "--json",
    )
    status, out, err = headstart("compare", photos, *words)
    assert status == 0, err
    finding = json.loads(out)
    assert finding["verdict"]["winner"] == "efficientnet-lite0"
    assert finding["verdict"]["interval"][0] > 0
    scores = {
        contender["name"]: contender["test"]["accuracy"] for contender in finding["contenders"]
    }
    assert scores["efficientnet-lite0"] > scores["efficientnet-lite0 (random weights)"] + 0.2
    page = Path("photos/report.html").read_text(encoding="utf-8")
    assert "The worst errors" in page and Path("photos/figures/worst-errors.png").exists()


@pytest.mark.slow
def test_transfer_is_not_ahead_on_clothes(subset: Subset, headstart: Command) -> None:
    clothes = subset("fashion-mnist", 800, 600)
    status, out, err = headstart(
        *("compare", clothes, "--seeds", 2, "--time-limit", "none", "--epochs", 6),
        *("--set", "input_px=64", "--out", "clothes", "--json"),
    )
    assert status == 0, err
    finding = json.loads(out)
    assert finding["verdict"]["winner"] in ("cnn", None)
    assert {
        contender["name"]: contender["test"]["accuracy"] for contender in finding["contenders"]
    }["cnn"] > 0.8


@pytest.mark.slow
def test_a_pixel_csv_of_digits_trains_both_nets(
    subset: Subset, headstart: Command, tmp_path: Path
) -> None:
    with np.load(subset("mnist", 2000, 1), allow_pickle=False) as arrays:
        rows = np.column_stack([arrays["y_train"], arrays["x_train"].reshape(2000, -1)])
    header = ",".join(["label", *(f"pixel{number}" for number in range(784))])
    np.savetxt(tmp_path / "train.csv", rows, "%d", ",", header=header, comments="")
    for model, least in (("mlp", 0.86), ("cnn", 0.93)):
        status, out, err = headstart(
            "train", "train.csv", "--model", model, "--epochs", 6, "--json"
        )
        assert status == 0, err
        assert json.loads(out)["test"]["accuracy"] > least
