"""A backbone that learns, and heads that are solved for."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from sklearn.linear_model import LogisticRegression

from headstart.classifier import load_classifier
from headstart.data import Dataset, Split, SplitDataset, load, make_split
from headstart.errors import InputError
from headstart.features._feature_cache import compute_features
from headstart.features._linear_probe import choose_penalty, fit
from headstart.models import BackboneOptions, BackboneWithHead, load_backbone
from headstart.models.recipes import make_recipe, resolve
from headstart.results import read_metrics
from headstart.training import TrainingJob, _depth, _inputs, train
from headstart.training._inputs import prepare_training
from headstart.training._optimizers import TowardsStart, make_optimizers, set_learning_rates

MODEL, SIDE = "efficientnet-lite0", {"input_px": 32}


@pytest.fixture
def few(digits: Dataset) -> Split:
    return make_split(digits, train_images=150, validation=0.06, test=0.06)


@pytest.fixture
def resnet(tmp_path: Path) -> Path:
    """Weights for timm's smallest ResNet."""
    import timm

    torch.manual_seed(0)
    path = tmp_path / "resnet.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), path)
    return path


def whole(way: str, **values: Any) -> Any:
    return make_recipe(MODEL, {**SIDE, "epochs": 2.0, "batch": 32, **values}, way)


def test_a_solved_head_is_the_one_that_scikit_learn_finds() -> None:
    numbers = np.random.default_rng(0)
    inputs = numbers.normal(size=(120, 7)).astype(np.float32)
    labels = (inputs[:, 0] + numbers.normal(size=120) > 0).astype(np.int64) + (inputs[:, 1] > 1)
    weights = np.where(labels == 2, 3.0, 1.0).astype(np.float32)
    ours = fit(inputs, labels, 3, 0.05, weights)
    theirs = LogisticRegression(C=1 / (0.05 * weights.sum()), tol=1e-8, max_iter=1000).fit(
        inputs, labels, weights
    )
    assert np.allclose(
        ours[:-1].T - ours[:-1].T.mean(0), theirs.coef_ - theirs.coef_.mean(0), atol=2e-3
    )


def test_the_penalty_is_large_for_noise_and_small_for_what_can_be_told() -> None:
    numbers = np.random.default_rng(0)
    labels = np.arange(300) % 3
    noise = numbers.normal(size=(300, 40)).astype(np.float32)
    told = noise + 6 * np.eye(3, 40, dtype=np.float32)[labels]
    assert choose_penalty(noise, labels) == 1.0
    assert choose_penalty(told, labels) < 1.0


def test_a_frozen_backbone_solves_for_its_head_and_keeps_what_it_was_given(
    digits: Dataset, few: Split, tmp_path: Path
) -> None:
    recipe = make_recipe(MODEL, SIDE)
    assert (recipe.optimizer, recipe.l2) == ("lbfgs", None)
    done = train(TrainingJob(recipe, SplitDataset(digits, few), 0, tmp_path / "run"))
    assert done.epochs == 1
    assert done.validation is not None and done.validation.accuracy > 0.6
    again = train(TrainingJob(recipe, SplitDataset(digits, few), 1, tmp_path / "again"))
    assert again.test == done.test  # nothing in it is left to chance
    for key, value in (
        ("lr", 0.01),
        ("epochs", 3.0),
        ("head", "64"),
        ("dropout", 0.3),
        ("optimizer", "sgd"),
    ):
        assert make_recipe(MODEL, {key: value}).optimizer == (
            "sgd" if key == "optimizer" else "adam"
        )
    with pytest.raises(InputError, match="does not use epochs, lr"):
        make_recipe(MODEL, {"optimizer": "lbfgs", "lr": 0.1, "epochs": 2.0})


