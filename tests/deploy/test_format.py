"""`classifier.json`: its content, the readable versions, and invalid files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import __version__
from headstart.classifier import load_classifier, load_network, save_classifier
from headstart.data import Dataset, Split, SplitDataset, make_split
from headstart.deploy import open_model
from headstart.errors import InputError
from headstart.models.recipes import make_recipe
from headstart.training import TrainingJob, train

REPOSITORY = Path(__file__).parents[2]
FORMAT_2 = Path(__file__).parent / "classifier-format-2"
RECORDED: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "recorded-predictions.json").read_text()
)


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
    (run / "manifest.json").unlink(missing_ok=True)


@pytest.mark.parametrize("name", list(RECORDED))
def test_a_classifier_of_version_0_1_predicts_exactly_what_it_did(
    name: str, digits: Dataset
) -> None:
    """Formats 2 and 3, recorded by version 0.1.0 in float32 on the first three digits."""
    recorded = {key: np.array(values) for key, values in RECORDED[name].items()}
    classifier = load_network(REPOSITORY / name)
    classifier.recipe = classifier.recipe.model_copy(update={"precision": "float32"})
    images = digits.images[:3]

    predictions = classifier.predict(images)
    assert np.abs(predictions.probabilities - recorded["calibrated"]).max() < 1e-6
    assert np.abs(predictions.energy_scores - recorded["energy_scores"]).max() < 1e-5
    assert predictions.is_out_of_distribution is None

    network = classifier.predict(images, calibrated=False)
    assert np.abs(network.probabilities - recorded["probabilities"]).max() < 1e-6
    assert (classifier.probabilities(images) == network.probabilities).all()
    calibrated = classifier.probabilities(images, calibrated=True)
    assert (calibrated == predictions.probabilities).all()


def test_a_run_of_version_0_1_is_calibrated_and_a_classifier_of_format_2_is_not() -> None:
    run, old = (load_classifier(REPOSITORY / name).metadata for name in RECORDED)
    assert run.temperature == 0.756028683308796
    assert run.training is not None and run.training.train_images == 100
    assert (old.temperature, old.calibration, old.training) == (1, None, None)


def test_a_classifier_is_written_as_version_0_1_wrote_it(tmp_path: Path) -> None:
    run = REPOSITORY / "tests/assets/version-0.1/run"
    save_classifier(load_network(run), tmp_path)
    content = (tmp_path / "classifier.json").read_text()
    earlier = content.replace(f'"headstart": "{__version__}"', '"headstart": "0.1.0"')
    assert earlier == (run / "classifier.json").read_text()
    weights = (tmp_path / "model.safetensors").read_bytes()
    assert weights == (run / "model.safetensors").read_bytes()


def test_a_classifier_records_training_calibration_and_ood_threshold(
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
    assert load_classifier(run).metadata.temperature == about["calibration"]["temperature"] != 1


def test_one_validation_image_in_a_hundred_is_out_of_distribution_and_noise_is(
    run: Path, digits: Dataset, digits_split: Split
) -> None:
    model = open_model(run)
    flagged = model.predict(digits.images[digits_split.validation]).is_out_of_distribution
    noise = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 1)).astype(np.uint8)
    noise_flags = model.predict(noise).is_out_of_distribution
    assert flagged is not None and noise_flags is not None
    assert flagged.sum() in (2, 3)  # of 270
    assert noise_flags.all()


def test_without_validation_images_there_is_no_calibration_and_no_ood_threshold(
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
    metadata = load_classifier(tmp_path / "run").metadata
    assert (metadata.temperature, metadata.calibration, metadata.ood_threshold) == (1, None, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format": 4},
            "format is '4': this version of Headstart reads the formats 2, 3 and ensemble",
        ),
        ({"format": 1}, "format is '1'"),
        ({"import": "os.system"}, "import is 'os.system': Extra inputs are not permitted"),
        ({"class_names": ["a"] * 10}, "a class name occurs twice"),
        ({"image_shape": [8, 8, 10**9]}, "image_shape.2"),
        ({"mirror": "maybe"}, "mirror is 'maybe'"),
        ({"model": "cnn"}, "model is cnn, but its recipe is for mlp"),
        ({"recipe": {"model": "os.system", "net": {}}}, "recipe is"),
        (
            {"model": "timm/resnet18", "recipe": {"model": "timm/resnet18", "net": {}}},
            "a backbone needs an image size",
        ),
        (
            {"calibration": {"temperature": 0, "images": 1, "loss": 0, "calibrated_loss": 0}},
            "calibration.temperature is '0'",
        ),
    ],
)
def test_the_error_names_the_key_that_violates_the_schema(
    changes: dict[str, Any], message: str, own: Path
) -> None:
    change(own, **changes)
    with pytest.raises(InputError) as caught:
        load_classifier(own)
    assert message in str(caught.value)
    assert "cannot load" in str(caught.value)


def test_a_description_of_a_giant_network_gets_no_memory(own: Path) -> None:
    recipe = json.loads((own / "classifier.json").read_text())["recipe"]
    change(
        own, recipe={**recipe, "net": {**recipe["net"], "layers": 20, "nodes": 8192}}
    )  # five gigabytes
    with pytest.raises(InputError, match=r"cannot load .*model\.safetensors"):
        load_classifier(own)


def test_weights_of_another_run_are_refused(own: Path) -> None:
    (own / "manifest.json").unlink()
    shutil.copy(FORMAT_2 / "model.safetensors", own / "model.safetensors")
    with pytest.raises(InputError, match=r"cannot load .*model\.safetensors"):
        load_classifier(own)


def test_loading_a_classifier_does_not_import_training_packages(run: Path) -> None:
    script = (
        "import sys, torch; from pathlib import Path; from headstart.deploy import open_model\n"
        "open_model(Path(sys.argv[1]))\n"
        "packages = ('sklearn', 'optuna', 'matplotlib', 'timm', 'scipy', 'ray')\n"
        "print([name for name in packages if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script, run], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
