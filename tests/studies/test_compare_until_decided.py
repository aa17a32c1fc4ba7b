"""Comparisons whose seeds are added until they are decided, and second looks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.api._arguments import seed_count
from headstart.data import Dataset, Split, SplitDataset
from headstart.errors import InputError, RunFailed
from headstart.results import Comparison, RunSummary
from headstart.studies import ComparisonConfig, run_study
from headstart.studies._looks import StudyLooks
from headstart.training import TrainingJob, train

Command = Callable[..., tuple[int, str, str]]
READ = "headstart.studies._comparison_entries.read_correct"


@pytest.fixture
def data(digits: Dataset, small: Split) -> SplitDataset:
    return SplitDataset(digits, small)


@pytest.fixture
def accuracies(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Replace the predictions of runs by simulated ones with these accuracies."""
    values = {"mlp": 0.9, "cnn": 0.9}
    ease = np.random.default_rng(0).random(270)  # the images that evaluate the baselines

    def read(run: Path, _: str) -> np.ndarray:
        name, _, seed = run.name.partition("-seed")
        luck = np.random.default_rng([int(seed), len(name), ord(name[0])])
        noise = luck.normal(0, 0.02, len(ease))
        return ease + noise < values[name] + luck.normal(0, 0.004)

    monkeypatch.setattr(READ, read)
    return values


def config(most: int = 6, *, until_decided: bool = True) -> ComparisonConfig:
    values = {"epochs": 0.2}
    seeds = tuple(range(most))
    return ComparisonConfig(("mlp", "cnn"), seeds, None, values, until_decided=until_decided)


def looks_of(folder: Path) -> list[tuple[int, str]]:
    looks = json.loads((folder / "looks.json").read_text())["looks"]
    return [(look["seeds"], look["outcome"]) for look in looks]


def run(study: ComparisonConfig, data: SplitDataset, folder: Path) -> Comparison:
    return run_study(study, data, folder)


def test_a_clear_difference_ends_at_the_first_look(
    data: SplitDataset, tmp_path: Path, accuracies: dict[str, float]
) -> None:
    accuracies["mlp"] = 0.7
    finding = run(config(), data, tmp_path)
    verdict = finding.verdict
    assert (verdict.outcome, verdict.winner, verdict.looks) == ("better", "cnn", (3,))
    assert verdict.most_seeds == 6
    assert [contender.seeds for contender in finding.contenders] == [(0, 1, 2)] * 2
    assert looks_of(tmp_path) == [(3, "better")]
    assert run(config(), data, tmp_path) == finding, "the finished study is not extended"


def test_a_contender_that_diverges_with_one_seed_leaves_nothing_to_decide(
    data: SplitDataset,
    tmp_path: Path,
    accuracies: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail_cnn(job: TrainingJob) -> RunSummary:
        if job.recipe.model == "cnn" and job.seed == 1:
            raise RunFailed("the gradient is not finite.")
        return train(job)

    accuracies["mlp"] = 0.7
    monkeypatch.setattr("headstart.studies._training_rounds.train", fail_cnn)
    finding = run(config(), data, tmp_path)
    assert (finding.verdict.outcome, finding.verdict.winner) == ("undecided", None)
    assert [contender.seeds for contender in finding.contenders] == [(0, 1, 2), (0, 2)]
    assert finding.budget.seeds == (0, 1, 2)
    assert "cnn failed with 1 of 3 seeds. The verdict leaves it out." in finding.verdict.notes


def test_more_seeds_in_the_same_folder_are_a_second_look(
    data: SplitDataset, tmp_path: Path, accuracies: dict[str, float]
) -> None:
    accuracies["mlp"] = 0.893
    first = run(config(2, until_decided=False), data, tmp_path)
    assert (first.verdict.looks, first.verdict.level) == ((), 0.05)
    (tmp_path / "report.html").write_text("of the first look")

    second = run(config(3, until_decided=False), data, tmp_path)
    assert second.verdict.looks == (2, 3)
    assert second.verdict.level is not None and second.verdict.level < 0.05
    assert "This comparison was tested before, with 2 seeds." in second.verdict.sentence
    assert [count for count, _ in looks_of(tmp_path)] == [2, 3]
    assert not (tmp_path / "report.html").exists(), "it is of the first look"
    assert len(list((tmp_path / "runs").glob("mlp-seed*"))) == 3

    with pytest.raises(InputError, match="holds a study with a different value of seeds"):
        run(config(2, until_decided=False), data, tmp_path)
    with pytest.raises(InputError, match="different value of equivalence margin"):
        run(replace(config(3, until_decided=False), margin=0.02), data, tmp_path)


def test_an_interrupted_comparison_is_not_continued_with_other_seeds(
    data: SplitDataset,
    tmp_path: Path,
    accuracies: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stop_after_the_first(looks: StudyLooks, *_: object) -> bool:
        looks.record(3, "undecided")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(StudyLooks, "is_decided", stop_after_the_first)
        run(config(6), data, tmp_path)
    assert looks_of(tmp_path) == [(3, "undecided")]
    for other in (config(8), config(8, until_decided=False)):
        with pytest.raises(InputError, match="holds a study"):
            run(other, data, tmp_path)


def test_folds_have_a_fixed_number_of_repeats() -> None:
    assert not config().can_cross_validate
    with pytest.raises(InputError, match="--seeds auto cannot be combined with --folds"):
        replace(config(), folds=5).check()


@pytest.mark.parametrize(
    ("value", "has_limit", "seeds", "until_decided"),
    [
        (3, True, 3, False),
        ("4", True, 4, False),
        ("auto", True, 5, True),
        ("auto", False, 8, True),
        ("auto:12", True, 12, True),
    ],
)
def test_seeds_are_a_number_or_auto(
    value: int | str, has_limit: bool, seeds: int, until_decided: bool
) -> None:
    count = seed_count(value, has_time_limit=has_limit)
    assert (count.seeds, count.until_decided) == (tuple(range(seeds)), until_decided)


@pytest.mark.parametrize("value", ["auto:2", "many", "auto:x", "3:4", "-1", "1.5", ""])
def test_other_seeds_are_refused(value: str) -> None:
    with pytest.raises(InputError, match="invalid --seeds: expected a number, auto, or auto:N"):
        seed_count(value, has_time_limit=True)
