"""Suspected wrong labels: their ranking, its calibration, and labels that mean nothing."""

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.audit import (
    ImageNames,
    LabelIssues,
    _half_networks,
    _suspects,
    find_duplicates,
    find_label_issues,
    suspect_report,
)
from headstart.audit._folds import assign_folds, join_clusters
from headstart.audit._half_networks import HalfNetworks, suits_networks
from headstart.audit._label_issues import LEAST_PROBABILITY
from headstart.audit._noise_model import fit_noise_model
from headstart.audit._out_of_fold import OutOfFoldRidge, _standardise
from headstart.audit._patch_features import patch_features
from headstart.audit._planted_errors import Calibration
from headstart.data import TEST, TRAIN, UNASSIGNED, Dataset, SplitDataset, make_split

Indices = NDArray[np.int64]
Features = NDArray[np.float16]


def clouds(images: int = 600, classes: int = 4, spread: float = 1.0) -> tuple[Dataset, Features]:
    """Return a dataset of class clouds, and features of its images."""
    rng = np.random.default_rng(0)
    labels = np.arange(images) % classes
    centres = rng.normal(size=(classes, 24))
    features = 1.5 * centres[labels] + spread * rng.normal(size=(images, 24))
    return labelled(labels, classes), features.astype(np.float16)


def labelled(labels: Indices, classes: int) -> Dataset:
    """Return a dataset with these labels, whose images are not looked at."""
    images = len(labels)
    return Dataset(
        name="clouds",
        source="",
        images=np.zeros((images, 1, 1, 1), np.uint8),
        labels=labels.astype(np.int64),
        class_names=tuple(f"class {number}" for number in range(classes)),
        parts=np.full(images, UNASSIGNED, np.uint8),
        hashes=np.arange(16 * images, dtype=np.int64)
        .astype("<i8")
        .view(np.uint8)[: 16 * images]
        .reshape(images, 16)
        .copy(),
        image_names=tuple(f"{number}.png" for number in range(images)),
        fingerprint="",
    )


def with_labels(dataset: Dataset, labels: Indices) -> Dataset:
    return dataclasses.replace(dataset, labels=labels)


