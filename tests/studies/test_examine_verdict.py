"""What the verdict of a comparison depends on: copies, suspected labels, classes, subgroups."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from headstart import store
from headstart.data import Dataset, Folds, Split, SplitDataset, load, make_split
from headstart.evaluation import verdict
from headstart.results import Robustness, Suspect
from headstart.studies import AuditConfig, _robustness as robustness, run_study
from headstart.studies._audit_evidence import AuditEvidence, SuspectedLabels, audit_evidence
from headstart.studies._fold_results import FoldResults
from headstart.studies._folds import StudyFolds
from headstart.studies._image_slices import image_slices
from headstart.training import read_predicted

IMAGES = 240
CLASSES = ("ant", "bee", "cat", "dog")


@pytest.fixture
def data(digits: Dataset) -> SplitDataset:
    """Return 240 test images of 4 classes whose brightness rises with their number."""
    rng = np.random.default_rng(0)
    rows = np.arange(IMAGES)
    images = np.repeat(rows, 64).reshape(-1, 8, 8, 1).astype(np.uint8)
    images += rng.integers(0, 8, images.shape, np.uint8)
    dataset = replace(
        digits,
        source="",
        images=images,
        labels=rows % 4,
        class_names=CLASSES,
        image_names=tuple(str(row) for row in rows),
    )
    return SplitDataset(dataset, Split(rows[:0], rows[:0], rows, 0, 0, "split"))


def contenders(
    folder: Path, predicted: dict[str, NDArray[np.int64]], data: SplitDataset
) -> robustness._Contenders:
    """Write one run per contender that predicts these classes."""
    labels = data.test_labels
    correct, runs = {}, {}
    for name, classes in predicted.items():
        run = folder / name
        write_predictions(run, labels, classes)
        correct[name] = (classes == labels)[None]
        runs[name] = {0: run}
    groups = data.groups_of("test")
    return robustness._Contenders(correct, runs, "test", 0.005, data.split.test, groups)


def write_predictions(run: Path, labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> None:
    run.mkdir(parents=True)
    with (run / "predictions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["index", "image", "part", "label", "predicted", "correct", *CLASSES])
        for row, (label, guess) in enumerate(zip(labels, predicted, strict=True)):
            names = [CLASSES[label], CLASSES[guess]]
            rows.writerow([row, row, "test", *names, int(label == guess), 0.7, 0.1, 0.1, 0.1])


def examine(
    entered: robustness._Contenders,
    data: SplitDataset,
    evidence: AuditEvidence,
    monkeypatch: pytest.MonkeyPatch,
) -> Robustness:
    monkeypatch.setattr(robustness, "audit_evidence", lambda *_: evidence)
    return robustness._robustness(entered, data, Path())


def shifted(data: SplitDataset, wrong: slice) -> NDArray[np.int64]:
    """Return predictions that are the next class for some images, and correct for the others."""
    predicted = data.test_labels.copy()
    predicted[wrong] = (predicted[wrong] + 1) % 4
    return predicted


def test_a_verdict_that_rests_on_wrong_labels_changes_when_they_are_corrected(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The labels of images 0 to 29 are wrong: only the first contender agrees with them."""
    predicted = {"cnn": shifted(data, slice(30, 38)), "mlp": shifted(data, slice(0, 30))}
    entered = contenders(tmp_path, predicted, data)
    assert read_predicted(tmp_path / "mlp", "test").tolist() == predicted["mlp"].tolist()

    rows = np.arange(26)
    probability = np.where(rows < 20, 0.9, 0.2)
    suspects = SuspectedLabels(rows, (data.test_labels[rows] + 1) % 4, probability)
    pictures = np.arange(IMAGES)
    pictures[[2, 3]] = [90, 91]
    copied = SplitDataset(data.dataset, replace(data.split, train=np.array([90, 91])))
    result = examine(entered, copied, AuditEvidence(pictures, suspects), monkeypatch)
    assert result.is_robust is False
    assert result.is_strong is True
    checks = {check.name: check for check in result.checks}
    assert [check.images for check in result.checks] == [4, 26, 20, checks["class"].images]
    assert checks["near copies"].holds
    assert not checks["without suspects"].holds
    assert checks["without suspects"].difference == pytest.approx((4 - 8) / (IMAGES - 26))
    # Corrected, the 20 labels favour mlp: it is ahead on 28 images and behind on 10.
    assert checks["corrected labels"].winner == "mlp"
    assert checks["corrected labels"].difference == pytest.approx((10 - 28) / IMAGES)
    assert result.sentence.startswith(
        "Not robust: cnn is not significantly better without 26 images with suspected labels ("
    )


