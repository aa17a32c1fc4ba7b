"""Features of a frozen backbone: computed once, found again by content, complete or resumed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.data import Dataset, load, make_split
from headstart.training import load_classifier, make_recipe, train

COARSE = {"pretrained": False, "input_px": 32, "epochs": 2.0}


@pytest.fixture
def scenes() -> Dataset:
    """60 coloured images of 20x24 pixels in three classes, told apart by colour."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = rng.integers(0, 120, (60, 20, 24, 3), dtype=np.uint8)
    images[np.arange(60), :, :, labels] += 120
    return load((images, labels))


def test_the_published_inception_runs_with_random_weights_and_is_loaded_again(scenes: Dataset, tmp_path: Path) -> None:
    values = {"pretrained": False, "input_px": 96, "head": "16,d0.2,16", "epochs": 2.0}
    run = train(make_recipe("inception-mixed7", values), scenes, make_split(scenes), 0, tmp_path / "run")
    assert run["trainable_parameters"] == 768 * 4 * 4 * 16 + 16 + 16 * 16 + 16 + 16 * 3 + 3
    classifier = load_classifier(tmp_path / "run")
    found = classifier.probabilities(scenes.images[:4])
    assert found.shape == (4, 3) and np.allclose(found.sum(1), 1, atol=1e-5)
    assert classifier.net.state_dict().keys() == {f"{place}.{part}" for place in (1, 4, 6) for part in ("weight", "bias")}


def test_a_run_says_at_which_size_the_backbone_saw_images_and_why(digits: Dataset, tmp_path: Path) -> None:
    from headstart.training import read_metrics

    recipe = make_recipe("timm/test_resnet", {"pretrained": False, "epochs": 1.0})
    train(recipe, digits, make_split(digits, train_images=100), 0, tmp_path / "run")
    about = read_metrics(tmp_path / "run")["backbone"]
    assert about["weights"] == "random" and about["input_px"] == 96
    assert (
        "images of 8x8 pixels are shown to timm/test_resnet at 96x96, grey in all three channels: it was trained"
        in about["shown"]
    )
