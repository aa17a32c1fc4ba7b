"""`fit` from data to classifier: chosen, evaluated once, stopped and continued."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import headstart
from headstart import signals, store
from headstart.classifier import MeasuredImages, load_classifier, measure_images
from headstart.data import Dataset, Split, SplitDataset
from headstart.errors import InputError, RunFailed, Stopped, TooLittleMemory
from headstart.evaluation import compute_metrics
from headstart.models.recipes import make_recipe
from headstart.results import FitFinding, PartMetrics, RunSummary, read_finding, read_metrics
from headstart.studies import _study
from headstart.studies.fit import _choice, _climb, _costs, _ladder, _study as fit_study
from headstart.studies.fit._climb import Climb
from headstart.studies.fit._clock import FitClock
from headstart.studies.fit._costs import LadderCosts
from headstart.studies.fit._finding import (
    _instead_of_fine_tuning,
    _no_better_than_guessing,
    _too_slow,
)
from headstart.studies.fit._ladder import INSTEAD_OF_FINE_TUNING
from headstart.studies.fit._rung import FINE_TUNED, FROZEN, Rung, RungResult
from headstart.training import TrainingJob, _inference_metadata, train

# One pass over few images: the ladder ends because more time changes nothing.
SMALL: dict[str, Any] = {"train_images": 100, "epochs": 1, "layers": 1, "nodes": 4}


@pytest.fixture
def without_backbones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ladder have no installed backbones."""
    monkeypatch.setattr(_costs, "installed_backbones", list)