def test_a_robust_verdict_says_what_was_checked_and_what_was_not(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted = {"cnn": shifted(data, slice(0, 2)), "mlp": shifted(data, slice(2, IMAGES, 5))}
    entered = contenders(tmp_path, predicted, data)
    result = examine(entered, data, AuditEvidence(None, None), monkeypatch)
    assert (result.is_robust, result.is_strong) == (None, True)
    assert [(check.name, check.holds) for check in result.checks] == [("class", True)]
    better = "cnn is also significantly better without class "
    assert result.sentence.startswith(f"Strong evidence: {better}")
    assert "but whether copies or wrong labels explain it is not known." in result.sentence
    assert result.labels_to_overturn is not None
    assert f"{result.labels_to_overturn} wrong labels" in result.sentence
    assert len(result.not_checked) == 4

    grouped = replace(data.dataset, groups=np.arange(IMAGES) // 12)
    grouped_data = SplitDataset(grouped, data.split)
    entered = replace(entered, groups=grouped_data.groups_of("test"))
    result = examine(entered, grouped_data, AuditEvidence(np.arange(IMAGES), None), monkeypatch)
    assert [check.name for check in result.checks] == ["near copies", "class", "group"]
    assert len(result.not_checked) == 2
    nothing = np.array([], int)
    known = AuditEvidence(np.arange(IMAGES), SuspectedLabels(nothing, nothing, np.array([])))
    result = examine(entered, grouped_data, known, monkeypatch)
    assert result.is_robust is True
    assert result.sentence.startswith(f"Robust: {better}")


def test_without_a_winner_the_sentence_says_what_was_tried(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predicted = {"cnn": shifted(data, slice(0, 9)), "mlp": shifted(data, slice(9, 20))}
    entered = contenders(tmp_path, predicted, data)
    result = examine(entered, data, AuditEvidence(None, None), monkeypatch)
    unknown = "The verdict is undecided, and nothing is known about copies or wrong labels."
    assert result.sentence == unknown

    pictures = np.arange(IMAGES)
    result = examine(entered, data, AuditEvidence(pictures, None), monkeypatch)
    assert result.sentence.endswith("and no image had to be left out or relabelled.")

    all_copies = SplitDataset(data.dataset, replace(data.split, train=np.arange(IMAGES)))
    result = examine(entered, all_copies, AuditEvidence(pictures, None), monkeypatch)
    assert result.sentence == (
        "The verdict depends on the images: no image is left without 240 near copies of training "
        "images."
    )

    for copied, sentence in (
        (30, "The verdict is also undecided without 30 near copies of training images."),
        (
            9,
            "The verdict depends on the images: cnn wins without 9 near copies of training images.",
        ),
    ):
        rows = np.arange(100, 130) if copied == 30 else np.arange(9)
        leaky = SplitDataset(data.dataset, replace(data.split, train=rows))
        result = examine(entered, leaky, AuditEvidence(pictures, None), monkeypatch)
        assert result.sentence == sentence


def test_subgroups_by_class_and_pixels(data: SplitDataset) -> None:
    slices = {
        f"{item.kind} {item.name}": item.is_member
        for item in image_slices(data.dataset, data.split.test)
    }
    assert (np.flatnonzero(slices["class bee"]) % 4 == 1).all()
    assert slices["brightness darkest fifth"][:40].all()
    assert not slices["brightness darkest fifth"][60:].any()
    assert slices["brightness brightest fifth"][200:].all()
    clusters = [mask for name, mask in slices.items() if name.startswith("similar appearance")]
    assert (np.sum(clusters, axis=0) == 1).all(), "each image is in one cluster"


def test_a_subgroup_is_reported_with_both_accuracies(data: SplitDataset, tmp_path: Path) -> None:
    predicted = {"cnn": data.test_labels, "mlp": shifted(data, slice(2, IMAGES, 4))}
    slices = robustness._slices(contenders(tmp_path, predicted, data), data)
    assert (slices.a, slices.b) == ("cnn", "mlp")
    first = slices.significant[0]
    assert (first.kind, first.name, first.images) == ("class", "cat", IMAGES // 4)
    assert (first.accuracy_a, first.accuracy_b) == (1.0, 0.0)
    assert "but +100.0 in class cat" in slices.sentence


def test_sizes_of_files_are_subgroups(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(24):
        folder = tmp_path / "photos" / CLASSES[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        px = 10 if number < 12 else 20
        pixels = rng.integers(0, 255, (px, px, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    dataset = load(tmp_path / "photos")
    rows = np.arange(24)[::-1].copy()
    sizes = [item for item in image_slices(dataset, rows) if item.kind.startswith("size")]
    small = [dataset.image_names[row] for row in rows[sizes[0].is_member]]
    assert sizes[0].name == "smallest fifth"
    assert sorted(int(Path(name).stem) for name in small) == list(range(12))


def test_columns_of_the_table_are_subgroups(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["file,season,label,age,weight"]
    for number in range(60):
        pixels = rng.integers(0, 256, (8, 8), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
        weight = "" if number == 7 else f"{59 - number}.5"
        season = ("spring", "autumn", "winter")[number % 3]
        lines.append(f"{number}.png,{season},{'ab'[number % 2]},{number % 4},{weight}")
    lines[1:] = reversed(lines[1:])
    (tmp_path / "labels.csv").write_text("\n".join(lines))

    dataset = load(tmp_path / "labels.csv")
    columns = [
        item for item in image_slices(dataset, np.arange(60)) if item.kind.startswith("column")
    ]
    assert {item.kind for item in columns} == {"column season", "column age", "column weight"}
    members = {(item.kind, item.name): item.is_member for item in columns}
    seasons = [dataset.image_names.index(f"{number}.png") for number in range(0, 60, 3)]
    assert np.flatnonzero(members["column season", "spring"]).tolist() == sorted(seasons)
    assert members["column age", "3"].sum() == 15, "few numbers are words"
    lightest = members["column weight", "lowest fifth"]
    names = {dataset.image_names[row] for row in np.flatnonzero(lightest)}
    assert names == {f"{number}.png" for number in range(48, 60)}


def test_folds_keep_their_test_and_read_every_prediction(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.arange(IMAGES)
    fold_of = np.stack([rows % 3, rows // 2 % 3])
    splits = ((data.split,) * 3,) * 2
    folds = StudyFolds(Folds(data.dataset, rows, fold_of, splits, 0), (0, 1))
    predicted = {"cnn": shifted(data, slice(0, 4)), "mlp": shifted(data, slice(2, IMAGES, 4))}
    correct, runs = {}, {}
    for name, classes in predicted.items():
        correct[name] = np.stack([classes == data.test_labels] * 2)
        runs[name] = {number: tmp_path / f"{name}{number}" for number in range(6)}
        for number, run in runs[name].items():
            tested = rows[fold_of[number // 3] == number % 3]
            write_predictions(run, data.dataset.labels[tested], classes[tested])
    over_folds = FoldResults(folds, correct, (0, 1), 0)
    entered = robustness._Contenders(correct, runs, "test", 0.005, rows, None, over_folds)
    assert entered.read_predicted("mlp").tolist() == [predicted["mlp"].tolist()] * 2

    pictures = rows.copy()
    pictures[1] = pictures[0]  # in other folds of the first repeat
    pictures[6] = pictures[12]  # in one fold of both
    labels = SuspectedLabels(rows[:1], data.test_labels[:1], np.array([0.9]))
    result = examine(entered, data, AuditEvidence(pictures, labels), monkeypatch)
    assert [check.images for check in result.checks] == [2, 1, 1, IMAGES // 4]
    assert [check.holds for check in result.checks] == [True, True, True, False]
    expected = verdict(
        {name: array[:, 2:] for name, array in correct.items()}, fold_of=fold_of[:, 2:]
    )
    assert result.checks[0].p_value == expected.p_value
    assert not any("split" in sentence for sentence in result.not_checked)
    slices = robustness._slices(entered, data)
    assert slices.significant[0].name == "cat"


@pytest.mark.parametrize(
    ("fold_of_group", "checks"),
    [
        (((0, 1, 2, 3), (3, 2, 1, 0)), ["class", "group"]),  # each group is a fold of its own
        (((0, 0, 1, 1), (0, 1, 1, 2)), ["class", "group"]),  # one repeat keeps more folds
        (((1, 0, 0, 0), (1, 0, 0, 0)), ["class"]),  # one fold would be left
    ],
)
def test_a_fold_that_holds_only_the_group_that_is_left_out_ends_no_examination(
    fold_of_group: tuple[tuple[int, ...], ...],
    checks: list[str],
    data: SplitDataset,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = np.arange(IMAGES)
    group_of = rows // 60
    fold_of = np.array(fold_of_group)[:, group_of]
    count = int(fold_of.max()) + 1
    folds = StudyFolds(Folds(data.dataset, rows, fold_of, ((data.split,) * count,) * 2, 0), (0, 1))
    # The lead is largest in the first group, in every fold.
    ahead, behind = np.ones((2, IMAGES), bool), np.ones((2, IMAGES), bool)
    behind[:, rows % 10 > 0] = False
    behind[:, :60] = False
    over_folds = FoldResults(folds, {"cnn": ahead, "mlp": behind}, (0, 1), 0)
    entered = robustness._Contenders(
        over_folds.correct, {}, "test", 0.005, rows, group_of, over_folds
    )
    result = examine(entered, data, AuditEvidence(None, None), monkeypatch)
    assert [check.name for check in result.checks] == checks
    fewer = [sentence for sentence in result.not_checked if "in one fold only" in sentence]
    assert len(fewer) == 2 - len(checks)


def test_an_audit_beside_the_study_tells_copies_and_suspects(
    digits: Dataset, tmp_path: Path
) -> None:
    images = np.concatenate([digits.images[:80], digits.images[:5]])
    labels = np.concatenate([digits.labels[:80], digits.labels[:5]])
    dataset = load((images, labels))
    assert audit_evidence(dataset, tmp_path / "study").pictures is None

    folder = tmp_path / "audit"
    report = run_study(AuditConfig(quick=True), SplitDataset(dataset, make_split(dataset)), folder)
    suspect = Suspect(
        image="7",
        index=7,
        label="7",
        part="train",
        suggested="1",
        probability=0.9,
        label_probability=0.05,
        wrong_probability=0.8,
    )
    store.unseal(folder)  # the test adds a suspect
    store.write_json(
        folder / "finding.json", report.model_copy(update={"suspects": (suspect,)}).as_json()
    )
    evidence = audit_evidence(dataset, tmp_path / "study")
    assert evidence.pictures is not None
    assert evidence.pictures[80:].tolist() == evidence.pictures[:5].tolist()
    assert len(np.unique(evidence.pictures)) == 80
    assert evidence.suspects is None, "a quick audit does not examine labels"

    study = store.read_json(folder / "study.json")
    store.write_json(folder / "study.json", {**study, "quick": False})
    evidence = audit_evidence(dataset, tmp_path / "study")
    assert evidence.suspects is not None
    assert (evidence.suspects.rows.tolist(), evidence.suspects.suggested.tolist()) == ([7], [1])
    assert audit_evidence(replace(dataset, fingerprint="other"), tmp_path).suspects is None


def test_a_failure_ends_no_study(
    data: SplitDataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from headstart.studies._study import StudyContext

    def fail(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(robustness, "_robustness", fail)
    context = StudyContext(data, Path(), 0.0)
    correct = {name: np.ones((1, IMAGES), bool) for name in ("cnn", "mlp")}
    results: Any = SimpleNamespace(correct=correct, over_folds=None)
    assert robustness.examine_verdict([], results, "test", 0.005, context) == (None, None)
    assert "WARNING: the finding does not say whether" in capsys.readouterr().err
    single: Any = SimpleNamespace(correct={"cnn": correct["cnn"]}, over_folds=None)
    assert robustness.examine_verdict([], single, "test", 0.005, context) == (None, None)
    assert capsys.readouterr().err == ""
