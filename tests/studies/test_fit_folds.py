"""Few images in `fit`: folds decide, and the last fit uses training and validation images."""

from __future__ import annotations

import csv
import signal
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import headstart
from headstart import progress
from headstart.classifier import InferenceMetadata, load_classifier
from headstart.data import (
    Dataset,
    SplitDataset,
    make_folds,
    make_split,
    with_all_for_training,
    without_test,
)
from headstart.errors import Stopped
from headstart.evaluation import apply_temperature, compute_metrics, selection_metric
from headstart.models.recipes import make_recipe
from headstart.results import PartMetrics, RunSummary, read_metrics
from headstart.studies.fit import _costs, _folds, _ladder, _last_fit
from headstart.studies.fit._choice_on_folds import choose_on_folds
from headstart.studies.fit._costs import LadderCosts
from headstart.studies.fit._fold_time import next_to_cross_validate
from headstart.studies.fit._folds import FOLDS, FitFolds, fit_folds
from headstart.studies.fit._ladder import Ladder
from headstart.studies.fit._rung import CNN, FINE_TUNED, FROZEN, FoldScores, Rung, RungResult
from headstart.training import HeldOut, TrainingJob, read_probabilities, train
from headstart.training._held_out import measure_on_held_out

ACCURACY = selection_metric("accuracy")
FEW: dict[str, Any] = {"train_images": 60, "validation": 0.03}


@pytest.fixture
def few(digits: Dataset) -> SplitDataset:
    """Return 60 training and 54 validation images, without test images."""
    return without_test(SplitDataset(digits, make_split(digits, **FEW)))


