"""`classifier.json`: what it holds, which versions open, what is refused."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.classifier import load_classifier
from headstart.data import Dataset, Split, SplitDataset, make_split
from headstart.deploy import open_model
from headstart.errors import InputError
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, train

FORMAT_2 = Path(__file__).parent / "classifier-format-2"


@pytest.fixture(scope="module")
def run(data: tuple[Dataset, Split], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    train(
        TrainingJob(
            make_recipe("mlp", {"epochs": 3, "nodes": 32}),
            SplitDataset(data[0], make_split(data[0])),
            0,
            folder,
        )
    )
    return folder


@pytest.fixture
def own(run: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be changed."""
    return Path(shutil.copytree(run, tmp_path / "run"))


def change(run: Path, **values: Any) -> None:
    path = run / "classifier.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_classifier_of_format_2_still_predicts_what_it_did(digits: Dataset) -> None:
    chances = load_classifier(FORMAT_2).probabilities(digits.images[:1])[0]
    before = [
        0.09744,
        0.114616,
        0.101582,
        0.093137,
        0.096954,
        0.095322,
        0.115403,
        0.092007,
        0.102516,
        0.091024,
    ]
    assert np.abs(chances - before).max() < 2e-3  # bfloat16 on some machines
    found = open_model(FORMAT_2).predict(digits.images[:3])
    assert found.is_unfamiliar is None
    assert np.abs(found.probabilities[0] - chances).max() < 1e-6


def test_a_run_says_how_it_was_trained_calibrated_and_what_is_unfamiliar(
    run: Path, digits_split: Split
) -> None:
    about = json.loads((run / "classifier.json").read_text())
    metrics = json.loads((run / "metrics.json").read_text())
    assert about["format"] == 3
    assert about["training"]["dataset"] == "digits"
    assert about["training"]["train_images"] == len(digits_split.train)
    assert about["training"]["test_accuracy"] == metrics["test"]["accuracy"]
    assert about["calibration"]["loss"] == metrics["validation"]["loss"]
    assert about["calibration"]["calibrated_loss"] < about["calibration"]["loss"]
    assert about["familiarity"]["images"] == len(digits_split.validation)
    assert load_classifier(run).use.temperature == about["calibration"]["temperature"] != 1


def test_one_validation_image_in_a_hundred_is_unfamiliar_and_noise_is(
    run: Path, digits: Dataset, digits_split: Split
) -> None:
    model = open_model(run)
    flagged = model.predict(digits.images[digits_split.validation]).is_unfamiliar
    noise = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 1)).astype(np.uint8)
    strange = model.predict(noise).is_unfamiliar
    assert flagged is not None and strange is not None
    assert flagged.sum() == 3  # of 270
    assert strange.mean() > 0.3


def test_without_validation_images_nothing_is_calibrated_or_called_unfamiliar(
    digits: Dataset, tmp_path: Path
) -> None:
    train(
        TrainingJob(
            make_recipe("mlp", {"epochs": 0.1}),
            SplitDataset(digits, make_split(digits, validation=0)),
            0,
            tmp_path / "run",
        ),
    )
    use = load_classifier(tmp_path / "run").use
    assert (use.temperature, use.calibration, use.familiarity) == (1, None, None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"format": 4}, "format is '4': this Headstart reads the formats 2 and 3"),
        ({"format": 1}, "format is '1'"),
        ({"import": "os.system"}, "import is 'os.system': Extra inputs are not permitted"),
        ({"class_names": ["a"] * 10}, "a class name stands twice"),
        ({"image_shape": [8, 8, 10**9]}, "image_shape.2"),
        ({"mirror": "maybe"}, "mirror is 'maybe'"),
        ({"model": "cnn"}, "model is cnn, but its recipe is of mlp"),
        ({"recipe": {"model": "os.system", "net": {}}}, "recipe is"),
        (
            {"calibration": {"temperature": 0, "images": 1, "loss": 0, "calibrated_loss": 0}},
            "calibration.temperature is '0'",
        ),
    ],
)
def test_what_is_not_in_the_schema_is_refused_by_name(
    changes: dict[str, Any], said: str, own: Path
) -> None:
    change(own, **changes)
    with pytest.raises(InputError) as caught:
        load_classifier(own)
    assert said in str(caught.value)
    assert "classifier.json cannot be used" in str(caught.value)


def test_a_file_that_asks_for_a_giant_network_gets_no_memory(own: Path) -> None:
    recipe = json.loads((own / "classifier.json").read_text())["recipe"]
    change(
        own, recipe={**recipe, "net": {**recipe["net"], "layers": 20, "nodes": 8192}}
    )  # five gigabytes
    with pytest.raises(InputError, match=r"model\.safetensors cannot be used"):
        load_classifier(own)


def test_weights_of_another_run_are_refused(own: Path) -> None:
    shutil.copy(FORMAT_2 / "model.safetensors", own / "model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors cannot be used"):
        load_classifier(own)


def test_a_classifier_loads_without_what_only_training_needs(run: Path) -> None:
    script = (
        "import sys, torch; from pathlib import Path; from headstart.deploy import open_model; open_model(Path(sys.argv[1]));"
        "print([name for name in ('sklearn', 'optuna', 'matplotlib', 'timm', 'scipy', 'ray') if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, run], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
