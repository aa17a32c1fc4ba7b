"""Nested cross-validation of a search: no image tests a recipe that it helped to select."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from recomputing import differing_statistics
from rich.console import Console

import headstart
from headstart.data import Split, SplitDataset, load, make_split, split_without_test
from headstart.errors import InputError, RunFailed
from headstart.execution import Job, Outcome, Where
from headstart.models.recipes import make_recipe
from headstart.report import tune_table, write_report
from headstart.results import TunedFold, Tuning, read_metrics
from headstart.studies import TuningConfig, TuningStudy, run_study
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies.tune import _finding, _nested
from headstart.studies.tune._final_runs import kept_recipe
from headstart.studies.tune._nested_sentences import chosen_values
from headstart.studies.tune._time_plan import least_limit
from headstart.training import read_correct

pytestmark = pytest.mark.usefixtures("same_precision")

# The default learning rate is so low that the other one of the space is better in every fold.
VALUES = {"epochs": 2, "batch": 8, "nodes": 8, "layers": 1, "optimizer": "sgd", "momentum": 0.0}


def stripes(images: int = 120) -> SplitDataset:
    """Return pairs of images of one group, whose class is the position of a bright stripe."""
    rng = np.random.default_rng(0)
    labels = np.arange(images) // 2 % 3
    pixels = rng.integers(0, 150, (images, 8, 8, 1), np.uint8)
    for row, label in enumerate(labels):
        pixels[row, :, 2 * label + 1] += 60
    dataset = replace(load((pixels, labels)), groups=np.arange(images) // 2)
    return SplitDataset(dataset, make_split(dataset))


def config(**changes: Any) -> TuningConfig:
    given: dict[str, Any] = {"model": "mlp", "space": {"lr": [0.5]}, "trials": 2, "seeds": 1}
    return TuningConfig(**{**given, "values": VALUES, "folds": 2, **changes})


Searched = tuple[Tuning, Path, list[tuple[str, Split]]]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Carry out a search with folds; return its finding, its folder, and what its runs saw."""
    from headstart.execution._job import attempt as real

    folder, jobs = tmp_path_factory.mktemp("nested") / "study", []

    def attempt(job: Job, data: SplitDataset) -> Outcome:
        jobs.append((job.folder.name, job.visible_data(data).split))
        return real(job, data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("headstart.execution._executors.attempt", attempt)
        finding = run_study(TuningStudy(config()), stripes(), folder)
    return finding, folder, jobs


def test_no_image_of_a_fold_is_used_by_its_search(
    searched: Searched,
) -> None:
    _, _, jobs = searched
    data = stripes()
    folds = _nested.outer_folds(config(), data)
    groups = data.dataset.groups
    assert groups is not None
    for fold in range(2):
        own = [job for job in jobs if f"fold{fold + 1}-" in job[0]]
        is_final = ["trial" not in name for name, _ in own]
        assert sorted(is_final) == is_final, "the fold is tested after its search"
        assert sum(is_final) == 2 and len(own) >= 5
        tested = folds.run(fold).data.split.test
        for (_, split), reads_test in zip(own, is_final, strict=True):
            selecting = np.concatenate([split.train, split.validation])
            assert len(split.train) and len(split.validation)
            assert not np.isin(groups[selecting], groups[tested]).any()
            assert np.array_equal(split.test, tested if reads_test else tested[:0])

    last = [split for name, split in jobs if "fold" not in name]
    assert len(last) >= 5
    for split in last:
        assert sorted([*split.train, *split.validation]) == list(range(120))
        assert not np.isin(groups[split.train], groups[split.validation]).any()
        assert not len(split.test)


def test_the_accuracy_is_over_all_images_and_belongs_to_the_procedure(
    searched: Searched, tmp_path: Path
) -> None:
    finding, folder, _ = searched
    tuned, defaults = finding.contenders
    assert (tuned.name, defaults.name) == ("tuned", "defaults")
    assert finding.cross_validation is not None and finding.cross_validation.images == 120
    assert [fold.chosen for fold in finding.folds] == [{"lr": 0.5}] * 2
    correct = np.concatenate([read_correct(folder / run, "test") for run in tuned.runs])
    assert finding.test is not None and len(correct) == finding.test.n == 120
    assert finding.test == tuned.test
    assert finding.test.accuracy == pytest.approx(correct.mean())
    by_fold = [fold.test * fold.images for fold in finding.folds]
    assert sum(by_fold) == pytest.approx(correct.sum())
    sentence = "It applies to the tuning procedure and to the default recipe, trained on 50% of"
    assert sentence in finding.verdict.sentence and finding.verdict.winner == "tuned"
    assert [(value.setting, value.folds) for value in finding.chosen_values] == [("lr", 2)]

    assert finding.optimism is None and finding.best == {"lr": 0.5}
    classifier = read_metrics(folder / finding.run)
    assert classifier.test is None and (folder / finding.run / "model.safetensors").exists()
    assert not list((folder / "runs").glob("*fold*/model.safetensors"))
    words = " ".join(finding.sentences)
    assert "It belongs to the procedure, not to one recipe" in words
    assert "It has no test score of its own" in words

    write_report(folder)
    page = (folder / "report.html").read_text()
    assert "One search per fold" in page and "2 of 2" in page
    assert differing_statistics(folder, tmp_path) == set()
    changed = differing_statistics(
        folder, tmp_path, lambda content: content["folds"][1].update(test=0.123)
    )
    assert changed == {"folds[1].test"}


def test_a_fold_that_keeps_the_defaults_is_reported_with_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, choices = tmp_path / "study", iter(["defaults", "tuned"])
    monkeypatch.setattr(_nested, "kept_recipe", lambda *_: next(choices))
    finding = run_study(TuningStudy(config()), stripes(), folder)

    kept, changed = finding.folds
    assert (kept.is_default, changed.is_default) == (True, False)
    assert kept.chosen == kept.defaults == changed.defaults != changed.chosen == {"lr": 0.5}
    assert kept.test == kept.test_of_defaults
    tuned, defaults = finding.contenders
    assert tuned.runs == ("runs/defaults-fold1-seed1", "runs/tuned-fold2-seed1")
    assert tuned.runs[0] == defaults.runs[0]
    for contender in (tuned, defaults):
        shown = read_metrics(folder / contender.representative_run)
        assert contender.recipe == shown.recipe
        assert contender.parameters == shown.parameters
    words = " ".join([*finding.sentences, finding.verdict.sentence])
    assert "The defaults were kept in 1 of the 2 folds." in words
    assert "With only 2 scores per recipe, one per fold, an interval is 6.5 times" in words
    assert [value.folds for value in finding.chosen_values] == [1, 1]

    rows = fold_rows(finding)
    assert rows[0].split()[-2:] == ["the", "defaults"] and rows[1].endswith("lr 0.5")
    write_report(folder)
    page = (folder / "report.html").read_text()
    first, second = page.split("One search per fold")[1].split('<th scope="row">')[1:3]
    assert first.startswith("1 <span") and ">defaults</span>" in first
    assert second.startswith("2</th>")
    assert "best of the search on all images</span>" in page


def test_folds_that_all_keep_the_defaults_have_no_verdict_but_the_same_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "study"
    monkeypatch.setattr(_nested, "kept_recipe", lambda *_: "defaults")
    finding = run_study(TuningStudy(config()), stripes(), folder)
    assert [contender.name for contender in finding.contenders] == ["defaults"]
    assert [fold.is_default for fold in finding.folds] == [True, True]
    assert finding.verdict.sentence == "The defaults were kept in both folds."
    assert finding.sentences[1].startswith("With only 2 scores per recipe, one per fold")
    assert [row.split()[-1] for row in fold_rows(finding)] == ["defaults", "defaults"]


def fold_rows(finding: Tuning) -> list[str]:
    """Return the rows of the terminal's table of folds."""
    with io.StringIO() as text:
        Console(file=text, width=120).print(tune_table(finding))
        lines = [line.strip() for line in text.getvalue().splitlines()]
    start = next(row for row, line in enumerate(lines) if line.startswith("fold "))
    return lines[start + 2 : start + 2 + len(finding.folds)]


def test_settings_of_a_fold_are_compared_with_its_own_defaults(searched: Searched) -> None:
    """The default batch size depends on the number of training images, so a fold has its own."""
    finding, _, _ = searched
    first, second = finding.folds
    values = {"lr": 0.5, "batch": 32}
    own = first.model_copy(update={"chosen": values, "defaults": {"lr": 0.1, "batch": 32}})
    kept = second.model_copy(update={"chosen": values, "defaults": values, "is_default": True})
    of_all = {"lr": 0.5, "batch": 64}
    shown = finding.model_copy(update={"folds": (own, kept), "defaults": of_all})
    rows = fold_rows(shown)
    assert rows[0].endswith(" lr 0.5")
    assert rows[1].endswith(" the defaults")


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_tune_folds import config, stripes
from headstart.studies import TuningStudy, run_study
run_study(TuningStudy(config()), stripes(), Path({folder!r}))
"""


@pytest.mark.slow
def test_a_search_that_is_killed_in_a_fold_repeats_no_finished_fold(
    searched: Searched, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    script = SCRIPT.format(tests=str(Path(__file__).parent), folder=str(folder))
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    started = time.monotonic()
    while process.poll() is None and time.monotonic() - started < 120:
        if list((folder / "runs").glob("fold2-trial-*")):
            break
        time.sleep(0.01)
    assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert (folder / "fold1" / "search.json").exists() and not (folder / "finding.json").exists()

    of_first_fold = [
        folder / "fold1" / "trials.db",
        *(folder / "runs").glob("*fold1-*/metrics.json"),
    ]
    assert len(of_first_fold) >= 6
    written = [path.stat().st_mtime_ns for path in of_first_fold]
    resumed = run_study(TuningStudy(config()), stripes(), folder, workers=Where(workers=2))
    assert [path.stat().st_mtime_ns for path in of_first_fold] == written
    reference, _, _ = searched
    assert [fold.chosen for fold in resumed.folds] == [fold.chosen for fold in reference.folds]
    assert resumed.folds[0].test == reference.folds[0].test
    assert resumed.best == reference.best and resumed.test_reads == reference.test_reads == 2


@pytest.fixture
def divide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., _nested._Share]:
    """Return a function that divides the time limit of a study with two folds."""

    def share(limit: float, full_seconds: float, elapsed: float = 2.0) -> _nested._Share:
        monkeypatch.setattr(_nested, "expected_seconds", lambda *_: full_seconds)
        monkeypatch.setattr(_nested, "prepared_defaults", lambda *_: None)
        asked = config(trials=None, time_limit=limit)
        folds = _nested.outer_folds(asked, stripes())
        context: Any = SimpleNamespace(folder=tmp_path, seconds_spent=lambda: elapsed)
        return _nested._share(asked, folds, context, split_without_test(stripes()))

    return share


def test_the_time_is_divided_between_the_searches_once(
    divide: Callable[..., _nested._Share],
) -> None:
    share = divide(32.0, full_seconds=1.0)
    size = share.size
    assert size == pytest.approx(2, abs=0.1), "half of the images are in a fold"
    equal = 30 / (2 + size)
    assert share.time_limit == pytest.approx(equal)

    again = divide(32.0, full_seconds=1.0, elapsed=20.0)
    assert again == share, "a resumed study keeps its division"
    assert share.next_limit([]) == pytest.approx(equal)
    limits = []
    for seconds in (14.0, 3.0, 40.0):
        fold: Any = SimpleNamespace(result=SimpleNamespace(seconds=seconds))
        limits.append(share.next_limit([fold]))
    assert limits == pytest.approx([16 / (1 + size), equal, least_limit(1.0)])
    fold = SimpleNamespace(result=SimpleNamespace(seconds=8.0))
    assert share.next_limit([fold, fold]) == pytest.approx(14.0)
    assert share.full_seconds_of(None) == size


def test_a_limit_below_what_all_searches_need_is_refused_and_the_limit_is_named(
    tmp_path: Path, divide: Callable[..., _nested._Share]
) -> None:
    needed = r"too short for 3 searches, .* they need about 110 s"
    with pytest.raises(InputError, match=needed) as error:
        divide(60.0, full_seconds=10.0)
    assert error.value.hint == "Pass --time-limit 110s or more, fewer --folds, or --folds none."
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"seeds": 3}, "--folds 2 cannot be combined with --seeds 3"),
        ({"storage": "postgresql://here/it"}, "--folds 2 cannot be combined with --storage"),
        ({"test": 0.2}, "--folds 2 cannot be combined with --test 0.2"),
        ({"train_images": 12}, "--folds 2 cannot be combined with --train-images 12"),
        ({"validation": 0}, "there are no validation images to select a recipe on"),
        ({"folds": 1}, "invalid --folds"),
        ({"folds": 50}, "invalid --folds 50: expected at least 50 images of each class"),
    ],
)
def test_what_folds_exclude_is_refused(words: dict[str, Any], message: str, tmp_path: Path) -> None:
    data = stripes().dataset
    given: dict[str, Any] = {"folds": 2, "model": "mlp", "out": tmp_path / "study", **words}
    with pytest.raises(InputError, match=message):
        headstart.tune((np.asarray(data.images), data.labels), **given)


def test_a_recipe_that_fails_when_it_is_retrained_leaves_the_defaults(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = make_recipe("mlp")
    failed = ComparisonEntry("tuned", "contender", recipe, (1,), failures={0: "went wrong"})
    entries = [failed, ComparisonEntry("defaults", "contender", recipe, (1,))]
    assert kept_recipe(entries, {"tuned": 0.9, "defaults": 0.8}) == "defaults"
    finished = [replace(entry, failures={}) for entry in entries]
    assert kept_recipe(finished, {"tuned": 0.9, "defaults": 0.8}) == "tuned"
    assert kept_recipe(finished, {"tuned": 0.8, "defaults": 0.8}) == "defaults"

    monkeypatch.setattr(_finding, "retrained_scores", lambda _: {"defaults": 0.8})
    search: Any = SimpleNamespace(plan={"searches": True}, part=object(), best=lambda: None)
    search.is_default = lambda _: False
    results: Any = SimpleNamespace(contenders=[SimpleNamespace(name="defaults")])
    assert _finding._retrained_best(search, entries, results).name == "defaults"
    search.part = None
    with pytest.raises(RunFailed, match="went wrong"):
        _finding._retrained_best(search, entries, results)


def test_values_are_counted_over_the_folds() -> None:
    def fold(number: int, **chosen: Any) -> TunedFold:
        return TunedFold(
            fold=number,
            images=10,
            trials=2,
            chosen=chosen,
            is_default=False,
            validation=0.9,
            test=0.8,
            test_of_defaults=None,
            seconds=1.0,
        )

    folds = (fold(1, lr=0.1, nodes=16), fold(2, lr=0.2, nodes=32), fold(3, lr=0.2, nodes=32))
    counts = [(value.setting, value.value, value.folds) for value in chosen_values(folds)]
    assert counts == [("lr", 0.2, 2), ("lr", 0.1, 1), ("nodes", 32, 2), ("nodes", 16, 1)]


def test_the_identity_of_a_search_without_folds_is_as_before() -> None:
    assert "folds" not in config(folds=None).as_json()
    assert config().as_json()["folds"] == 2