@pytest.fixture
def one_small_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ladder have one backbone at its smallest size, and one seed."""
    monkeypatch.setattr(_costs, "installed_backbones", lambda: ["efficientnet-lite0"])
    monkeypatch.setattr(_ladder, "SIZES_PX", (32,))
    monkeypatch.setattr(_ladder, "_MOST_SEEDS", 1)


@pytest.mark.usefixtures("page_only", "one_small_backbone")
def test_fit_leaves_a_classifier_that_read_the_test_images_once(
    digits: Dataset, tmp_path: Path
) -> None:
    result = headstart.fit(digits, time_limit=600, out=tmp_path / "fit", **SMALL)
    finding = result.finding
    assert {rung.family for rung in finding.tried} == {"frozen", "cnn", "fine-tuned"}
    assert sum(rung.weight for rung in finding.tried) == pytest.approx(1, abs=1e-3)
    best = max(rung.score for rung in finding.tried if rung.score is not None)
    assert finding.validation_score >= best
    assert finding.test_reads == 1
    costs = LadderCosts.from_json(
        json.loads((tmp_path / "fit" / "ladder.json").read_text())["costs"]
    )
    assert costs.cnn_start > 0
    assert costs.cnn_pass > 0
    for run in (tmp_path / "fit" / "runs").iterdir():
        assert read_metrics(run).test is None

    folder = Path(finding.run)
    metrics = read_metrics(folder)
    assert metrics.test is not None
    assert finding.test is not None
    assert metrics.test.accuracy == finding.test.accuracy
    predictions = load_classifier(folder).predict(digits.images[:3])
    assert predictions.probabilities.shape == (3, 10)
    assert (tmp_path / "fit" / "report.html").exists()
    again = headstart.fit(digits, time_limit=600, out=tmp_path / "fit", **SMALL)
    assert again.finding == finding

    (tmp_path / "fit").rename(tmp_path / "moved")
    moved = headstart.fit(digits, time_limit=600, out=tmp_path / "moved", **SMALL)
    assert moved.finding.run == str(tmp_path / "moved" / folder.name)
    assert moved.classifier.class_names == digits.class_names


@pytest.mark.usefixtures("page_only", "without_backbones")
def test_images_are_measured_once_for_the_limits_of_all_runs(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def measure(*images: NDArray[Any]) -> MeasuredImages:
        calls.append(images)
        return measure_images(*images)

    monkeypatch.setattr(_inference_metadata, "_measured", {})
    monkeypatch.setattr(_inference_metadata, "measure_images", measure)
    result = headstart.fit(digits, time_limit=600, out=tmp_path / "fit", **SMALL)
    assert len(result.finding.history) >= 2
    assert len(calls) == 1
    limits = [load_classifier(run).metadata.ood_threshold for run in tmp_path.glob("fit/runs/*")]
    assert len({limit.brightness for limit in limits if limit is not None}) == 1
    assert result.classifier.metadata.ood_threshold is not None


def test_a_cnn_that_does_not_fit_into_memory_is_left_to_its_run(
    digits: Dataset, digits_split: Split, monkeypatch: pytest.MonkeyPatch, without_backbones: None
) -> None:
    def full(*_: object) -> None:
        raise TooLittleMemory("there is not enough memory for this run.")

    monkeypatch.setattr(_costs, "RunTimer", full)
    data = SplitDataset(digits, digits_split)
    costs = _costs.measure_costs(data, make_recipe("cnn", {"flip": False}), 60.0)
    assert (costs.cnn_start, costs.cnn_pass) == (0.0, 0.0)
    earlier = {key: value for key, value in costs.as_json().items() if "cnn" not in key}
    assert LadderCosts.from_json(earlier) == costs  # of a study that an earlier version began


@pytest.mark.usefixtures("page_only", "without_backbones")
def test_a_stopped_fit_keeps_the_best_so_far_and_continues(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[TrainingJob] = []

    def stop_in_the_second_run(job: TrainingJob) -> RunSummary:
        calls.append(job)
        if len(calls) == 2:
            raise Stopped(signal.SIGTERM, "stopped")
        return train(job)

    monkeypatch.setattr(_climb, "train", stop_in_the_second_run)
    with pytest.raises(Stopped, match="best classifier so far is"):
        headstart.fit(digits, time_limit=600, out=tmp_path / "fit", **SMALL)
    load_classifier(tmp_path / "fit" / "classifier")

    monkeypatch.setattr(_climb, "train", train)
    result = headstart.fit(digits, time_limit=900, out=tmp_path / "fit", **SMALL)
    assert len(result.finding.history) >= 2
    assert isinstance(read_finding(tmp_path / "fit"), FitFinding)
    rungs = store.read_json(tmp_path / "fit" / "ladder.json")["rungs"]
    assert [rung["limit"] for rung in rungs[:2]] == [600, 900], "under which each was finished"


@pytest.mark.usefixtures("page_only", "without_backbones")
def test_a_run_that_failed_is_tried_again_only_if_nothing_has_finished(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[TrainingJob] = []
    failing = {0, 2}

    def fail_sometimes(job: TrainingJob) -> RunSummary:
        calls.append(job)
        if len(calls) - 1 in failing:
            raise RunFailed("the loss is not finite.")
        return train(job)

    def stop(*_: object) -> None:
        raise Stopped(signal.SIGTERM, "stopped")

    monkeypatch.setattr(_climb, "train", fail_sometimes)
    out = tmp_path / "fit"
    with pytest.raises(RunFailed, match="no candidate finished"):
        headstart.fit(digits, time_limit=600, out=out, **SMALL)
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(fit_study, "fit_finding", stop)
        headstart.fit(digits, time_limit=600, out=out, **SMALL)
    again, failed = calls[1], calls[2]
    assert again.folder == calls[0].folder

    written = store.read_json(out / "ladder.json")
    del written["limit"], written["history"]  # of a study that an earlier version began
    store.write_json(out / "ladder.json", written)
    calls[:], failing = [], set()
    result = headstart.fit(digits, time_limit=600, out=out, **SMALL)
    assert failed.folder not in [job.folder for job in calls]
    assert [rung.state for rung in result.finding.tried] == ["done", "failed"]


@pytest.mark.usefixtures("page_only", "without_backbones")
@pytest.mark.parametrize("place", ["between two runs", "while the classifier is replaced"])
def test_a_signal_outside_of_training_names_the_best_so_far_and_the_command(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    decide, replace_folder = _ladder.Ladder.next, store.replace_folder

    def signal_after_the_first(ladder: Any, results: Any, *rest: Any) -> Rung | None:
        if results and place == "between two runs":
            signal.raise_signal(signal.SIGTERM)
        return decide(ladder, results, *rest)

    def signal_between(new: Path, path: Path) -> None:
        replace_folder(new, path)
        if place != "between two runs":
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(_ladder.Ladder, "next", signal_after_the_first)
    monkeypatch.setattr(store, "replace_folder", signal_between)
    announced: list[str] = []
    with (
        signals.end_on_signals(lambda: announced.append("stopped")),
        pytest.raises(Stopped, match="The best classifier so far is") as stopped,
    ):
        headstart.fit(digits, time_limit=600, out=tmp_path / "fit", **SMALL)
    assert (announced, stopped.value.exit_code) == ([], 143)
    assert "headstart fit digits --time-limit 600" in stopped.value.hint
    load_classifier(tmp_path / "fit" / "classifier")
    assert json.loads((tmp_path / "fit" / "clock.json").read_text())["seconds"] > 0


@pytest.mark.usefixtures("page_only", "without_backbones")
def test_a_fit_that_continues_keeps_the_best_so_far_while_it_reads_earlier_runs(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[str] = []

    def keep(best: RungResult, study: Path, *, is_new: bool) -> None:
        kept.append(best.rung.name)
        keep_best_so_far(best, study, is_new=is_new)

    def stop_in_the_third(job: TrainingJob) -> RunSummary:
        if len(set(kept)) == 2:
            raise Stopped(signal.SIGTERM, "stopped")
        return train(job)

    keep_best_so_far = _choice.keep_best_so_far
    monkeypatch.setattr(_climb, "keep_best_so_far", keep)
    monkeypatch.setattr(_climb, "train", stop_in_the_third)
    monkeypatch.setattr(Climb, "_best_run", lambda climb: climb.results[-1])
    with pytest.raises(Stopped):
        headstart.fit(digits, time_limit=600, out=tmp_path / "fit", **SMALL)
    names, kept[:] = list(kept), []
    monkeypatch.setattr(_climb, "train", train)
    headstart.fit(digits, time_limit=600, out=tmp_path / "fit", **SMALL)
    assert kept
    assert names[0] not in kept  # it was read first, and something better was kept


@pytest.mark.usefixtures("page_only", "without_backbones")
def test_a_longer_limit_continues_a_finished_fit_and_a_shorter_one_is_refused(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, values = tmp_path / "fit", {**SMALL, "seed": 3}
    first = headstart.fit(digits, time_limit=300, out=out, **values)
    classifier = store.read_json(out / "classifier" / "metrics.json")
    with pytest.raises(InputError, match="longer --time-limit: 300 s, not 60 s"):
        headstart.fit(digits, time_limit=60, out=out, **values)
    with pytest.raises(InputError, match="different value of seed"):
        headstart.fit(digits, time_limit=600, out=out, **SMALL)
    with pytest.raises(InputError, match=r"different value of split\."):  # not of the limit
        headstart.fit(digits, time_limit=60, out=out, **{**values, "validation": 0.3})

    def stop(*_: object) -> None:
        raise Stopped(signal.SIGTERM, "stopped")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for place, name, end, error in (
        (Climb, "_step", stop, Stopped),
        (_study, "count_study", interrupt, KeyboardInterrupt),  # the classifier is replaced by then
    ):
        with monkeypatch.context() as patch, pytest.raises(error) as stopped:
            patch.setattr(place, name, end)
            headstart.fit(digits, time_limit=600, out=out, **values)
        if error is Stopped:
            assert "The earlier classifier is kept: " in str(stopped.value)
        assert read_finding(out) == first.finding
        assert store.read_json(out / "classifier" / "metrics.json") == classifier
        assert not list(out.glob("*.previous*"))

    trained: list[str] = []
    begin, names = Climb._begin, [rung.name for rung in first.finding.tried]

    def record_and_begin(climb: Climb, rung: Rung) -> None:
        trained.append(rung.name)
        begin(climb, rung)

    def one_longer(_: object, results: list[RungResult], *rest: object) -> Rung | None:
        return None if trained else replace(results[0].rung, name="cnn, longer")

    monkeypatch.setattr(Climb, "_begin", record_and_begin)
    monkeypatch.setattr(_ladder.Ladder, "next", one_longer)
    longer = headstart.fit(digits, time_limit=600, out=out, **values)
    assert trained == ["cnn, longer"]
    assert [rung.name for rung in longer.finding.tried] == [*names, "cnn, longer"]
    assert "also used by the fit with the shorter limit" in " ".join(longer.finding.sentences)
    assert longer.finding.budget.time_limit == 600
    assert longer.finding.budget.seconds_spent == longer.finding.seconds.total
    assert longer.finding.history[: len(names)] == first.finding.history
    assert [line for line in first.finding.plan if "cnn from random weights" in line]
    assert longer.finding.plan[0].startswith("the family with the best validation score")
    assert longer.finding.seconds.total >= first.finding.seconds.total
    assert not list(out.glob("*.previous*"))


@pytest.mark.usefixtures("page_only", "without_backbones")
def test_an_average_of_runs_is_one_classifier_that_every_verb_takes(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(members: NDArray[np.float32], *_: object) -> NDArray[np.float64]:
        return np.array([0.25, 0.75] + [0.0] * (len(members) - 2))

    monkeypatch.setattr(_choice, "select_ensemble", both)
    result = headstart.fit(digits, time_limit=600, metric="macro-f1", out=tmp_path / "fit", **SMALL)
    finding = result.finding
    assert finding.chosen.kind == "ensemble"
    assert [member.weight for member in finding.chosen.members] == [0.75, 0.25]
    assert finding.metric == "macro-f1"
    assert finding.test is not None
    assert finding.test_score == pytest.approx(finding.test.macro_f1, abs=1e-6)
    assert "On them, it has macro-f1 " in " ".join(finding.sentences)
    probabilities = result.classifier.predict(digits.images[:3]).probabilities
    assert probabilities.sum(1) == pytest.approx(1, abs=1e-5)

    old = headstart.train(digits, model="mlp", train_images=100, epochs=1, out=tmp_path / "old")
    gate = headstart.compare(
        digits,
        models=[str(old.folder), str(tmp_path / "fit")],
        gate=True,
        train_images=100,
        out=tmp_path / "gate",
    )
    contenders = gate.finding.contenders
    assert [contender.name for contender in contenders] == ["old", "fit"]
    assert contenders[1].test is not None
    assert contenders[1].test.accuracy == pytest.approx(finding.test.accuracy)


@pytest.mark.usefixtures("page_only", "without_backbones")
def test_an_average_that_cannot_be_evaluated_in_time_is_reported_and_left_out(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_two(members: NDArray[np.float32], *_: object) -> NDArray[np.float64]:
        return np.array([0.5, 0.5] + [0.0] * (len(members) - 2))

    monkeypatch.setattr(_choice, "select_ensemble", first_two)

    def of_an_average(_: Climb, choice: _choice.Choice) -> float:
        return 0.0 if choice.is_single else 9e3

    monkeypatch.setattr(Climb, "_evaluation_seconds", of_an_average)
    monkeypatch.setattr(_choice, "_ms_per_image", lambda _: 1e4)
    result = headstart.fit(digits, time_limit=600, out=tmp_path / "fit", **SMALL)
    chosen = result.finding.chosen
    assert chosen.kind == "single"
    sentences = " ".join(result.finding.sentences)
    assert "An average of 2 runs scored better (accuracy " in sentences
    assert "too little time was left to evaluate it" in sentences


@pytest.mark.usefixtures("page_only", "without_backbones")
def test_the_estimator_finds_a_model_by_itself(digits: Dataset) -> None:
    model = headstart.ImageClassifier("auto", time_limit=600, epochs=1, layers=1, nodes=4)
    model.fit(digits.images[:120], digits.labels[:120])
    assert model.predict_proba(digits.images[:5]).shape == (5, 10)
    assert "chosen" in model.run_


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"time_limit": 5}, "invalid --time-limit: expected at least 10 s, got 5 s"),
        ({"time_limit": "soon"}, "invalid time limit: expected a positive duration"),
        ({"max_ms": 0}, "invalid --max-ms: expected a finite number above 0, got 0"),
        ({"max_ms": float("inf")}, "invalid --max-ms: expected a finite number above 0, got inf"),
        ({"validation": 0}, "there are no validation images to select a classifier on"),
        ({"metric": "acuracy"}, "unknown metric 'acuracy': did you mean 'accuracy'"),
        ({"transfer": "frozen"}, "fit decides transfer itself"),
        ({"lerning": 1}, "'lerning'"),
    ],
)
def test_bad_input_is_refused_before_anything_is_written(
    digits: Dataset, tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    fit: Callable[..., object] = headstart.fit
    with pytest.raises(InputError, match=message):
        fit(digits, out=tmp_path / "fit", **keys)
    assert not (tmp_path / "fit").exists()


@pytest.mark.parametrize("verb", [headstart.fit, headstart.train])
def test_a_metric_that_fails_is_found_before_anything_is_timed(
    digits: Dataset, tmp_path: Path, verb: Callable[..., object]
) -> None:
    (tmp_path / "metric.py").write_text(
        "def score(labels, probabilities):\n    return labels[9999]"
    )
    with pytest.raises(InputError, match="the metric 'score' failed: IndexError"):
        verb(digits, metric=f"{tmp_path / 'metric.py'}:score", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_few_images_for_validation_are_not_answered_with_an_option_alone(
    tmp_path: Path,
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 1), np.uint8)
    with pytest.raises(InputError, match="no validation images") as error:
        headstart.fit((images, np.arange(3)), out=tmp_path / "fit", validation=0, test=0)
    assert error.value.hint.startswith("Add images: 3 images of 3 classes leave none")


def test_one_short_run_does_not_decide_how_busy_the_machine_is(tmp_path: Path) -> None:
    context: Any = SimpleNamespace(folder=tmp_path, seconds_spent=lambda: 10.0)
    clock = FitClock(40.0, context)
    before = clock.left()
    clock.observe(1.1, 0.2)
    assert before - clock.left() < 1
    clock.observe(30.0, 10.0)
    assert clock.pace > 2
    clock.observe(1e4, 1.0)
    assert clock.left() == pytest.approx(40 - 10 - 0.3 * 40)


def test_more_pixels_instead_of_fine_tuning_are_reported() -> None:
    def finish(family: str, px: int, reason: str) -> Any:
        recipe = make_recipe("efficientnet-lite0", {"input_px": px})
        rung = Rung("a rung", family, recipe, 1.0, reason)
        return SimpleNamespace(rung=rung, family=family)

    first = finish(FROZEN, 96, "a solved head on features costs little")
    second = finish(FROZEN, 160, INSTEAD_OF_FINE_TUNING)
    tuned = finish(FINE_TUNED, 96, "from the fitted head on")
    for results, expected in (
        ([first], None),
        ([first, second, tuned], None),
        ([first, second], "so the frozen backbone was tried at 160 pixels instead."),
    ):
        climb: Any = SimpleNamespace(results=results)
        sentence = _instead_of_fine_tuning(climb)
        assert sentence is None if expected is None else expected in str(sentence)


def test_a_bound_on_milliseconds_that_no_run_keeps_is_reported() -> None:
    metrics = SimpleNamespace(predict_ms_per_image=2.5)
    choice: Any = SimpleNamespace(members=[SimpleNamespace(metrics=metrics)])
    assert _too_slow(choice, None) is None
    assert _too_slow(choice, 2.5) is None
    sentence = str(_too_slow(choice, 0.5))
    assert "no run predicts an image within --max-ms 0.5" in sentence
    assert "which takes 2.50 ms." in sentence


def test_a_classifier_that_is_no_better_than_one_class_is_named(
    digits: Dataset, digits_split: Split
) -> None:
    data = SplitDataset(digits, digits_split)
    labels = data.dataset.labels[data.split.test]
    always, correct = np.zeros((2, len(labels), 10), np.float32)
    always[:, 0] = 1
    correct[np.arange(len(labels)), labels] = 1
    sentences = []
    for probabilities in (always, correct):
        metrics = compute_metrics(labels, probabilities).as_json()
        part = PartMetrics(**metrics, class_names=data.class_names)
        sentences.append(_no_better_than_guessing(part, data))
    assert "not significantly better than always answering with" in sentences[0]
    assert sentences[1] == ""
