"""Cross-validation in studies: every image is tested once per repeat."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from recomputing import differing_statistics

import headstart
from headstart.data import TEST, UNASSIGNED, Dataset, SplitDataset, load, make_split, read_split
from headstart.errors import InputError, RunFailed
from headstart.models.recipes import make_recipe
from headstart.report import write_report
from headstart.results import Contender, read_finding
from headstart.studies import (
    ComparisonConfig,
    EffectsConfig,
    LabelCurvesConfig,
    LearningRatesConfig,
    run_study,
)
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._design import design_study
from headstart.studies._fold_results import FoldResults
from headstart.studies._folds import keep_representative_weights
from headstart.training import read_correct

TRAIN = "headstart.studies._training_rounds.train"


def stripes(images: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Return images whose class is the position of a bright stripe, with noise."""
    rng = np.random.default_rng(0)
    labels = np.arange(images) % 3
    pixels = rng.integers(0, 90, (images, 8, 8, 1), np.uint8)
    for row, label in enumerate(labels):
        pixels[row, :, 2 * label + 1] += 100
    return pixels, labels


@pytest.fixture
def data() -> SplitDataset:
    dataset = load(stripes())
    return SplitDataset(dataset, make_split(dataset))


def quick(*models: str, folds: int | None = 3, seeds: int = 2) -> ComparisonConfig:
    values = {"epochs": 3, "nodes": 8, "layers": 1}
    return ComparisonConfig(models, tuple(range(seeds)), None, values, folds=folds)