def flip(labels: Indices, classes: int, count: int, seed: int = 0) -> tuple[Indices, Indices]:
    """Return labels with `count` wrong ones, and the rows of those."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(labels), count, replace=False)
    noisy = labels.copy()
    noisy[rows] = (noisy[rows] + rng.integers(1, classes, count)) % classes
    return noisy, rows


def audit(dataset: Dataset, features: Features, **options: object) -> LabelIssues:
    return find_label_issues(dataset, evidence={"features": features}, **options)  # type: ignore[arg-type]


def test_planted_errors_are_the_first_suspects() -> None:
    dataset, features = clouds()
    noisy, rows = flip(dataset.labels, 4, 30)
    issues = audit(with_labels(dataset, noisy), features)

    first = set(issues.ranked[:30].tolist())
    assert len(first & set(rows.tolist())) >= 29
    found = np.array(sorted(first & set(rows.tolist())))
    assert (issues.suggested[found] == dataset.labels[found]).mean() > 0.95
    assert issues.suggested[rows[0]] != noisy[rows[0]]


def test_the_interval_holds_the_number_of_planted_errors() -> None:
    dataset, features = clouds(spread=1.6)
    noisy, rows = flip(dataset.labels, 4, 30)
    issues = audit(with_labels(dataset, noisy), features)

    is_wrong = np.isin(issues.ranked, rows)
    for first in (10, 30, issues.count):
        wrong = issues.expected_wrong(first)
        assert wrong.suspects == first
        assert wrong.low <= is_wrong[:first].sum() <= wrong.high
        assert wrong.low <= wrong.number <= wrong.high
    everything = issues.expected_wrong()
    assert everything.suspects == issues.count == len(issues.suspects)
    assert f"{everything.low:,} to {everything.high:,}" in issues.describe()


def test_probabilities_are_calibrated() -> None:
    dataset, features = clouds(images=2000, spread=2.0)
    noisy, rows = flip(dataset.labels, 4, 200)
    issues = audit(with_labels(dataset, noisy), features)
    is_wrong = np.isin(np.arange(2000), rows)
    for low, high in ((0.1, 0.5), (0.5, 0.9)):
        chosen = (issues.probabilities > low) & (issues.probabilities <= high)
        assert chosen.sum() > 20
        assert low - 0.15 < is_wrong[chosen].mean() < high + 0.15


def test_right_labels_are_hardly_suspected() -> None:
    dataset, features = clouds()
    issues = audit(dataset, features)
    assert issues.is_better_than_chance
    assert issues.count <= 2
    assert issues.expected_wrong(50).high <= 5


@pytest.mark.parametrize("count", [0, 6])
def test_of_few_images_only_those_of_another_predicted_class_are_suspects(count: int) -> None:
    dataset, features = clouds(images=60, classes=2, spread=4.0)
    noisy, rows = flip(dataset.labels, 2, count)
    issues = audit(with_labels(dataset, noisy), features)
    assert issues.is_better_than_chance
    # The mean probability is above the limit, and so is that of every image.
    assert (issues.probabilities >= LEAST_PROBABILITY).all()

    doubtful = np.flatnonzero(issues.class_probabilities.argmax(1) != noisy)
    assert set(issues.suspects.tolist()) == set(doubtful.tolist())
    assert len(doubtful) < 30
    wrong = issues.expected_wrong()
    assert wrong.low <= np.isin(issues.suspects, rows).sum() <= wrong.high


def test_the_same_seed_gives_the_same_audit() -> None:
    dataset, features = clouds(images=200)
    noisy, _ = flip(dataset.labels, 4, 10)
    first, again = (audit(with_labels(dataset, noisy), features, seed=3) for _ in range(2))
    assert (first.ranked == again.ranked).all()
    assert first.expected_wrong() == again.expected_wrong()


@pytest.mark.parametrize("damage", ["shuffled", "moved by seven rows", "random"])
def test_labels_unrelated_to_images_are_no_better_than_chance(damage: str) -> None:
    dataset, features = clouds()
    rng = np.random.default_rng(1)
    order = rng.permutation(len(dataset))  # so that a neighbour's label says nothing
    labels = dataset.labels[order]
    damaged = {
        "shuffled": rng.permutation(labels),
        "moved by seven rows": np.roll(labels, 7),
        "random": rng.integers(0, 4, len(labels)),
    }
    issues = audit(with_labels(dataset, damaged[damage]), features[order])

    assert not issues.is_better_than_chance
    assert issues.count == 0
    assert len(issues.suspects) == 0
    assert issues.expected_wrong(20).number == 0
    assert "no better than chance" in issues.describe()


def test_labels_off_by_one_everywhere_are_consistent_and_nothing_is_suspected() -> None:
    dataset, features = clouds()
    issues = audit(with_labels(dataset, (dataset.labels + 1) % 4), features)
    assert issues.is_better_than_chance
    assert issues.count <= 2
    assert issues.renamed == ()


@pytest.mark.parametrize("permutation", [[1, 2, 3, 0], [0, 1, 3, 2]])
def test_a_class_map_in_another_order_in_one_part_is_named(permutation: list[int]) -> None:
    dataset, features = clouds()
    is_test = np.arange(600) % 5 == 0
    labels = np.where(is_test, np.array(permutation)[dataset.labels], dataset.labels)
    parts = np.where(is_test, TEST, TRAIN).astype(np.uint8)
    issues = audit(dataclasses.replace(dataset, labels=labels, parts=parts), features)

    expected = [(new, old) for old, new in enumerate(permutation) if old != new]
    assert sorted((found.label, found.looks_like) for found in issues.renamed) == sorted(expected)
    assert {found.part for found in issues.renamed} == {"test"}
    assert all(found.share > 0.8 for found in issues.renamed)


def test_the_report_names_classes_of_another_class_map(monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, features = clouds()
    is_test = np.arange(600) % 5 == 0
    dataset = dataclasses.replace(
        dataset,
        labels=np.where(is_test, np.array([0, 1, 3, 2])[dataset.labels], dataset.labels),
        parts=np.where(is_test, TEST, TRAIN).astype(np.uint8),
    )
    monkeypatch.setattr(_suspects, "gather_evidence", lambda *_: {"features": features})
    duplicates = find_duplicates(dataset)
    data = SplitDataset(dataset, make_split(dataset))
    report = suspect_report(data, duplicates, np.arange(600), ImageNames(data))

    (note,) = report.notes
    assert note.startswith("2 classes look like another class in one part only: class 2 (in test, ")
    assert "look like class 3), class 3 (in test, " in note


def test_classes_with_few_images_are_named() -> None:
    dataset, features = clouds(images=203)
    labels = dataset.labels.copy()
    labels[200:] = 4
    few = dataclasses.replace(dataset, labels=labels, class_names=(*dataset.class_names, "rare"))
    assert audit(few, features).few == (4,)


def test_a_copy_does_not_vouch_for_its_twin() -> None:
    dataset, features = clouds(images=300)
    labels = dataset.labels.copy()
    features = features.copy()
    hashes = dataset.hashes.copy()
    # Three exact copies of one image, all with the same wrong label.
    features[[8, 16]] = features[4]
    labels[[4, 8, 16]] = 3
    hashes[[8, 16]] = hashes[4]
    copies = dataclasses.replace(dataset, labels=labels, hashes=hashes)
    assert set(audit(copies, features).ranked[:3].tolist()) == {4, 8, 16}


def test_groups_and_near_duplicates_stay_in_one_fold() -> None:
    groups = np.array([0, 0, 1, 2, 3, 4])
    copies = np.array([0, 1, 1, 2, 3, 4])
    joined = join_clusters(groups, copies)
    assert len(set(joined[:3].tolist())) == 1
    assert len(set(joined.tolist())) == 4
    fold_of = assign_folds(np.zeros(6, np.int64), joined, 5, seed=0)
    assert len(set(fold_of[:3].tolist())) == 1
    assert set(fold_of.tolist()) == {0, 1, 2, 3}


def test_folds_are_stratified() -> None:
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    fold_of = assign_folds(labels, np.arange(100), 5, seed=1)
    for label, count in enumerate((10, 6, 4)):
        assert np.bincount(fold_of[labels == label]).tolist() == [count] * 5


def test_out_of_fold_scores_equal_fits_without_the_fold() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 8)).astype(np.float16)
    targets = rng.normal(size=(60, 3)).astype(np.float32)
    fold_of = rng.permutation(60) % 4
    ridge = OutOfFoldRidge(features, fold_of)
    ridge.set_penalty(0.3)

    inputs = _standardise(features).astype(np.float64)
    penalty = 0.3 * np.trace(inputs.T @ inputs) / 8
    centre = targets.mean(0)
    for fold in range(4):
        others, inside = inputs[fold_of != fold], inputs[fold_of == fold]
        gram = others.T @ others + penalty * np.eye(8)
        weights = np.linalg.solve(gram, others.T @ (targets - centre)[fold_of != fold])
        expected = inside @ weights + centre
        np.testing.assert_allclose(ridge.scores(targets)[fold_of == fold], expected, atol=2e-3)


@pytest.mark.parametrize("rate", [0.02, 0.05, 0.15])
def test_the_noise_model_finds_the_rate_of_wrong_labels(rate: float) -> None:
    rng = np.random.default_rng(0)
    truth = np.arange(6000) % 5
    scores = (np.eye(5)[truth] + 0.3 * rng.normal(size=(6000, 5))).astype(np.float32)
    noisy, _ = flip(truth, 5, round(rate * 6000))
    model = fit_noise_model([scores], noisy)
    assert abs(model.rate - rate) < 0.25 * rate
    assert np.allclose(model.probabilities.sum(1), 1)


def calibration(images: int, planted: float) -> Calibration:
    """Return what copies of this many images say, if all of them were as expected."""
    lengths = np.array([10, 50, 100])
    return Calibration(1.0, 0.0, lengths, np.zeros((24, 3)), 0.001 * images, planted)


def test_so_few_errors_that_they_look_like_odd_images_have_a_wide_interval() -> None:
    below, above = calibration(70_000, planted=10).deviation_interval(50)
    assert below <= -50 and above > 40
    below, above = calibration(2000, planted=40).deviation_interval(50)
    assert below == -2 and above < 0.5


def test_the_sentence_says_when_only_a_person_can_decide() -> None:
    dataset, features = clouds()
    labels, _ = flip(dataset.labels, 4, 30)
    issues = find_label_issues(with_labels(dataset, labels), evidence={"clouds": features})
    assert "only a person" not in issues.describe()
    rare = dataclasses.replace(issues, calibration=calibration(70_000, planted=10))
    assert rare.describe().endswith("only a person can tell them from odd images.")
    unknown = dataclasses.replace(issues, calibration=None)
    assert unknown.describe().endswith("How many are wrong was not estimated.")


def test_planted_errors_in_real_digits_are_found(digits: Dataset) -> None:
    rows = np.arange(600)
    part = dataclasses.replace(
        digits,
        images=digits.images[rows],
        labels=digits.labels[rows],
        hashes=digits.hashes[rows],
        parts=digits.parts[rows],
        image_names=digits.image_names[:600],
    )
    noisy, wrong = flip(part.labels, 10, 30)
    evidence = {"patches": patch_features(part)}
    issues = find_label_issues(with_labels(part, noisy), evidence=evidence)

    is_wrong = np.isin(issues.ranked, wrong)
    assert is_wrong[:30].mean() >= 0.9
    claim = issues.expected_wrong()
    assert claim.low <= is_wrong[: issues.count].sum() <= claim.high
    assert claim.low >= 20


@pytest.mark.parametrize("shape", [(28, 28, 1), (8, 8, 3), (2, 5, 1), (50, 90, 3)])
def test_patches_describe_images_of_any_shape(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    dataset = labelled(np.arange(9) % 2, 2)
    images = rng.integers(0, 256, (9, *shape), dtype=np.uint8)
    images[0] = 7  # flat
    features = patch_features(dataclasses.replace(dataset, images=images))
    assert features.shape[0] == 9
    assert np.isfinite(features).all()


def test_no_image_teaches_the_network_that_describes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_half_networks, "_EPOCHS", 1)
    dataset, _ = clouds(images=120)
    images = np.random.default_rng(0).integers(0, 256, (120, 12, 12, 1), dtype=np.uint8)
    dataset = dataclasses.replace(dataset, images=images)
    # Units of one class each, so that other labels leave the halves as they are.
    units = np.arange(120)
    half_of = np.arange(120) // 4 % 2
    monkeypatch.setattr(
        _half_networks,
        "assign_folds",
        lambda labels, units, folds, seed: half_of if folds == 2 else units % folds,
    )
    other_labels = np.where(half_of == 0, dataset.labels[::-1], dataset.labels)
    targets = np.eye(4, dtype=np.float32)[dataset.labels]

    scores = []
    for labels in (dataset.labels, other_labels):
        networks = HalfNetworks(with_labels(dataset, labels), units, folds=3, seed=0)
        networks.set_penalty(1.0)
        scores.append(networks.scores(targets))
    np.testing.assert_array_equal(scores[0][half_of == 0], scores[1][half_of == 0])
    assert not np.allclose(scores[0][half_of == 1], scores[1][half_of == 1])
    assert not suits_networks(dataset)


def test_networks_are_one_more_source_of_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_half_networks, "_EPOCHS", 1)
    dataset, features = clouds(images=200)
    images = np.zeros((200, 12, 12, 1), np.uint8)
    for row, label in enumerate(dataset.labels):
        images[row, 3 * label : 3 * label + 3] = 200
    dataset = dataclasses.replace(dataset, images=images)
    noisy, rows = flip(dataset.labels, 4, 10)
    issues = audit(with_labels(dataset, noisy), features, networks=True)
    assert issues.evidence == ("features", "networks of the other half")
    assert np.isin(issues.ranked[:10], rows).mean() >= 0.9
