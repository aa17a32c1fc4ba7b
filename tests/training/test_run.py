"""One run: what it leaves, what it repeats, where it stops."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from headstart.classifier import load_network
from headstart.data import Dataset, Split, SplitDataset, load, make_split, unpack_sheet
from headstart.errors import InputError, ResourceError, RunFailed, TooLittleMemory
from headstart.models.recipes import make_recipe
from headstart.results import read_metrics
from headstart.store import claim
from headstart.training import (
    RunTimer,
    TrainingJob,
    list_runs,
    read_correct,
    read_curves,
    train,
)
from headstart.training._step import CrossEntropy, describe_class_weights, make_loss

WEIGHTS = {"model.safetensors", "classifier.json"}
RESULTS = {"plan.json", "state", "curves.csv", "metrics.json", "predictions.csv", "gallery.npz"}
ABOUT = {"recipe.json", "data.json", "split.npz", "environment.json", "manifest.json", ".lock"}
FILES = ABOUT | WEIGHTS | RESULTS


def test_a_run_leaves_everything_and_learns_the_digits(
    digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    summary = train(
        TrainingJob(
            make_recipe("cnn", {"epochs": 4}),
            SplitDataset(digits, digits_split),
            0,
            tmp_path / "run",
        )
    )
    assert {path.name for path in (tmp_path / "run").iterdir()} == FILES
    assert summary.test is not None and summary.test.accuracy > 0.95
    assert summary.test.n == len(digits_split.test) == 270
    metrics = read_metrics(tmp_path / "run")
    assert metrics.test is not None and np.sum(metrics.test.confusion) == 270
    correct = read_correct(tmp_path / "run", "test")
    assert correct.mean() == summary.test.accuracy
    with np.load(tmp_path / "run" / "gallery.npz") as gallery:
        worst = np.searchsorted(digits_split.test, np.sort(gallery["worst"]))
        tiles = unpack_sheet(gallery["sheet"].tobytes(), len(worst), tuple(gallery["tile_shape"]))
        first = digits.images[gallery["worst"][0]].astype(int)
    assert set(np.flatnonzero(~correct)) <= set(worst), "every error is kept"
    assert np.abs(tiles[0] - first).mean() < 8
    with (tmp_path / "run" / "curves.csv").open() as file:
        curve = list(csv.DictReader(file))
    assert [float(row["epoch"]) for row in curve] == [1, 2, 3, 4]
    assert float(curve[-1]["train_loss"]) < float(curve[0]["train_loss"])


def test_predictions_are_one_row_an_image_with_probabilities(
    digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    train(
        TrainingJob(
            make_recipe("mlp", {"epochs": 1}),
            SplitDataset(digits, digits_split),
            0,
            tmp_path / "run",
        )
    )
    with (tmp_path / "run" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["index"]) for row in rows] == [
        *digits_split.validation.tolist(),
        *digits_split.test.tolist(),
    ]
    for row in rows[:50]:
        chances = {name: float(row[name]) for name in digits.class_names}
        assert sum(chances.values()) == pytest.approx(1, abs=1e-4)
        assert row["predicted"] == max(chances, key=lambda name: chances[name])
        assert row["correct"] == str(int(row["predicted"] == row["label"]))
        assert row["label"] == digits.class_names[digits.labels[int(row["index"])]]


@pytest.mark.parametrize("model", ["cnn", "mlp", "cnn-fashion-small", "efficientnet-lite0"])
def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    model: str, digits: Dataset, tmp_path: Path
) -> None:
    split = make_split(digits, train_images=200)
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train(
            TrainingJob(
                make_recipe(
                    model,
                    {
                        "epochs": 1,
                        "dropout": 0.3,
                        **({} if model == "efficientnet-lite0" else {"rotation": 10}),
                    },
                ),
                SplitDataset(digits, split),
                seed,
                tmp_path / name,
            ),
        )
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]
    assert weights[0] != weights[2]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 9.0 TiB"),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("could not create a primitive"),
    ],
)
def test_too_little_memory_is_said_in_one_way(
    error: Exception,
    digits: Dataset,
    digits_split: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise error

    recipe, data = make_recipe("mlp", {"epochs": 1}), SplitDataset(digits, digits_split)
    monkeypatch.setattr("headstart.training._planned_run.prepare_training", full)
    monkeypatch.setattr("headstart.training._cost.prepare_training", full)
    with pytest.raises(TooLittleMemory, match="smaller --batch"):
        train(TrainingJob(recipe, data, 0, tmp_path / "run"))
    with pytest.raises(TooLittleMemory, match="smaller --batch"):
        RunTimer(recipe, data)


def test_training_leaves_the_callers_random_numbers_alone(
    digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    torch.manual_seed(11)
    before = torch.random.get_rng_state()
    train(
        TrainingJob(
            make_recipe("mlp", {"epochs": 0.2}),
            SplitDataset(digits, digits_split),
            0,
            tmp_path / "run",
        )
    )
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_finished_run_answers_at_once(
    digits: Dataset, digits_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe("mlp", {"epochs": 1})
    first = train(TrainingJob(recipe, SplitDataset(digits, digits_split), 0, tmp_path / "run"))

    def never(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr("headstart.training._planned_run.prepare_training", never)
    again = train(TrainingJob(recipe, SplitDataset(digits, digits_split), 0, tmp_path / "run"))
    assert again.reused and not first.reused
    assert again.test == first.test


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"lr": 0.5}, "recipe .*lr: 0.08 there, 0.5 requested"),
        ({"seed": 1}, r"seed \(0 there, 1 requested\)"),
        ({"images": 300}, "split"),
    ],
)
def test_another_run_never_overwrites_a_folder(
    change: dict[str, float], named: str, digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    train(
        TrainingJob(
            make_recipe("mlp", {"epochs": 0.1}),
            SplitDataset(digits, digits_split),
            0,
            tmp_path / "run",
        )
    )
    split = make_split(digits, train_images=300) if "images" in change else digits_split
    recipe = make_recipe("mlp", {"epochs": 0.1, **({"lr": change["lr"]} if "lr" in change else {})})
    with pytest.raises(InputError, match=f"holds a run with another {named}"):
        train(
            TrainingJob(
                recipe, SplitDataset(digits, split), int(change.get("seed", 0)), tmp_path / "run"
            )
        )


def test_a_folder_with_other_things_is_refused(
    digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match=r"is not empty and does not hold a run: thesis.tex"):
        train(TrainingJob(make_recipe("mlp"), SplitDataset(digits, digits_split), 0, tmp_path))


def test_a_folder_in_use_is_not_touched(
    digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    with claim(tmp_path / "run"), pytest.raises(ResourceError, match="in use by another process"):
        train(
            TrainingJob(make_recipe("mlp"), SplitDataset(digits, digits_split), 0, tmp_path / "run")
        )


def test_a_loss_that_is_not_finite_names_the_batch_and_a_lower_rate(
    digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    recipe = make_recipe(
        "mlp", {"optimizer": "sgd", "lr": 100, "momentum": 0.9, "precision": "float32"}
    )
    with pytest.raises(
        RunFailed,
        match=r"(the loss became (nan|inf)|the gradient is not finite) in batch \d+ of epoch \d+ "
        r"\(learning rate [\d.]+",
    ) as caught:
        train(TrainingJob(recipe, SplitDataset(digits, digits_split), 0, tmp_path / "run"))
    assert "--lr 10" in caught.value.hint
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert [run["state"] for run in list_runs(tmp_path)] == ["unfinished"]


def test_weights_that_overflow_in_the_last_update_fail_the_run(
    digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    values = {
        "optimizer": "sgd",
        "lr": 100,
        "momentum": 0.9,
        "precision": "float32",
        "schedule": "constant",
    }
    for steps in range(1, 30):  # whichever update it is, none may end in another error
        recipe = make_recipe("mlp", {**values, "epochs": steps / 19})
        try:
            train(TrainingJob(recipe, SplitDataset(digits, digits_split), 0, tmp_path / str(steps)))
        except RunFailed as error:
            assert "--lr 10" in error.hint
            return
    raise AssertionError("nothing diverged")


def test_a_target_stops_training(digits: Dataset, digits_split: Split, tmp_path: Path) -> None:
    summary = train(
        TrainingJob(
            make_recipe("cnn", {"epochs": 40, "target": 0.9}),
            SplitDataset(digits, digits_split),
            0,
            tmp_path / "run",
        )
    )
    assert summary.epochs < 10
    assert "reached the target 0.9" in summary.stop_reason
    assert summary.validation is not None and summary.validation.accuracy >= 0.9


def test_patience_stops_and_takes_the_best_weights_back(
    digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    recipe = make_recipe(
        "mlp", {"epochs": 60, "nodes": 64, "patience": 2, "lr": 0.02, "schedule": "constant"}
    )
    summary = train(TrainingJob(recipe, SplitDataset(digits, digits_split), 0, tmp_path / "run"))
    with (tmp_path / "run" / "curves.csv").open() as file:
        losses = [float(row["validation_loss"]) for row in csv.DictReader(file)]
    assert summary.epochs < 60
    assert losses.index(min(losses)) == len(losses) - 3
    assert summary.validation is not None
    assert summary.validation.loss == pytest.approx(min(losses), rel=1e-4)


def test_a_time_limit_is_kept_by_a_shorter_schedule(
    digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    """That it is kept to the second is tested in tests/training/test_plan.py with a fake clock."""
    train(
        TrainingJob(
            # Its epochs are so short that a busy machine has time for several.
            make_recipe("mlp", {"epochs": 10_000, "time_limit": 4}),
            SplitDataset(digits, digits_split),
            0,
            tmp_path / "run",
        ),
    )
    plan = json.loads((tmp_path / "run" / "plan.json").read_text())
    assert 1 < plan["steps"] < 10_000 * plan["steps_per_epoch"]
    with (tmp_path / "run" / "curves.csv").open() as file:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(file)]
    # The schedule from 0.08 ran to its end. A slow machine has two epochs, with rates below 0.02.
    assert rates[-1] < min(0.02, max(rates))


@pytest.mark.parametrize("key", ["target", "patience"])
def test_what_watches_validation_needs_it(key: str, digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=f"--{key} needs validation images, but the split has none"
    ):
        train(
            TrainingJob(
                make_recipe("mlp", {key: 1}),
                SplitDataset(digits, make_split(digits, validation=0)),
                0,
                tmp_path / "run",
            ),
        )


def test_two_classes_train_one_sigmoid_output(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 300)
    images = (
        rng.integers(0, 120, (300, 8, 8)) + 100 * labels[:, None, None] * (np.arange(8) < 4)
    ).astype(np.uint8)
    dataset = load((images, np.array(["no", "yes"])[labels]))
    split = make_split(dataset)
    summary = train(
        TrainingJob(
            make_recipe("mlp", {"epochs": 10, "class_weights": "balanced"}),
            SplitDataset(dataset, split),
            0,
            tmp_path / "run",
        ),
    )
    assert summary.test is not None and summary.test.accuracy > 0.95
    classifier = load_network(tmp_path / "run")
    assert [layer for layer in classifier.net.modules() if isinstance(layer, torch.nn.Linear)][
        -1
    ].out_features == 1
    chances = classifier.probabilities(dataset.images[split.test])
    assert chances.shape == (len(split.test), 2)
    assert np.allclose(chances.sum(1), 1)


def test_one_logit_costs_what_two_would() -> None:
    logits, labels = torch.tensor([[0.3], [-2.0], [1.5]]), torch.tensor([0, 1, 1])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits[:, 0], labels.float())
    assert CrossEntropy(torch.ones(2), 0.0)(logits, labels) == pytest.approx(float(expected))


@pytest.mark.parametrize("model", ["cnn", "mlp", "efficientnet-lite0"])
def test_a_saved_classifier_predicts_what_the_run_predicted(
    model: str, digits: Dataset, tmp_path: Path
) -> None:
    split = make_split(digits, train_images=300)
    train(
        TrainingJob(
            make_recipe(model, {"epochs": 3}), SplitDataset(digits, split), 0, tmp_path / "run"
        )
    )
    classifier = load_network(tmp_path / "run")
    guesses = classifier.probabilities(digits.images, split.test).argmax(1)
    agree = (
        (guesses == digits.labels[split.test]) == read_correct(tmp_path / "run", "test")
    ).mean()
    assert (
        agree == 1 if model != "efficientnet-lite0" else agree > 0.99
    )  # its features were rounded to float16 in the cache


def test_a_classifier_refuses_images_of_another_shape(
    digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    train(
        TrainingJob(
            make_recipe("mlp", {"epochs": 0.1}),
            SplitDataset(digits, digits_split),
            0,
            tmp_path / "run",
        )
    )
    with pytest.raises(InputError, match=r"expected \(8, 8, 1\) .*, got \(9, 8, 1\)"):
        load_network(tmp_path / "run").probabilities(np.zeros((1, 9, 8, 1), np.uint8))


def test_a_damaged_classifier_is_named(
    digits: Dataset, digits_split: Split, tmp_path: Path
) -> None:
    train(
        TrainingJob(
            make_recipe("mlp", {"epochs": 0.1}),
            SplitDataset(digits, digits_split),
            0,
            tmp_path / "run",
        )
    )
    weights = tmp_path / "run" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model\.safetensors is damaged: it has 1,000 bytes"):
        load_network(tmp_path / "run")
    (tmp_path / "run" / "manifest.json").unlink()  # as in runs of earlier versions
    with pytest.raises(InputError, match=r"cannot load .*model\.safetensors"):
        load_network(tmp_path / "run")


def test_features_are_computed_once_for_all_seeds(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = make_split(digits, train_images=100)
    train(
        TrainingJob(
            make_recipe("efficientnet-lite0", {"epochs": 1, "input_px": 32}),
            SplitDataset(digits, split),
            0,
            tmp_path / "a",
        ),
    )

    def never(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr("headstart.features._feature_cache.extract_features", never)
    train(
        TrainingJob(
            make_recipe("efficientnet-lite0", {"epochs": 1, "input_px": 32}),
            SplitDataset(digits, split),
            1,
            tmp_path / "b",
        ),
    )
    with pytest.raises(AssertionError, match="computed again"):
        train(
            TrainingJob(
                make_recipe("efficientnet-lite0", {"epochs": 1, "input_px": 48}),
                SplitDataset(digits, split),
                1,
                tmp_path / "c",
            ),
        )


def test_without_test_images_test_is_null(digits: Dataset, tmp_path: Path) -> None:
    summary = train(
        TrainingJob(
            make_recipe("mlp", {"epochs": 1}),
            SplitDataset(digits, make_split(digits, test=0)),
            0,
            tmp_path / "run",
        )
    )
    assert summary.test is None
    assert summary.validation is not None and summary.validation.n == 270
    json.dumps(summary.as_json(), allow_nan=False)


def test_validation_images_are_never_trained_on(
    digits: Dataset, digits_split: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headstart.training import _inputs

    seen: list[int] = []
    original = _inputs.ImageInputs.batch

    def spy(self: _inputs.ImageInputs, rows: Any, *rest: Any) -> torch.Tensor:
        seen.extend(rows.tolist())
        return original(self, rows, *rest)

    monkeypatch.setattr(_inputs.ImageInputs, "batch", spy)
    train(
        TrainingJob(
            make_recipe("mlp", {"epochs": 2}),
            SplitDataset(digits, digits_split),
            0,
            tmp_path / "run",
        )
    )
    assert seen and set(seen) <= set(digits_split.train.tolist())


def test_running_below_a_missing_folder_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere is not a folder"):
        list_runs(tmp_path / "nowhere")


def test_auto_weighs_classes_where_they_are_imbalanced_and_the_metric_counts_them_alike(
    digits: Dataset, small: Split
) -> None:
    data = SplitDataset(digits, small)
    rare = np.flatnonzero(digits.labels[small.train] == 3)[1:]
    imbalanced = SplitDataset(digits, replace(small, train=np.delete(small.train, rare)))
    by_macro = make_recipe("mlp", {"metric": "macro-f1"})
    by_accuracy = make_recipe("mlp", {"metric": "accuracy", "class_weights": "auto"})

    assert by_macro.class_weights == "auto"
    assert make_loss(by_macro, imbalanced).class_weights.max() > 2
    assert (make_loss(by_macro, data).class_weights == 1).all()
    assert (make_loss(by_accuracy, imbalanced).class_weights == 1).all()
    note = describe_class_weights(by_macro, imbalanced)
    assert note is not None and note.startswith("class weights: balanced.")
    assert describe_class_weights(make_recipe("mlp"), data) is None


def test_early_stopping_keeps_the_weights_with_the_best_score_of_the_metric(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    (tmp_path / "metric.py").write_text(
        "scores = iter([0.1, 0.5, 0.9, 0.7, 0.6])  # the first is a trial\n"
        "def score(labels, probabilities):\n"
        "    return next(scores)\n"
    )
    recipe = make_recipe(
        "mlp",
        {"epochs": 9, "nodes": 32, "patience": 2, "metric": f"{tmp_path / 'metric.py'}:score"},
    )
    summary = train(TrainingJob(recipe, SplitDataset(digits, small), 0, tmp_path / "run"))
    assert summary.epochs == 4
    metrics = read_metrics(tmp_path / "run")
    assert "metric.py:score did not rise for 2 epochs" in metrics.stop_reason
    assert metrics.validation is not None
    curve = read_curves(tmp_path / "run")
    assert curve["validation_loss"][1] == pytest.approx(metrics.validation.loss)