def test_all_images_are_tested_once_per_repeat(data: SplitDataset, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    finding = run_study(quick("mlp"), data, folder)
    assert finding == read_finding(folder)
    contender = finding.contenders[0]
    names = [f"runs/mlp-fold{fold}-seed{seed}" for seed in range(2) for fold in (1, 2, 3)]
    assert list(contender.runs) == names
    assert contender.seeds == (0, 1)

    assert finding.cross_validation is not None
    assert finding.cross_validation.model_dump() == {
        "folds": 3,
        "repeats": 2,
        "images": 60,
        "set_apart": 0,
    }
    assert (finding.budget.folds, finding.budget.seeds) == (3, (0, 1))
    assert finding.dataset.parts.test.images == 60
    assert finding.dataset.parts.train.images < 40

    scores = contender.test
    assert contender.validation is None, "each fold has other validation images"
    assert scores is not None and scores.interval is not None
    assert (scores.n, len(scores.per_seed)) == (60, 2)
    assert scores.interval[0] < scores.accuracy < scores.interval[1] or scores.accuracy == 1
    tested = []
    for name in names[:3]:
        split = read_split(folder / name, data.dataset)
        tested += split.test.tolist()
        assert not set(split.test) & {*split.train, *split.validation}
    assert sorted(tested) == list(range(60))
    repeat = np.concatenate([read_correct(folder / name, "test") for name in names[:3]])
    assert scores.per_seed[0] == pytest.approx(repeat.mean())
    assert "based on all 60 images, tested once per repeat" in finding.verdict.sentence

    kept = [name for name in names if (folder / name / "model.safetensors").exists()]
    assert kept == [contender.representative_run]
    assert any("The classifiers to use are those of fold" in note for note in finding.verdict.notes)
    assert [baseline.n for baseline in finding.baselines] == [60, 60]
    assert differing_statistics(folder, tmp_path) == set()


def test_a_contender_with_a_failed_fold_is_left_out(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from headstart.training import train

    def failing(job: object) -> object:
        folder: Path = job.folder  # type: ignore[attr-defined]
        if folder.name == "cnn-fold2-seed0":
            raise RunFailed("the loss is not finite.")
        return train(job)  # type: ignore[arg-type]

    monkeypatch.setattr(TRAIN, failing)
    values = {"epochs": 1}
    config = ComparisonConfig(("mlp", "cnn"), (0,), None, values, folds=3)
    finding = run_study(config, data, tmp_path / "study")
    assert [contender.name for contender in finding.contenders] == ["mlp"]
    assert finding.failed[0].failures == ("fold 2, seed 0 failed: the loss is not finite.",)


def test_runs_of_an_incomplete_repeat_neither_count_nor_keep_weights(
    data: SplitDataset, tmp_path: Path
) -> None:
    folds = design_study(data, 3, (0, 1)).folds
    assert folds is not None
    runs = {number: tmp_path / "runs" / f"mlp-{folds.run(number).suffix}" for number in range(5)}
    for number, run in runs.items():
        run.mkdir(parents=True)
        (run / "model.safetensors").touch()
        if number < 4:
            (run / "metrics.json").touch()

    entry = ComparisonEntry("mlp", "contender", make_recipe("mlp", {}), (0, 1), runs=runs)
    results = FoldResults(folds, {"mlp": np.zeros((1, 60), bool)}, (0,), representative=1)
    assert list(results.runs_that_count(entry)) == [0, 1, 2]

    contender = SimpleNamespace(representative_run="runs/mlp-fold2-seed0")
    keep_representative_weights([cast(Contender, contender)], tmp_path)
    kept = [number for number, run in runs.items() if (run / "model.safetensors").exists()]
    assert kept == [1, 4], "the representative run, and one that is not finished"


def test_a_finished_run_and_a_class_that_is_too_small_are_refused(
    data: SplitDataset, tmp_path: Path
) -> None:
    first = run_study(quick("mlp", folds=None, seeds=1), data, tmp_path / "study")
    run = tmp_path / "study" / first.contenders[0].runs[0]
    with pytest.raises(InputError, match=r"--folds 3 cannot be combined with .*mlp-seed0"):
        quick(str(run)).check()
    with pytest.raises(InputError, match="expected at least 30 images of each class"):
        run_study(quick("mlp", folds=30), data, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_small_data_are_cross_validated_by_default(page_only: None, tmp_path: Path) -> None:
    keys: dict[str, Any] = {"epochs": 1, "nodes": 8, "layers": 1}
    result = headstart.compare(
        stripes(), models="mlp", seeds=1, time_limit=None, out=tmp_path / "auto", **keys
    )
    assert result["cross_validation"]["folds"] == 5
    assert "--folds 5" in result["command"]
    page = (tmp_path / "auto" / "report.html").read_text()
    assert "based on all 60 images, tested once by models" in page
    identity = json.loads((tmp_path / "auto" / "study.json").read_text())
    assert identity["folds"] == 5

    others: list[dict[str, Any]] = [{"folds": "none"}, {"test": 0.2}]
    for number, words in enumerate(others):
        result = headstart.compare(
            stripes(),
            models="mlp",
            seeds=1,
            time_limit=None,
            out=tmp_path / f"{number}",
            **keys,
            **words,
        )
        assert result["cross_validation"] is None


class Called(Exception):
    """The study would be carried out now."""


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int | None, str]]:
    """Return a function that calls `compare` and returns the folds and the command of the study."""

    def stop(study: ComparisonConfig, *_: object, command: str, **__: object) -> None:
        raise Called(study.folds, command)

    monkeypatch.setattr("headstart.studies.run_study", stop)

    def called(**words: Any) -> tuple[int | None, str]:
        with pytest.raises(Called) as caught:
            headstart.compare(stripes(), models="mlp", out=tmp_path / "study", **words)
        return caught.value.args

    return called


@pytest.mark.parametrize(
    ("words", "folds", "flag"),
    [
        ({}, 5, "--folds 5"),
        ({"folds": None}, None, "--folds none"),
        ({"folds": "none"}, None, "--folds none"),
        ({"test": 0.2}, None, ""),
        ({"train_images": 12}, None, ""),
        ({"seeds": "auto"}, None, ""),
    ],
)
def test_the_command_has_the_folds_that_were_given_or_chosen(
    call: Callable[..., tuple[int | None, str]], words: dict[str, Any], folds: int, flag: str
) -> None:
    count, command = call(**words)
    assert count == folds
    assert flag in command
    assert ("--folds" in command) == bool(flag)


@pytest.mark.parametrize(("recorded", "flag"), [(None, "--folds none"), (4, "--folds 4")])
def test_the_default_follows_the_study_in_the_folder(
    call: Callable[..., tuple[int | None, str]],
    tmp_path: Path,
    recorded: int | None,
    flag: str,
) -> None:
    study = tmp_path / "study"
    study.mkdir()
    identity = {"study": "compare"} if recorded is None else {"folds": recorded}
    (study / "study.json").write_text(json.dumps(identity))
    assert call()[0] == 5, "without results"
    (study / "finding.json").write_text("{}")
    count, command = call()
    assert count == recorded
    assert flag in command
    assert call(folds=3)[0] == 3


def test_large_data_are_not_cross_validated(digits: Dataset) -> None:
    from headstart.studies import fold_count

    data = SplitDataset(digits, make_split(digits))
    assert fold_count(data, "auto") == (None, "")
    few = SplitDataset(digits, make_split(digits, train_images=200))
    assert fold_count(few, "auto") == (None, ""), "its test part has 270 images"
    count, sentence = fold_count(data, 4)
    assert count == 4
    assert sentence == (
        "instead of 270 test images, all 1,797 images are tested, by cross-validation with 4 folds."
    )
    own = replace(digits, parts=np.where(np.arange(1797) < 300, TEST, UNASSIGNED).astype(np.uint8))
    with_test = SplitDataset(own, make_split(own))
    assert fold_count(with_test, 4)[1] == (
        "all 1,497 images are tested, by cross-validation with 4 folds. The 300 test images that "
        "came with the data are not used."
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            {"folds": "many"},
            "invalid --folds: expected auto, none or an integer from 2, got 'many'",
        ),
        ({"folds": 1}, "invalid --folds"),
        ({"folds": 5, "test": 0.2}, "--folds 5 cannot be combined with --test 0.2"),
        (
            {"folds": 5, "train_images": 12},
            "--folds 5 cannot be combined with --train-images 12: folds train on all images",
        ),
        ({"folds": -3}, "invalid --folds"),
        ({"folds": 2.5}, "invalid --folds"),
    ],
)
def test_invalid_folds_are_refused(words: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        headstart.compare(stripes(), models="mlp", **words)


def test_effects_are_tested_over_folds(data: SplitDataset, tmp_path: Path) -> None:
    values = {"epochs": 3, "nodes": 8, "layers": 1}
    config = EffectsConfig("mlp", ("dropout",), 1, None, values, folds=3)
    finding = run_study(config, data, tmp_path / "study")
    assert finding == read_finding(tmp_path / "study")
    names = [f"runs/baseline-fold{fold}-seed0" for fold in (1, 2, 3)]
    assert list(finding.baseline.runs) == names
    assert finding.cross_validation is not None
    assert (finding.cross_validation.repeats, finding.seeds) == (1, (0,))

    rows = [read_correct(tmp_path / "study" / name, "test") for name in names]
    accuracy = finding.baseline.accuracy
    assert accuracy.mean == pytest.approx(np.concatenate(rows).mean())
    assert accuracy.low <= accuracy.mean <= accuracy.high
    for effect in finding.effects:
        assert effect.interval is not None
        assert effect.interval[0] < effect.interval[1]
        assert len(effect.runs) == 3
    assert any("based on all 60 images, tested once by models" in note for note in finding.notes)

    assert differing_statistics(tmp_path / "study", tmp_path) == set()
    changed = differing_statistics(
        tmp_path / "study", tmp_path, lambda finding: finding["effects"][0].update(p_adjusted=0.01)
    )
    assert changed == {"effects.effects[0].p_adjusted"}


def test_learning_rates_are_tested_over_folds(data: SplitDataset, tmp_path: Path) -> None:
    values = {"epochs": 20, "nodes": 8, "layers": 1, "optimizer": "sgd"}
    config = LearningRatesConfig("mlp", (0.1, 100.0), 1, None, values, folds=3)
    finding = run_study(config, data, tmp_path / "study")
    assert finding == read_finding(tmp_path / "study")
    best, too_high = finding.rates
    names = [f"runs/lr-0.1-fold{fold}-seed0" for fold in (1, 2, 3)]
    rows = [read_correct(tmp_path / "study" / name, "test") for name in names]
    assert best.runs == tuple(names) and best.test is not None and best.validation is None
    assert best.test.accuracy.mean == pytest.approx(np.concatenate(rows).mean())
    assert finding.best_interval is not None
    assert finding.best_interval[0] <= best.test.accuracy.mean <= finding.best_interval[1]

    assert too_high.diverged_seeds == (0, 0, 0) and too_high.diverged_everywhere
    for fold, failure in enumerate(too_high.failures, 1):
        assert failure.seed == 0 and failure.message.startswith(f"fold {fold}, seed 0: ")
    assert "training diverges with every run" in finding.sentence
    write_report(tmp_path / "study")
    assert "3 of 3 runs" in (tmp_path / "study" / "report.html").read_text()

    assert differing_statistics(tmp_path / "study", tmp_path) == set()
    changed = differing_statistics(
        tmp_path / "study", tmp_path, lambda finding: finding.update(best_interval=[0.1, 0.9])
    )
    assert changed == {"lr.best_interval[0]", "lr.best_interval[1]"}


def test_label_curves_are_tested_over_folds(data: SplitDataset, tmp_path: Path) -> None:
    values = {"epochs": 3, "layers": 1}
    config = LabelCurvesConfig(("mlp", "mlp:fast"), (2, 13), 1, None, values, folds=3)
    finding = run_study(config, data, tmp_path / "study")
    assert finding == read_finding(tmp_path / "study")
    assert finding.cross_validation is not None and finding.cross_validation.images == 60
    assert finding.per_class == (2, 13), "13 of 20 per class lie outside each fold"
    point = finding.contenders[0].points[1]
    tested = []
    for name in point.runs:
        run = json.loads((tmp_path / "study" / name / "data.json").read_text())
        assert run["parts"]["train"]["per_class"] == [13, 13, 13]
        assert run["parts"]["validation"]["images"] == 0
        tested.append(run["parts"]["test"]["images"])
    assert tested == [20, 20, 20]
    assert point.accuracy is not None and len(point.accuracy.per_seed) == 1
    assert any("drawn from the other folds" in note for note in finding.notes)

    def raise_difference(finding: dict[str, Any]) -> None:
        finding["comparisons"][0]["differences"][1]["difference"] += 0.1

    assert differing_statistics(tmp_path / "study", tmp_path) == set()
    changed = differing_statistics(tmp_path / "study", tmp_path, raise_difference)
    assert changed == {"labels.comparisons[0].differences[1].difference"}