def test_two_classes_get_the_head_of_the_second_one(
    digits: Dataset, few: Split, tmp_path: Path
) -> None:
    chosen = np.flatnonzero(digits.labels < 2)
    two = load((np.asarray(digits.images[chosen]), digits.labels[chosen]))
    done = train(
        TrainingJob(
            make_recipe(MODEL, SIDE), SplitDataset(two, make_split(two)), 0, tmp_path / "run"
        )
    )
    assert done.test is not None and done.test.accuracy > 0.9


def test_fine_tuning_begins_with_the_solved_head_and_learns(
    digits: Dataset, few: Split, tmp_path: Path
) -> None:
    frozen = train(
        TrainingJob(make_recipe(MODEL, SIDE), SplitDataset(digits, few), 0, tmp_path / "frozen")
    )
    recipe = resolve(whole("finetune"), len(few.train))
    classifier, source = prepare_training(recipe, SplitDataset(digits, few), 0)
    begun = (
        source.probabilities(classifier.eval(), few.validation).argmax(1)
        == digits.labels[few.validation]
    )
    # Of 108 images; a random head classifies 10% correctly.
    assert frozen.validation is not None
    assert abs(begun.mean() - frozen.validation.accuracy) < 0.1
    tuned = train(
        TrainingJob(
            whole("finetune", epochs=8.0, lr=2e-4), SplitDataset(digits, few), 0, tmp_path / "tuned"
        )
    )
    assert tuned.trainable_parameters > 3_000_000
    curves = [
        line.split(",") for line in (tmp_path / "tuned" / "curves.csv").read_text().splitlines()
    ]
    loss = [float(row[curves[0].index("train_loss")]) for row in curves[1:]]
    assert loss[-1] < min(
        loss[0], 0.8 * max(loss)
    )  # the first steps disturb what the head was solved on


