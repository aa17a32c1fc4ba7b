"""Ensembles as classifier folders: their format, their predictions, and what they refuse."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import headstart
from headstart.classifier import (
    Ensemble,
    StandardisedBackbone,
    average_weights,
    build_untrained,
    load_classifier,
    load_network,
    measure_ms_per_image,
    open_ensemble,
    save_ensemble,
)
from headstart.data import Dataset, Split, SplitDataset, with_all_for_training
from headstart.deploy import explain, export, open_model
from headstart.deploy.server._card import model_card
from headstart.diagnosis import examine
from headstart.errors import InputError
from headstart.evaluation import apply_temperature
from headstart.models.recipes import make_recipe
from headstart.report import write_run_report
from headstart.results import LastFit, read_metrics
from headstart.training import (
    HeldOut,
    Refit,
    TrainingJob,
    build_average,
    build_ensemble,
    list_runs,
    measure_last_fit,
    read_correct,
    read_probabilities,
    read_run,
    train,
)

WEIGHTS = [0.25, 0.75]


@pytest.fixture(scope="module")
def members(
    tmp_path_factory: pytest.TempPathFactory, digits: Dataset, digits_split: Split
) -> list[Path]:
    """Two runs: one that averages over mirror images, and one that does not."""
    folder = tmp_path_factory.mktemp("members")
    data = SplitDataset(digits, digits_split)
    recipes = {
        "mlp": make_recipe("mlp", {"epochs": 1, "nodes": 32}),
        "mirror": make_recipe("mlp", {"epochs": 1, "nodes": 16, "flip": True}),
    }
    for name, recipe in recipes.items():
        train(TrainingJob(recipe, data, 0, folder / name))
    return [folder / name for name in recipes]


@pytest.fixture
def ensemble(members: list[Path], tmp_path: Path) -> Path:
    save_ensemble(tmp_path / "ensemble", members, WEIGHTS)
    return tmp_path / "ensemble"


def test_probabilities_are_the_weighted_mean_of_the_calibrated_members(
    members: list[Path], ensemble: Path, digits: Dataset
) -> None:
    images = digits.images[:50]
    mean = np.zeros((50, 10))
    for member, weight in zip(members, WEIGHTS, strict=True):
        mean += weight * load_network(member).predict(images).probabilities

    classifier = load_classifier(ensemble)
    assert isinstance(classifier, Ensemble)
    assert np.abs(classifier.predict(images).probabilities - mean).max() < 1e-6
    assert [member.mirror for member in classifier.classifiers] == [True, False]
    assert classifier.weights == (0.75, 0.25)


def test_an_ensemble_needs_no_other_folder_and_leaves_out_members_without_weight(
    members: list[Path], digits: Dataset, tmp_path: Path
) -> None:
    copies = [tmp_path / "first", tmp_path / "second"]
    for member, copy in zip(members, copies, strict=True):
        shutil.copytree(member, copy)
    save_ensemble(tmp_path / "ensemble", copies, [0, 2])
    expected = load_network(copies[1]).predict(digits.images[:9]).probabilities
    for copy in copies:
        shutil.rmtree(copy)

    assert [path.name for path in (tmp_path / "ensemble/members").iterdir()] == ["01"]
    probabilities = load_classifier(tmp_path / "ensemble").predict(digits.images[:9]).probabilities
    assert np.abs(probabilities - expected).max() < 1e-6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "ensemble-2"}, "format is 'ensemble-2': this version of Headstart reads"),
        ({"author": "me"}, "author is 'me'"),
        ({"class_names": ["a", "b"]}, "its members have another class_names"),
        ({"members": []}, "members is"),
    ],
)
def test_a_changed_description_is_refused(
    change: dict[str, object], message: str, ensemble: Path
) -> None:
    path = ensemble / "classifier.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        load_classifier(ensemble)


def test_a_member_outside_the_folder_is_refused(ensemble: Path) -> None:
    path = ensemble / "classifier.json"
    content = json.loads(path.read_text())
    content["members"][0]["folder"] = "../elsewhere"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"members\.0\.folder is '\.\./elsewhere'"):
        load_classifier(ensemble)


def test_members_of_other_classes_and_ensembles_are_refused(
    members: list[Path], ensemble: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(members[0], other)
    (other / "manifest.json").unlink()
    path = other / "classifier.json"
    content = json.loads(path.read_text())
    names = content["class_names"]
    path.write_text(json.dumps({**content, "class_names": [*names[:-1], "ten"]}))
    with pytest.raises(InputError, match="expected the same classes"):
        open_ensemble([members[1], other], [1, 1])
    with pytest.raises(InputError, match="holds an ensemble"):
        open_ensemble([members[0], ensemble], [1, 1])
    with pytest.raises(InputError, match="expected 2 numbers of 0 or more"):
        open_ensemble(members, [1, -1])


@pytest.fixture(scope="module")
def built(members: list[Path], digits: Dataset, digits_split: Split, tmp_path_factory: Any) -> Path:
    """A run folder of both members."""
    folder: Path = tmp_path_factory.mktemp("built") / "ensemble"
    data = SplitDataset(digits, digits_split)
    metrics = build_ensemble(folder, members, WEIGHTS, data, "the command")
    assert metrics == read_metrics(folder)
    return folder


def test_an_ensemble_is_a_run_that_is_calibrated_and_evaluated(
    built: Path, members: list[Path], digits: Dataset, digits_split: Split
) -> None:
    metrics, ensemble = read_metrics(built), load_classifier(built)
    assert (metrics.model, metrics.command) == ("ensemble", "the command")
    assert [member.run for member in metrics.members] == ["mirror", "mlp"]
    assert metrics.parameters == sum(read_metrics(member).parameters for member in members)

    test = ensemble.probabilities(digits.images, digits_split.test)
    correct = test.argmax(1) == digits.labels[digits_split.test]
    assert metrics.test is not None and metrics.test.accuracy == pytest.approx(correct.mean())
    assert (read_correct(built, "test") == correct).all()

    assert ensemble.metadata.calibration is not None and ensemble.metadata.temperature != 1
    predictions = ensemble.predict(digits.images, digits_split.validation)
    is_ood = predictions.is_out_of_distribution
    assert is_ood is not None and is_ood.mean() == pytest.approx(0.01, abs=0.01)
    assert [row["model"] for row in list_runs(built.parent)] == ["ensemble"]


def test_verbs_take_an_ensemble(built: Path, digits: Dataset, tmp_path: Path) -> None:
    image = digits.images[3]
    predicted = headstart.predict(built, image, coverage=0.9)["predictions"][0]
    explained = explain(load_classifier(built), image)
    assert (explained.label, explained.grad_cam) == (predicted["label"], None)
    assert explained.occlusion.values.shape == (8, 8)
    card = model_card(built, open_model(built))
    assert (card["model"], card["explains"]) == ("ensemble", True)
    assert card["training"] == "2 epochs"
    with pytest.raises(
        InputError, match="is an ensemble, which cannot be repeated as one training"
    ):
        headstart.repeat(built, digits)


def test_the_page_of_an_ensemble_names_its_members(built: Path) -> None:
    page = write_run_report(built).read_text(encoding="utf-8")
    assert "<td>75.0%</td>" in page and "Learning curves" not in page


def test_members_on_one_frozen_backbone_share_it_and_one_pass(digits: Dataset) -> None:
    recipe = make_recipe("efficientnet-lite0", {"input_px": 32, "precision": "float32"})
    first, second, other = (
        build_untrained(recipe, digits.class_names, digits.image_shape, px).eval()
        for px in (32, 32, 40)
    )
    second.front.load_state_dict(first.front.state_dict())
    images = digits.images[:3]
    expected = first.probabilities(images) / 2 + second.probabilities(images) / 2
    apart = other.probabilities(images)

    ensemble = Ensemble([first, second], [0.5, 0.5]).eval()
    assert isinstance(first.front, StandardisedBackbone)
    calls: list[object] = []
    first.front.backbone.register_forward_pre_hook(lambda *_: calls.append(1))
    assert np.abs(ensemble.probabilities(images) - expected).max() < 1e-5
    assert len(calls) == 1

    three = Ensemble([first, other, second], [0.25, 0.5, 0.25]).eval()
    assert three.passes == ((0, 2), (1,))
    assert np.abs(three.probabilities(images) - (expected + apart) / 2).max() < 1e-5


def test_one_onnx_file_reproduces_an_ensemble_and_int8_is_refused(
    built: Path, digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    data = SplitDataset(digits, digits_split)
    with pytest.raises(InputError, match="--int8 needs a run of one network"):
        export(built, data, tmp_path / "model.onnx", int8=True)
    written = export(built, data, tmp_path / "model.onnx")
    parity = written["parity"]
    assert isinstance(parity, dict)
    assert parity["top1_agreement"] == 1
    exported = open_model(tmp_path / "model.onnx").predict(digits.images[:20])
    expected = load_classifier(built).predict(digits.images[:20])
    assert np.abs(exported.probabilities - expected.probabilities).max() < 0.02
    assert (exported.energy_scores < expected.energy_scores + 0.1).all()


def test_averaged_weights_are_one_network(
    members: list[Path], digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    data = SplitDataset(digits, digits_split)
    build_average(tmp_path / "average", [members[0], members[0]], [1, 3], data)
    averaged = load_network(tmp_path / "average").state_dict()
    for name, tensor in load_network(members[0]).state_dict().items():
        assert torch.allclose(averaged[name], tensor, atol=1e-6)
    with pytest.raises(InputError, match="expected the same model, options"):
        average_weights(members, [1, 1])


def test_the_time_per_image_is_measured(ensemble: Path) -> None:
    assert 0 < measure_ms_per_image(load_classifier(ensemble), seconds=0.01) < 60_000


def test_a_damaged_member_is_named(built: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(built, copy)
    assert [row.state for row in examine([copy])] == ["healthy"]
    weights = copy / "members/02/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    (damage,) = examine([copy])
    assert (damage.state, damage.file) == ("damaged", "members/02/model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors"):
        load_classifier(copy)


def test_an_ensemble_of_last_fits_is_measured_by_models_that_had_not_seen_the_images(
    members: list[Path], digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    data = SplitDataset(digits, digits_split)
    everything, rows = with_all_for_training(data), digits_split.validation
    runs = [tmp_path / member.name for member in members]
    mean = np.zeros((len(rows), 10), np.float32)
    for member, run, weight in zip(members, runs, WEIGHTS, strict=True):
        train(TrainingJob(read_run(member).recipe, everything, 0, run))
        _, raw = read_probabilities(member, "validation", digits.class_names)
        measure_last_fit(run, member, data, HeldOut(rows, raw))
        before, after = load_network(member).metadata, load_network(run).metadata
        assert after.temperature == pytest.approx(before.temperature, rel=1e-3)
        assert after.ood_threshold == before.ood_threshold
        mean += weight * apply_temperature(raw, before.temperature)

    record = LastFit(images=len(everything.split.train), measured_by="earlier fit", sentence="All.")
    refit = Refit(runs, HeldOut(rows, mean), record)
    metrics = build_ensemble(tmp_path / "last", members, WEIGHTS, data, "", refit)
    build_ensemble(tmp_path / "earlier", members, WEIGHTS, data)
    assert metrics.last_fit == record
    assert [member.run for member in metrics.members] == ["mirror", "mlp"]
    _, written = read_probabilities(tmp_path / "last", "validation", digits.class_names)
    assert np.abs(written - mean).max() < 1e-5

    last, earlier = load_classifier(tmp_path / "last"), load_classifier(tmp_path / "earlier")
    assert isinstance(last, Ensemble)
    assert isinstance(earlier, Ensemble)
    assert last.energy_scales == earlier.energy_scales
    assert last.metadata.temperature == pytest.approx(earlier.metadata.temperature, rel=1e-3)
    assert last.metadata.training is not None
    assert last.metadata.training.train_images == record.images
    own = open_ensemble(runs, WEIGHTS).probabilities(digits.images[:50])
    assert np.abs(last.probabilities(digits.images[:50]) - own).max() < 1e-6
    assert np.abs(earlier.probabilities(digits.images[:50]) - own).max() > 1e-3
    assert {diagnosis.state for diagnosis in examine([tmp_path / "last"])} == {"healthy"}