@pytest.fixture
def one_frozen_head(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ladder have one backbone at its smallest size, and nothing else."""
    monkeypatch.setattr(_costs, "installed_backbones", lambda: ["efficientnet-lite0"])
    monkeypatch.setattr(_ladder, "SIZES_PX", (32,))
    monkeypatch.setattr(_ladder.Ladder, "_short_cnn", lambda *_: None)
    monkeypatch.setattr(_ladder.Ladder, "_late_cnn", lambda *_: None)
    monkeypatch.setattr(_ladder.Ladder, "_fine_tuning_px", lambda *_: None)


def predict(labels: NDArray[np.int64], correct: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return probabilities of 10 classes of which these images are correctly classified."""
    probabilities = np.full((len(labels), 10), 0.03, np.float32)
    probabilities[np.arange(len(labels)), np.where(correct, labels, (labels + 1) % 10)] = 0.73
    return probabilities


def make_result(
    name: str, family: str, few: SplitDataset, wrong: int, wrong_by_folds: int | None = None
) -> RungResult:
    """Return the result of a rung that misclassifies so many images, the first ones."""
    labels = few.validation_labels
    raw = predict(labels, np.arange(len(labels)) >= wrong)
    scores = None
    if wrong_by_folds is not None:
        rows = np.union1d(few.split.train, few.split.validation)
        own = few.dataset.labels[rows]
        probabilities = predict(own, np.arange(len(own)) >= wrong_by_folds)
        part = PartMetrics(
            **compute_metrics(own, probabilities).as_json(), class_names=few.class_names
        )
        score = ACCURACY.score(own, probabilities)
        scores = FoldScores(own, probabilities, probabilities, score, part.scores(), 1.0)
    metrics: Any = SimpleNamespace(
        epochs=20.0,
        recipe={"optimizer": "adam"},
        seconds=SimpleNamespace(train=10.0, prepare=0.0),
        start=None,
        validation=SimpleNamespace(loss=wrong / 10),
        predict_ms_per_image=1.0,
    )
    rung = Rung(name, family, make_recipe("cnn"), 1.0, "because")
    score = ACCURACY.score(labels, raw)
    return RungResult(rung, Path(), metrics, raw, raw, score, 10.0, scores)


def open_folds(few: SplitDataset) -> FitFolds:
    folds = fit_folds(few, ACCURACY)
    assert folds is not None
    return folds


@pytest.mark.parametrize(("per_class", "count"), [(2, None), (3, 3), (4, 4), (7, 5)])
def test_the_smallest_class_decides_how_many_folds_there_are(
    digits: Dataset, per_class: int, count: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    few = SplitDataset(digits, make_split(digits, train_images=10 * per_class, validation=0.01))
    rows = [np.flatnonzero(digits.labels == label)[:per_class] for label in range(10)]
    train = np.sort(np.concatenate(rows))
    validation = np.setdiff1d(few.split.validation, train)[:0]
    few = replace(few, split=replace(few.split, train=train, validation=validation))
    progress.show_progress(True)
    folds = fit_folds(without_test(few), ACCURACY)
    progress.show_progress(False)
    assert (None if folds is None else folds.count) == count
    said = capsys.readouterr().err
    assert ("0 validation images will select the classifier" in said) == (folds is None)


def test_folds_divide_training_and_validation_images_and_no_test_image(digits: Dataset) -> None:
    data = SplitDataset(digits, make_split(digits, **FEW))
    folds = open_folds(without_test(data))
    expected = np.union1d(data.split.train, data.split.validation)
    assert folds.images.tolist() == expected.tolist()
    for split in folds.folds.splits[0]:
        assert not len(split.validation)
        assert np.union1d(split.train, split.test).tolist() == expected.tolist()
        assert len(np.unique(digits.labels[split.train])) == 10
    everything = with_all_for_training(data).split
    assert everything.train.tolist() == expected.tolist()
    assert not len(everything.validation)
    assert not len(everything.test)


def test_folds_divide_no_group(few: SplitDataset) -> None:
    groups = np.arange(len(few.dataset)) // 4
    data = SplitDataset(replace(few.dataset, groups=groups), few.split)
    folds = open_folds(data).folds
    for group in np.unique(groups[folds.images]):
        assert len(np.unique(folds.fold_of[0][groups[folds.images] == group])) == 1


def test_many_images_have_no_folds(digits: Dataset) -> None:
    assert fit_folds(without_test(SplitDataset(digits, make_split(digits))), ACCURACY) is None


def test_only_some_images_can_be_divided(few: SplitDataset) -> None:
    images = few.split.train
    folds = make_folds(few, 3, 1, has_validation=False, images=images)
    assert folds.images.tolist() == images.tolist()
    assert folds.kept_test == 0


def test_folds_decide_between_candidates_and_not_the_few_validation_images(
    few: SplitDataset,
) -> None:
    good_by_chance = make_result("at 64 px", FROZEN, few, wrong=2, wrong_by_folds=40)
    better = make_result("at 96 px", FROZEN, few, wrong=4, wrong_by_folds=15)
    choice = choose_on_folds([good_by_chance, better], open_folds(few))
    assert [member.rung.name for member in choice.members] == ["at 96 px"]
    assert choice.is_cross_validated
    assert better.folds is not None
    assert choice.score == better.folds.score


def test_a_candidate_without_folds_must_be_better_on_validation_images(few: SplitDataset) -> None:
    head = make_result("head", FROZEN, few, wrong=12, wrong_by_folds=25)
    folds = open_folds(few)
    places = folds.validation_places
    wrong = int((places < 25).sum())  # of the validation images, by folds
    equal = make_result("cnn", CNN, few, wrong=wrong)
    assert choose_on_folds([head, equal], folds).members == (head,)
    better = make_result("cnn", CNN, few, wrong=wrong - 1)
    choice = choose_on_folds([head, better], folds)
    assert choice.members == (better,)
    assert choice.beaten is not None
    assert choice.beaten.name == "head"
    assert choice.beaten.score == pytest.approx(1 - wrong / len(places))


def test_without_time_for_folds_the_head_must_be_beaten_as_well(few: SplitDataset) -> None:
    head = make_result("head", FROZEN, few, wrong=12)
    for wrong, chosen in ((13, "head"), (12, "head"), (11, "cnn")):
        rival = make_result("cnn", CNN, few, wrong=wrong)
        assert choose_on_folds([head, rival], open_folds(few)).short_name == chosen


def test_a_trained_run_is_cross_validated_if_it_is_promising_and_the_time_suffices(
    few: SplitDataset,
) -> None:
    costs = LadderCosts(("efficientnet-lite0",), 0.001, 64, 64, 60, 54, 100, 10)
    ladder = Ladder(costs, 600.0, few.validation_labels, ACCURACY, folds=FOLDS)
    head = make_result("head", FROZEN, few, wrong=12, wrong_by_folds=25)
    good, bad = (make_result("cnn", CNN, few, wrong=wrong) for wrong in (11, 50))
    good.metrics.epochs = bad.metrics.epochs = 1e6  # type: ignore[misc]
    assert next_to_cross_validate(ladder, [head, good], 60.0, ()) is good
    assert next_to_cross_validate(ladder, [head, good], 59.0, ()) is None
    assert next_to_cross_validate(ladder, [head, good], 60.0, ["cnn"]) is None
    assert next_to_cross_validate(ladder, [head, bad], 60.0, ()) is None
    good.metrics.epochs = 1  # type: ignore[misc]
    assert next_to_cross_validate(ladder, [head, good], 60.0, ()) is None


def test_with_folds_cheap_heads_come_before_the_long_run(few: SplitDataset) -> None:
    costs = LadderCosts(
        ("efficientnet-lite0", "efficientnet-lite1"), 0.001, 64, 64, 2000, 54, 100, 10
    )
    ladder = Ladder(costs, 600.0, few.validation_labels, ACCURACY)
    started = [
        make_result("efficientnet-lite0 frozen at 64 px", FROZEN, few, 12, wrong_by_folds=25),
        make_result("cnn, short", CNN, few, wrong=20),
        make_result("efficientnet-lite0 fine-tuned at 64 px, short", FINE_TUNED, few, wrong=12),
    ]
    for place, transfer in ((0, "frozen"), (2, "finetune")):
        recipe = make_recipe("efficientnet-lite0", {"transfer": transfer, "input_px": 64})
        rung = replace(started[place].rung, recipe=recipe)
        started[place] = replace(started[place], rung=rung)
    without_folds = ladder.next(started, [], 400.0)
    ladder.folds = FOLDS
    with_folds = ladder.next(started, [], 400.0)
    assert without_folds is not None
    assert with_folds is not None
    assert without_folds.family != FROZEN
    assert with_folds.family == FROZEN


def test_temperature_and_sets_come_from_images_that_trained_nothing(few: SplitDataset) -> None:
    rows = np.union1d(few.split.train, few.split.validation)
    labels = few.dataset.labels[rows]
    held_out = HeldOut(rows, predict(labels, np.arange(len(rows)) >= 60))
    metadata = measure_on_held_out(InferenceMetadata(), few, held_out)
    assert metadata.calibration is not None
    assert metadata.calibration.images == len(rows)
    assert metadata.temperature > 1.2  # 73% certain, and 47% correct
    calibrated = apply_temperature(held_out.probabilities, metadata.temperature)
    assert metadata.set_scores is not None
    assert sum(len(line.split()) for line in metadata.set_scores.scores) == len(calibrated)


@pytest.mark.usefixtures("page_only", "one_frozen_head")
def test_a_fit_stopped_in_its_folds_continues_and_ends_with_a_last_fit(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []

    def stop_in_the_third_fold(job: TrainingJob) -> RunSummary:
        if job.folder.name.endswith("fold3") and len(trained) == 2:
            raise Stopped(signal.SIGTERM, "stopped")
        summary = train(job)
        trained.append(f"{job.folder.name}: {summary.reused}")
        return summary

    study = tmp_path / "fit"
    monkeypatch.setattr(_folds, "train", stop_in_the_third_fold)
    with pytest.raises(Stopped, match="best classifier so far is"):
        headstart.fit(digits, time_limit=600, out=study, **FEW)
    load_classifier(study / "classifier")

    last_fits: list[TrainingJob] = []

    def fit_last(job: TrainingJob) -> RunSummary:
        last_fits.append(job)
        return train(job)

    monkeypatch.setattr(_last_fit, "train", fit_last)
    result = headstart.fit(digits, time_limit=600, out=study, **FEW)
    finding = result.finding
    is_read = [entry.split(": ")[1] for entry in trained]
    assert is_read == ["False"] * 2 + ["True"] * 2 + ["False"] * 3
    frozen = finding.tried[0]
    assert frozen.cross_validated is not None
    assert frozen.cross_validated.n == 114
    assert finding.folds == FOLDS
    assert finding.cross_validated is not None
    assert finding.validation_score == pytest.approx(finding.cross_validated.accuracy)
    assert finding.test_reads == 1

    assert [len(job.data.split.train) for job in last_fits] == [114]
    assert finding.last_fit is not None
    assert finding.last_fit.images == 114
    assert finding.last_fit.sentence in finding.sentences
    metrics = read_metrics(study / "classifier")
    assert metrics.last_fit == finding.last_fit
    assert metrics.validation is not None
    assert metrics.validation.n == 54
    classifier = load_classifier(study / "classifier")
    assert classifier.metadata.training is not None
    assert classifier.metadata.training.train_images == 114

    test = set(make_split(digits, **FEW).test.tolist())
    for run in (study / "runs").glob("*-fold?"):
        with (run / "predictions.csv").open(newline="") as file:
            assert test.isdisjoint(int(row["index"]) for row in csv.DictReader(file))

    # Validation predictions are those of the folds: the classifier has seen the images.
    names = digits.class_names
    _, written = read_probabilities(study / "classifier", "validation", names)
    own = classifier.probabilities(digits.images, make_split(digits, **FEW).validation)
    assert np.abs(written - own).max() > 0.01