def test_fine_tuning_fits_its_head_at_the_side_at_which_it_learns(
    digits: Dataset, few: Split, resnet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[int] = []

    def noted(recipe: Any, data: SplitDataset, seed: int, side_px: int) -> Any:
        sides.append(side_px)
        return compute_features(recipe, data, seed, side_px)

    monkeypatch.setattr(_inputs, "compute_features", noted)
    recipe = make_recipe(
        "timm/test_resnet", {"weights": str(resnet), "time_limit": 30.0}, "finetune"
    )
    classifier, _ = prepare_training(resolve(recipe, len(few.train)), SplitDataset(digits, few), 0)
    assert sides == [classifier.input_px]


def test_fine_tuning_that_spoils_its_head_keeps_it(
    digits: Dataset, few: Split, tmp_path: Path
) -> None:
    data = SplitDataset(digits, few)
    ruined = whole("finetune", epochs=1.0, lr=5.0)
    train(TrainingJob(ruined, data, 0, tmp_path / "run"))

    metrics = read_metrics(tmp_path / "run")
    assert metrics.start is not None and metrics.start.is_kept and metrics.validation is not None
    assert metrics.start.accuracy is not None and metrics.start.end_accuracy is not None
    assert metrics.start.end_accuracy < metrics.start.accuracy
    # Features of the cache are rounded to 16 bits.
    assert metrics.validation.accuracy == pytest.approx(metrics.start.accuracy, abs=0.02)
    assert any("starting point is kept" in warning for warning in metrics.warnings)


@pytest.mark.parametrize(
    ("seconds_per_image", "transfer", "stages"),
    [(0.001, "finetune", None), (0.2, "finetune", _depth.TOP_STAGES), (5.0, "frozen", None)],
)
def test_a_short_time_limit_fine_tunes_fewer_stages_or_only_fits_the_head(
    digits: Dataset,
    few: Split,
    monkeypatch: pytest.MonkeyPatch,
    seconds_per_image: float,
    transfer: str,
    stages: int | None,
) -> None:
    def pace(recipe: object, data: object, input_px: int, top: int | None) -> _depth.Pace:
        step = seconds_per_image * (1.0 if top is None else 0.3)
        return _depth.Pace(forward=step / 10, step=step)

    monkeypatch.setattr(_depth, "measure_pace", pace)
    recipe = resolve(whole("finetune", time_limit=60.0, epochs=8.0), len(few.train))
    depth = _depth.choose_depth(recipe, SplitDataset(digits, few))
    assert isinstance(depth.recipe.net, BackboneOptions)
    assert (depth.recipe.net.transfer, depth.stages) == (transfer, stages)
    assert depth.recipe.net.input_px == 32 and depth.recipe.time_limit == 60


def test_the_pace_includes_work_that_a_gpu_has_not_finished(
    digits: Dataset, few: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stand-in for a GPU: time passes only while Python waits for it."""
    seconds = [0.0]

    def wait() -> None:
        seconds[0] += 1.0

    monkeypatch.setattr(_depth, "wait_for_device", wait)
    monkeypatch.setattr(_depth, "time", SimpleNamespace(perf_counter=lambda: seconds[0]))
    recipe = resolve(whole("finetune"), len(few.train))
    pace = _depth.measure_pace(recipe, SplitDataset(digits, few), 32, None)
    assert (pace.forward, pace.step) == (1 / 16, 1 / 16)


def test_only_the_top_stages_learn_where_the_time_allows_no_more() -> None:
    recipe = whole("finetune")
    assert isinstance(recipe.net, BackboneOptions)
    backbone = load_backbone(MODEL, recipe.net, 32, 0)
    net = BackboneWithHead(backbone, torch.nn.Linear(1280, 10), trains_batch_norm=False)
    all_weights = sum(weight.numel() for weight in net.parameters())
    _depth.freeze_below(net, 2)
    learning = sum(weight.numel() for weight in net.parameters() if weight.requires_grad)
    assert len(net.groups()) == 3 and 0.1 * all_weights < learning < 0.9 * all_weights
    assert len(make_optimizers(net, recipe)[0].param_groups) == 3


def test_a_saved_fine_tuned_classifier_predicts_what_its_run_did(
    digits: Dataset, few: Split, tmp_path: Path
) -> None:
    for way in ("finetune", "scratch"):
        train(TrainingJob(whole(way), SplitDataset(digits, few), 0, tmp_path / way))
        classifier = load_classifier(tmp_path / way)
        found = classifier.probabilities(digits.images, few.test)
        rows = [
            line.split(",")
            for line in (tmp_path / way / "predictions.csv").read_text().splitlines()[1:]
        ]
        written = np.array([row[6:] for row in rows if row[2] == "test"], float)
        assert written.shape == found.shape and np.allclose(written, found, atol=1e-5)


def test_lower_stages_learn_slower_and_later() -> None:
    recipe = whole("finetune", layer_decay=0.5, unfreeze=0.6, lr=0.01)
    assert isinstance(recipe.net, BackboneOptions)
    net = BackboneWithHead(
        load_backbone(MODEL, recipe.net, 32, 0, empty=True),
        torch.nn.Linear(1280, 3),
        trains_batch_norm=False,
    )
    (optimizer,) = make_optimizers(net, recipe)
    rates = [group["peak_lr"] for group in optimizer.param_groups]
    assert rates[-2] == 0.01 and all(
        low == pytest.approx(high / 2) for low, high in itertools.pairwise(rates[:-1])
    )
    assert rates[-1] == pytest.approx(0.001)  # of the head, which was solved for
    assert sum(len(group["params"]) for group in optimizer.param_groups) == sum(
        1 for _ in net.parameters()
    )
    set_learning_rates([optimizer], 1.0, 0.0)
    assert [group["lr"] > 0 for group in optimizer.param_groups] == [False] * (len(rates) - 1) + [
        True
    ]
    set_learning_rates([optimizer], 1.0, 0.6)
    assert all(group["lr"] > 0 for group in optimizer.param_groups)


def test_weights_are_drawn_back_to_where_they_began() -> None:
    weight = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    pull = TowardsStart([{"params": [weight]}], 0.5)
    pull.param_groups[0]["lr"] = 0.2
    with torch.no_grad():
        weight.add_(10)
    pull.step()
    assert torch.allclose(weight, torch.tensor([10.0, 11.0]))


def test_batch_norm_stays_what_it_was_when_fine_tuned_and_is_measured_from_scratch() -> None:
    options = make_recipe(MODEL, SIDE).net
    assert isinstance(options, BackboneOptions)
    images = torch.rand(8, 3, 32, 32) * 255
    tuned = BackboneWithHead(
        load_backbone(MODEL, options, 32, 0), torch.nn.Linear(1280, 3), trains_batch_norm=False
    ).train()
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in tuned.modules())
    shown = tuned.backbone.standardise(images)
    assert torch.allclose(
        tuned.backbone.features(shown), load_backbone(MODEL, options, 32, 0)(images), atol=1e-2
    )
    fresh = BackboneWithHead(
        load_backbone(MODEL, options, 32, 0, empty=True),
        torch.nn.Linear(1280, 3),
        trains_batch_norm=True,
    ).train()
    norm = next(module for module in fresh.modules() if isinstance(module, torch.nn.BatchNorm2d))
    before = norm.running_mean.clone() if norm.running_mean is not None else None
    fresh(shown)
    assert (
        before is not None
        and norm.running_mean is not None
        and not torch.equal(before, norm.running_mean)
    )
    with torch.inference_mode():
        exact = fresh.train(False).head((fresh.backbone.features(shown) - fresh.mean) / fresh.std)
        assert torch.allclose(fresh(shown), exact, atol=1e-3)  # predictions go through folded norms


def test_a_killed_fine_tuning_would_go_on_where_it_was(
    digits: Dataset, few: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = whole("finetune", l2_sp=0.1, unfreeze=0.5, epochs=2.0, batch=75)
    train(TrainingJob(recipe, SplitDataset(digits, few), 0, tmp_path / "whole"))

    class Killed(BaseException):
        pass

    from headstart.training import _loop
    from headstart.training._evaluate import evaluate_validation as evaluate

    calls = []

    def once(*given: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise Killed
        return evaluate(*given)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(_loop, "evaluate_validation", once)
        patch.setattr(
            "headstart.training._checkpoints.Checkpoints.save_if_due",
            lambda self, state: self.save(state),
        )
        train(TrainingJob(recipe, SplitDataset(digits, few), 0, tmp_path / "killed"))
    done = train(TrainingJob(recipe, SplitDataset(digits, few), 0, tmp_path / "killed"))
    assert done.resumed
    files = [(tmp_path / of / "model.safetensors").read_bytes() for of in ("whole", "killed")]
    assert files[0] == files[1]


@pytest.mark.parametrize(
    ("values", "way", "message"),
    [
        ({"optimizer": "muon"}, "finetune", "rescales the weights"),
        ({"optimizer": "lbfgs"}, "finetune", "frozen features"),
        ({"l2_sp": 0.1}, "scratch", "only fine-tuning uses l2_sp"),
        ({"pretrained": False}, "finetune", "random weights cannot be fine-tuned"),
        ({"rotation": 5.0}, "frozen", "no option 'rotation'"),
    ],
)
def test_what_does_not_go_together_is_refused(
    digits: Dataset, few: Split, tmp_path: Path, values: dict[str, Any], way: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        train(
            TrainingJob(
                make_recipe(MODEL, {**SIDE, **values}, way),
                SplitDataset(digits, few),
                0,
                tmp_path / "run",
            )
        )


def test_the_record_of_a_run_says_how_the_backbone_was_used(
    digits: Dataset, few: Split, tmp_path: Path
) -> None:
    train(
        TrainingJob(whole("finetune", epochs=1.0), SplitDataset(digits, few), 0, tmp_path / "run")
    )
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert metrics["recipe"]["net"]["transfer"] == "finetune"
    assert metrics["parameters"] == metrics["trainable_parameters"] > 3_000_000
    note = metrics["backbone"]["input_note"]
    assert "efficientnet-lite0 receives images of 8x8 pixels at 32x32" in note
