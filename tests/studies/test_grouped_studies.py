"""Groups of the evaluated images, from the dataset to the finding, the page and the terminal."""

from __future__ import annotations

import csv
import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recomputing import differing_statistics
from rich.console import Console

from headstart import store
from headstart.data import Dataset, SplitDataset, load, make_split
from headstart.errors import InputError
from headstart.evaluation import accuracy_interval, recipe_test, verdict, wilson_interval
from headstart.models.recipes import make_recipe
from headstart.report import compare_table, run_table, write_report, write_run_report
from headstart.results import Comparison, read_metrics
from headstart.studies import ComparisonConfig, LearningRatesConfig, run_study
from headstart.studies._grid import Variant
from headstart.studies._grid_scores import seed_scores
from headstart.studies._group_notes import group_notes
from headstart.training import TrainingJob, read_correct, read_run, train

QUICK = ComparisonConfig(("mlp", "mlp:fast"), (0, 1), None, {"epochs": 1})


def grouped(digits: Dataset, images_per_group: int) -> SplitDataset:
    dataset = replace(digits, groups=np.arange(len(digits)) // images_per_group)
    return SplitDataset(dataset, make_split(dataset, train_images=100))


@pytest.fixture(scope="module")
def data(digits: Dataset) -> SplitDataset:
    return grouped(digits, 9)


@pytest.fixture(scope="module")
def study(data: SplitDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("groups") / "study"
    run_study(QUICK, data, folder)
    return folder


def finding_of(study: Path, data: SplitDataset) -> Comparison:
    return run_study(QUICK, data, study)


def printed(table: object) -> str:
    console = Console(width=300, file=io.StringIO(), record=True)
    console.print(table)
    return " ".join(console.export_text().split())


def test_a_comparison_resamples_the_groups_of_its_test_images(
    study: Path, data: SplitDataset
) -> None:
    finding = finding_of(study, data)
    groups = data.groups_of("test")
    assert groups is not None
    assert finding.evaluated_groups == len(np.unique(groups)) == 31

    correct = {
        contender.name: np.stack([read_correct(study / run, "test") for run in contender.runs])
        for contender in finding.contenders
    }
    for contender in finding.contenders:
        assert contender.test is not None
        assert contender.test.interval == accuracy_interval(correct[contender.name], groups=groups)
        assert contender.test.interval_over_images == accuracy_interval(correct[contender.name])

    pair = finding.verdict.pairs[0]
    test = recipe_test(correct[pair.a], correct[pair.b], groups=groups)
    assert (pair.interval, pair.p_value) == (test.interval, test.p_value)
    over_images = recipe_test(correct[pair.a], correct[pair.b]).interval
    assert pair.interval_over_images == over_images
    assert pair.interval != over_images
    assert finding.verdict.notes[0].startswith("Over 31 groups of test images, the 95% interval")
    assert "in 31 groups" in finding.verdict.sentence


@pytest.mark.usefixtures("page_only")
def test_page_and_terminal_show_both_intervals(study: Path, data: SplitDataset) -> None:
    write_report(study)
    page = (study / "report.html").read_text(encoding="utf-8")
    # Equal intervals, as these are after rounding, are not repeated.
    assert "if the images were independent" in page.lower()
    assert (
        "if the images were independent" in printed(compare_table(finding_of(study, data))).lower()
    )


@pytest.mark.usefixtures("page_only")
def test_a_run_keeps_the_groups_of_its_images(study: Path, data: SplitDataset) -> None:
    run = study / finding_of(study, data).contenders[0].runs[0]
    metrics = read_metrics(run).test
    groups = data.groups_of("test")
    assert metrics is not None
    assert groups is not None
    correct = read_correct(run, "test")
    assert metrics.interval == accuracy_interval(correct, groups=groups)
    assert metrics.interval_over_images == accuracy_interval(correct)
    assert metrics.groups == 31

    with (run / "predictions.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == "test"]
    assert [int(row["group"]) for row in rows] == groups.tolist()

    sentence = "Over 31 groups of test images, the 95% interval of the accuracy is"
    summary = {"test": read_metrics(run).test.as_json()}  # type: ignore[union-attr]
    assert sentence in printed(run_table(summary))
    write_run_report(run)
    assert sentence in (run / "report.html").read_text(encoding="utf-8")


def test_a_finished_run_is_reused_with_groups_that_it_was_not_evaluated_with(
    study: Path, data: SplitDataset, tmp_path: Path
) -> None:
    run = study / finding_of(study, data).contenders[0].runs[0]
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    with_groups = json.loads((copy / "metrics.json").read_text())
    scores = with_groups["test"]
    scores |= {"groups": None, "interval": scores["interval_over_images"]}
    scores["interval_over_images"] = None
    store.replace_sealed(copy / "metrics.json", store.json_bytes(with_groups))

    description = read_run(copy)
    summary = train(TrainingJob(description.recipe, data, description.seed, copy))
    assert summary.reused
    assert summary.test is not None
    before = read_metrics(run).test
    assert before is not None
    assert (summary.test.interval, summary.test.groups) == (before.interval, 31)
    assert read_metrics(copy) == read_metrics(run)


def test_finished_runs_are_compared_over_groups(
    study: Path, data: SplitDataset, tmp_path: Path
) -> None:
    runs = tuple(str(study / contender.runs[0]) for contender in finding_of(study, data).contenders)
    finding = run_study(ComparisonConfig(runs, (0,), None), data, tmp_path / "finished")
    correct = {run: read_correct(Path(run), "test") for run in runs}
    expected = verdict(correct, groups=data.groups_of("test"))
    assert finding.verdict.p_value == expected.p_value
    assert finding.verdict.interval == expected.interval
    assert finding.verdict.about == "models"


def test_scores_of_a_grid_are_intervals_over_groups(study: Path, data: SplitDataset) -> None:
    contender = finding_of(study, data).contenders[0]
    runs = {seed: study / run for seed, run in enumerate(contender.runs)}
    variant = Variant("mlp", make_recipe("mlp"), runs=runs)
    scores = seed_scores(variant, "test", data.groups_of("test"))
    assert scores is not None
    assert contender.test is not None
    assert (scores.accuracy.low, scores.accuracy.high) == contender.test.interval


def test_statistics_over_groups_follow_from_the_predictions_of_a_report(
    study: Path, data: SplitDataset, tmp_path: Path
) -> None:
    finding_of(study, data)
    assert differing_statistics(study, tmp_path) == set()
    config = LearningRatesConfig("mlp", (0.01, 0.003), 2, None, {"epochs": 8})
    assert run_study(config, data, tmp_path / "lr").best_interval is not None
    assert differing_statistics(tmp_path / "lr", tmp_path) == set()


def test_a_study_with_other_groups_is_another_study(
    study: Path, data: SplitDataset, digits: Dataset
) -> None:
    without = SplitDataset(replace(data.dataset, groups=None), data.split)
    with pytest.raises(InputError, match="holds a study with other groups, or without groups"):
        run_study(QUICK, without, study)
    renumbered = replace(data.dataset, groups=7 - 3 * np.asarray(data.dataset.groups))
    assert run_study(QUICK, SplitDataset(renumbered, data.split), study).study == "compare"
    alone = replace(digits, groups=np.arange(len(digits)))
    assert SplitDataset(alone, data.split).groups_digest == ""


def test_too_few_groups_are_named_and_not_resampled() -> None:
    correct = {"cnn": np.random.default_rng(0).random((2, 90)) < 0.8}
    (note,) = group_notes(correct, "test", np.arange(90) // 18)
    assert note == (
        "The 90 test images come from only 5 groups. Tests and intervals need at least 10 groups "
        "to resample, so they take the images as independent. They hold for further images of "
        "these groups, not for other groups."
    )
    assert group_notes(correct, "test", np.arange(90)) == []
    assert group_notes(correct, "test", None) == []


def test_folds_keep_groups_whole_and_their_baselines_resample_them(
    digits: Dataset, tmp_path: Path
) -> None:
    rows = np.arange(120)
    dataset = load((digits.images[rows], digits.labels[rows] % 2))
    # 14 groups of eight images, one of seven, and an image of its own.
    dataset = replace(dataset, groups=np.where(rows == 119, 15, rows // 8))
    data = SplitDataset(dataset, make_split(dataset))
    values = {"epochs": 1, "nodes": 8, "layers": 1}
    finding = run_study(
        ComparisonConfig(("mlp",), (0,), None, values, folds=3), data, tmp_path / "study"
    )
    assert finding.evaluated_groups == 16
    sentence = "Each of the 16 groups of images (1 of a single image) is in one fold."
    assert any(note.startswith(sentence) for note in finding.verdict.notes)
    majority = finding.baselines[0]
    over_images = wilson_interval(round(majority.accuracy * majority.n), majority.n)
    assert majority.interval != over_images
