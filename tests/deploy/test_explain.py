"""`headstart explain` on runs with a known explanation."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import headstart
from headstart.errors import InputError

Command = Callable[..., tuple[int, str, str]]
PLACES = {"left": (8, 4), "right": (8, 18)}  # row and column of the bright square of 6 pixels


def _image(label: str, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 60, (28, 28, 3)).astype(np.uint8)
    row, column = PLACES[label]
    image[row : row + 6, column : column + 6] = 230
    return image


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `cnn`, `mlp` and `transfer` trained on squares at the left or right, and `image.png`.

    The image has a square at the right.
    """
    folder = tmp_path_factory.mktemp("runs")
    labels = np.array(["left", "right"] * 100)
    images = np.stack([_image(label, seed) for seed, label in enumerate(labels)])
    data = (images, labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        headstart.train(data, model="cnn", epochs=4, nodes=8, flip=False, out=folder / "cnn")
        headstart.train(data, model="mlp", epochs=8, nodes=32, flip=False, out=folder / "mlp")
        headstart.train(
            data, model="efficientnet-lite0", epochs=8, input_px=96, out=folder / "transfer"
        )
    Image.fromarray(_image("right", 1000)).save(folder / "image.png")
    return folder


def _peak(values: list[list[float]]) -> tuple[float, float]:
    """Return row and column of the largest value, as shares of the image."""
    grid = np.array(values)
    row, column = np.unravel_index(grid.argmax(), grid.shape)
    return float(row + 0.5) / grid.shape[0], float(column + 0.5) / grid.shape[1]


def test_explanations_highlight_the_square_that_decides(runs: Path, tmp_path: Path) -> None:
    result = headstart.explain(
        runs / "cnn",
        runs / "image.png",
        against=[runs / "mlp", runs / "transfer"],
        out=tmp_path / "figure.png",
    )
    cnn, mlp, transfer = result["explanations"]
    assert [explanation["label"] for explanation in (cnn, mlp, transfer)] == ["right"] * 3
    assert mlp["grad_cam"] is None
    assert (
        np.shape(transfer["grad_cam"]["values"]) == (6, 6)
        and np.max(transfer["grad_cam"]["values"]) == 1
    )
    assert np.max(transfer["occlusion"]["values"]) > 0
    for attribution in (cnn["occlusion"], mlp["occlusion"]):
        row, column = _peak(attribution["values"])
        assert 0.2 < row < 0.6 and 0.55 < column < 0.95, attribution
    with Image.open(tmp_path / "figure.png") as figure:
        assert figure.width > 1000 and figure.height > 1200
    again = headstart.explain(
        runs / "cnn", (runs / "image.png").read_bytes(), out=tmp_path / "again.png"
    )
    assert again["explanations"][0] == {**cnn, "run": str(runs / "cnn")}


def test_another_class_can_be_explained(runs: Path, headstart: Command) -> None:
    status, out, _ = headstart(
        "explain", runs / "cnn", runs / "image.png", "--class", "left", "--json", "-q"
    )
    result = json.loads(out)
    explanation = result["explanations"][0]
    assert (
        status == 0
        and result["figure"] == "explanation-image.png"
        and Path(result["figure"]).is_file()
    )
    assert (explanation["label"], explanation["predicted"]) == ("left", "right")
    assert explanation["probability"] < 0.5
    row, column = np.unravel_index(
        np.argmin(explanation["occlusion"]["values"]), np.shape(explanation["occlusion"]["values"])
    )
    assert column > row  # the strongest evidence against "left" is the square at the right


def test_the_terminal_names_the_region_of_the_evidence(runs: Path, headstart: Command) -> None:
    status, out, _ = headstart("explain", runs / "mlp", runs / "image.png", "-q")
    assert (
        status == 0 and "Most evidence: right." in " ".join(out.split()) and "Occlusion only" in out
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--class", "lef"], "did you mean 'left'"),
        (["--against", "nowhere"], "nowhere"),
    ],
)
def test_an_invalid_explanation_request_is_reported(
    runs: Path, headstart: Command, words: list[str], expected: str
) -> None:
    status, _, err = headstart("explain", runs / "cnn", runs / "image.png", *words)
    assert status == 2 and expected in err


def test_an_invalid_figure_name_is_reported_before_anything_is_opened(runs: Path) -> None:
    with pytest.raises(InputError, match=r"expected a \.png file, got 'figure\.jpg'"):
        headstart.explain(runs / "no-such-run", runs / "image.png", out="figure.jpg")


def test_a_folder_is_not_accepted_as_an_image(runs: Path) -> None:
    Image.fromarray(_image("left", 1)).save(runs / "second.png")
    with pytest.raises(InputError, match="expected one image, got 2 images"):
        headstart.explain(runs / "cnn", runs)


def test_without_captum_the_error_names_the_extra_to_install(
    runs: Path, headstart: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    status, _, err = headstart("explain", runs / "cnn", runs / "image.png")
    assert status == 3 and "pip install 'headstart[explain]'" in err
