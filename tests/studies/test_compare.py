"""Comparisons: shared splits, equal time, controls and baselines, interruptions."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart import store
from headstart.api import _studies
from headstart.data import Dataset, Split, SplitDataset, make_split
from headstart.errors import InputError, RunFailed
from headstart.models.recipes import make_recipe
from headstart.report import gate_summary, write_report
from headstart.results import FailedContender, read_finding
from headstart.studies import ComparisonConfig, GateQuestion, gate_of, run_study
from headstart.studies._contenders import make_contenders
from headstart.training import RunCost, RunTimer, TrainingJob, train

TRAIN = "headstart.studies._training_rounds.train"


def quick(*models: str, seeds: int = 2, **values: Any) -> ComparisonConfig:
    size = {"nodes": 32} if set(models) <= {"mlp", "cnn"} else {}
    return ComparisonConfig(models, tuple(range(seeds)), None, {"epochs": 4, **size, **values})


@pytest.fixture
def data(digits: Dataset, small: Split) -> SplitDataset:
    return SplitDataset(digits, small)


def test_contenders_share_split_and_seeds_and_the_finding_says_what_each_cost(
    data: SplitDataset, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    finding = run_study(quick("mlp", "cnn"), data, folder, command="headstart compare digits")
    assert finding == read_finding(folder)
    assert finding.command == "headstart compare digits"
    assert [contender.name for contender in finding.contenders] == ["mlp", "cnn"]
    splits = set()
    for contender in finding.contenders:
        assert contender.seeds == (0, 1)
        scores = contender.test
        assert scores is not None
        assert scores.interval is not None
        assert len(scores.per_seed) == len(contender.runs) == 2
        assert scores.interval[0] <= scores.accuracy <= scores.interval[1]
        assert contender.seconds.train > 0
        assert contender.parameters > 0
        assert contender.multiply_adds > 0
        assert contender.predict_ms_per_image > 0
        for run in contender.runs:
            recorded = json.loads((folder / run / "data.json").read_text())
            splits.add(recorded["split_fingerprint"])
    assert splits == {data.split.fingerprint}
    assert finding.verdict.about == "recipes"
    assert finding.test_reads == 4
    assert [baseline.name for baseline in finding.baselines] == [
        "majority class",
        "nearest neighbour on pixels",
    ]


def test_a_backbone_brings_its_random_control_which_cannot_win(
    data: SplitDataset, tmp_path: Path
) -> None:
    finding = run_study(quick("efficientnet-lite0", input_px=32), data, tmp_path / "study")
    contender, control = finding.contenders
    assert (control.name, control.role) == ("efficientnet-lite0 (random weights)", "control")
    assert contender.test is not None
    assert control.test is not None
    assert contender.test.accuracy > control.test.accuracy + 0.2
    assert finding.verdict.winner is None
    assert "only contender" in finding.verdict.sentence
    expected = "ImageNet weights against one set of random weights in the same frozen backbone: +"
    assert any(note.startswith(expected) for note in finding.verdict.notes)


def test_one_seed_gives_a_verdict_about_the_models(data: SplitDataset, tmp_path: Path) -> None:
    finding = run_study(quick("mlp", "cnn", seeds=1), data, tmp_path / "study")
    assert finding.verdict.about == "models"
    assert "these trained models" in finding.verdict.sentence


def test_a_contender_below_a_baseline_is_named(data: SplitDataset, tmp_path: Path) -> None:
    config = ComparisonConfig(("mlp",), (0, 1), None, {"epochs": 0.1, "lr": 1e-6})
    finding = run_study(config, data, tmp_path / "study")
    notes = finding.verdict.notes
    assert any("nearest neighbour on pixels" in note and "worse" in note for note in notes)
    assert (
        "mlp trained for less than one epoch within its time. "
        "Its accuracy says little about the model." in notes
    )


def test_a_finished_study_is_not_repeated_and_another_is_refused(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_study(quick("mlp"), data, tmp_path / "study")
    monkeypatch.setattr(TRAIN, lambda *_: pytest.fail("trained again"))
    assert run_study(quick("mlp"), data, tmp_path / "study") == first
    message = r"holds a study with a different value of models: it has \['mlp'\], not \['cnn'\]"
    with pytest.raises(InputError, match=message):
        run_study(quick("cnn"), data, tmp_path / "study")
    other = SplitDataset(data.dataset, make_split(data.dataset))
    with pytest.raises(InputError, match=r"holds a study with a different value of split\."):
        run_study(quick("mlp"), other, tmp_path / "study")


def test_a_folder_with_other_files_is_refused(data: SplitDataset, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"is not empty and does not hold a study: notes\.txt"):
        run_study(quick("mlp"), data, tmp_path)


def test_an_interrupted_study_reuses_its_finished_runs(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Long enough for three seeds on a machine that is busy with other tests.
    config = ComparisonConfig(("mlp",), (0, 1, 2), 900.0, {"epochs": 2})

    def stop_at_the_third(job: TrainingJob) -> Any:
        if job.seed == 2:
            raise KeyboardInterrupt
        return train(job)

    monkeypatch.setattr(TRAIN, stop_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run_study(config, data, tmp_path / "study")
    assert not (tmp_path / "study" / "finding.json").exists()
    runs = tmp_path / "study" / "runs"
    written = {path: path.stat().st_mtime_ns for path in runs.glob("*/metrics.json")}
    assert len(written) == 2

    monkeypatch.setattr(TRAIN, train)
    finding = run_study(config, data, tmp_path / "study")
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert len(finding.contenders[0].runs) == 3


def test_a_contender_that_diverges_does_not_stop_the_others(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_cnn(job: TrainingJob) -> Any:
        if job.recipe.model == "cnn" and job.seed == 1:
            raise RunFailed("the loss became nan in batch 3 of epoch 1")
        return train(job)

    monkeypatch.setattr(TRAIN, fail_cnn)
    finding = run_study(quick("cnn", "mlp"), data, tmp_path / "study")
    assert [len(contender.runs) for contender in finding.contenders] == [1, 2]
    assert finding.budget.seeds == (0, 1), "also that of the failed run"
    failure = "seed 1 failed: the loss became nan in batch 3 of epoch 1"
    assert finding.failed == (FailedContender(name="cnn", failures=(failure,)),)
    assert "cnn failed with 1 of 2 seeds. The verdict leaves it out." in finding.verdict.notes
    assert (finding.verdict.winner, finding.verdict.pairs) == (None, ())
    assert "cnn is left out, because not all of its runs finished" in finding.verdict.sentence


def test_the_equivalence_margin_is_fixed_before_the_runs_and_recorded(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(quick("mlp"), margin=0.02)
    folder = tmp_path / "study"
    finding = run_study(config, data, folder)
    assert finding.verdict.equivalence_margin == 0.02
    assert json.loads((folder / "study.json").read_text())["equivalence_margin"] == 0.02
    monkeypatch.setattr(TRAIN, lambda *_: pytest.fail("trained again"))
    with pytest.raises(
        InputError, match=r"a different value of equivalence margin: it has 0\.02, not 0\.005"
    ):
        run_study(quick("mlp"), data, folder)


def test_a_study_that_was_recorded_without_a_margin_has_the_default_one(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_study(quick("mlp"), data, tmp_path)
    recorded = json.loads((tmp_path / "study.json").read_text())
    del recorded["equivalence_margin"]
    (tmp_path / "study.json").write_text(json.dumps(recorded))
    store.unseal(tmp_path)  # a study of that time has no seal
    monkeypatch.setattr(TRAIN, lambda *_: pytest.fail("trained again"))
    assert run_study(quick("mlp"), data, tmp_path) == first
    with pytest.raises(InputError, match="a different value of equivalence margin"):
        run_study(replace(quick("mlp"), margin=0.02), data, tmp_path)


class SlowFeatures:
    """A machine with a clock of its own, on which features take a fixed time.

    Attributes:
        clock: Seconds since the study began.
        timed_seconds: What timing the features at 32 pixels promises. They take nine times as long
            at 96 pixels.
        slowdown: How many times as long the features take once a batch of them is computed.
        begun: The image sizes of the features that were begun.
        prepared: Those of the features that were completed.
    """

    smallest_size = 32

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float, step: float = 0.01) -> None:
        self.clock, self.timed_seconds, self.slowdown = 2.0, seconds, 1.0
        self.begun: list[int] = []
        self.prepared: list[int] = []
        fake_time = SimpleNamespace(perf_counter=lambda: self.clock)
        features = "headstart.studies._comparison_features"
        monkeypatch.setattr("headstart.studies._study.time", fake_time)
        monkeypatch.setattr("headstart.studies._comparison_schedule.warm_up", lambda *_: None)
        monkeypatch.setattr(f"{features}.prepare_features", self.prepare)
        monkeypatch.setattr("headstart.studies._entry_costs.FeatureTimer", lambda *_: self)
        # Steps cost the same on any machine that runs this test.
        monkeypatch.setattr(RunTimer, "cost", RunCost(0.5, step, 0.0, steps_per_epoch=18))
        monkeypatch.setattr("headstart.studies._training_rounds._CORRECTIONS", 0)

    @property
    def least_seconds(self) -> float:
        return self.timed_seconds

    def restart(self) -> None:
        self.clock += 1

    def largest_size(self, seconds: float) -> int | None:
        if 9 * self.timed_seconds <= seconds:
            return 96
        return 32 if self.timed_seconds <= seconds else None

    def prepare(self, recipe: Any, _: Any, seed: int, watch: Any = None) -> tuple[Any, float]:
        del seed
        began, size = self.clock, recipe.net.input_px
        self.begun.append(size)
        seconds = self.timed_seconds * (size / 32) ** 2
        for done in range(100, 2100, 100):
            self.clock += seconds / 20
            if done == 100:
                seconds *= self.slowdown
                self.timed_seconds *= self.slowdown
                self.slowdown = 1.0
            if watch is not None:
                watch(done, 2000, self.clock - began)
        self.prepared.append(size)
        return recipe, self.clock - began


BACKBONE_AND_MLP = ("mlp", "efficientnet-lite0")
WITHOUT_CONTROL = "The time limit left no time for efficientnet-lite0 (random weights)."


def test_a_control_that_does_not_fit_is_left_out_and_the_verdict_says_so(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = SlowFeatures(monkeypatch, 10.0)
    config = ComparisonConfig(("efficientnet-lite0",), (0, 1), 28.0)
    finding = run_study(config, data, tmp_path / "study", started=0.0)
    assert [contender.name for contender in finding.contenders] == ["efficientnet-lite0"]
    assert finding.contenders[0].seeds == (0, 1)
    assert WITHOUT_CONTROL in finding.verdict.notes
    assert machine.prepared == [32]


def test_on_a_busy_machine_features_take_what_the_other_contenders_do_not_need(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = SlowFeatures(monkeypatch, 40.0)  # an equal share is 25 s
    config = ComparisonConfig(BACKBONE_AND_MLP, (0,), 60.0)
    finding = run_study(config, data, tmp_path / "study", started=0.0)
    assert [contender.name for contender in finding.contenders] == list(BACKBONE_AND_MLP)
    assert finding.verdict.too_short == ()
    assert WITHOUT_CONTROL in finding.verdict.notes
    assert machine.prepared == [32]


def test_features_that_leave_another_contender_too_little_are_not_computed(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = SlowFeatures(monkeypatch, 32.0, step=0.2)  # 6 epochs of the mlp take 24 s
    config = ComparisonConfig(BACKBONE_AND_MLP, (0,), 60.0)
    with pytest.raises(InputError, match="efficientnet-lite0 needs about 32 s for its features"):
        run_study(config, data, tmp_path / "study", started=0.0)
    assert machine.prepared == []
    assert machine.clock < 60 / 3


def test_features_that_become_slow_are_given_up_for_a_smaller_image_size(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = SlowFeatures(monkeypatch, 0.9)  # 8 s at 96 pixels
    machine.slowdown = 8.0
    config = ComparisonConfig(BACKBONE_AND_MLP, (0,), 60.0, {"epochs": 2})
    finding = run_study(config, data, tmp_path / "study", started=0.0)
    assert machine.begun == [96, 32, 32]
    assert machine.prepared == [32, 32], "the contender and its control"
    assert finding.verdict.left_out == ()
    assert finding.budget.seconds_spent < 60


def test_features_that_become_too_slow_at_any_size_are_given_up_early(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = SlowFeatures(monkeypatch, 10.0)
    machine.slowdown = 10.0
    config = ComparisonConfig(BACKBONE_AND_MLP, (0,), 60.0)
    with pytest.raises(InputError, match=r"efficientnet-lite0 needs about .* for its features"):
        run_study(config, data, tmp_path / "study", started=0.0)
    assert machine.prepared == []
    assert machine.clock < 60 / 3


def test_a_contender_without_time_is_named_beside_the_verdict_about_the_others(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = SlowFeatures(monkeypatch, 70.0)
    config = ComparisonConfig(("mlp", "efficientnet-lite0", "cnn"), (0,), 60.0)
    finding = run_study(config, data, tmp_path / "study", started=0.0, command="headstart compare")
    assert machine.prepared == []
    verdict = finding.verdict
    assert {contender.name for contender in finding.contenders} == {"mlp", "cnn"}
    assert (verdict.left_out, verdict.too_short) == (("efficientnet-lite0",), ())
    assert len(verdict.pairs) == 1
    assert verdict.notes[0] == (
        "The verdict is without efficientnet-lite0, because the time limit is too short: "
        "efficientnet-lite0 needs about 70 s for its features. "
        f"Run this instead: headstart compare --time-limit {verdict.needed_time_limit}"
    )
    page = write_report(tmp_path / "study").read_text()
    assert "without efficientnet-lite0</h1>" in page
    gate = gate_of(finding, GateQuestion(reference="mlp", candidate="efficientnet-lite0", margin=1))
    assert gate.exit_status == 4
    assert "the time limit is too short to train efficientnet-lite0" in gate.sentence


def test_a_limit_too_short_for_features_is_refused_with_one_that_is_long_enough(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SlowFeatures(monkeypatch, 100.0)
    with pytest.raises(InputError, match="about 2 min for its features") as refused:
        run_study(
            ComparisonConfig(BACKBONE_AND_MLP, (0,), 60.0), data, tmp_path / "study", started=0.0
        )
    assert refused.value.hint == "Pass --time-limit 3m or more."

    longer = ComparisonConfig(BACKBONE_AND_MLP, (0,), 180.0)
    finding = run_study(longer, data, tmp_path / "longer", started=0.0)
    assert finding.verdict.too_short == ()


def test_a_limit_that_leaves_a_contender_undertrained_is_refused_before_any_run(
    data: SplitDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = {"mlp": 0.03, "cnn": 1.0}

    class SlowTimer(RunTimer):
        @property
        def cost(self) -> RunCost:
            return RunCost(0.5, steps[self.recipe.model], 0.0, steps_per_epoch=18)

    monkeypatch.setattr("headstart.studies._entry_costs.RunTimer", SlowTimer)
    monkeypatch.setattr(TRAIN, lambda *_: pytest.fail("trained"))
    command = "headstart compare digits --models mlp,cnn --time-limit 20s --out study"
    config = ComparisonConfig(("mlp", "cnn"), (0, 1), 20.0)
    with pytest.raises(InputError) as refused:
        run_study(config, data, tmp_path / "study", command=command)
    assert refused.value.message == (
        "a time limit of 20 s is too short for a verdict. cnn needs about 2 min for 1 run of at "
        "least 6.7 epochs."
    )
    answer = r"Run this instead: headstart compare digits --models mlp,cnn --time-limit \d+m"
    assert re.fullmatch(answer, refused.value.hint)


@pytest.fixture
def cnn_becomes_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a machine become much slower when the first `cnn` is trained."""
    steps = {"mlp": 0.001, "cnn": 0.01}

    class Timer(RunTimer):
        @property
        def cost(self) -> RunCost:
            return RunCost(0.1, steps[self.recipe.model], 0.0, steps_per_epoch=18)

    def slow_cnn(job: TrainingJob) -> object:
        if job.recipe.model == "cnn":
            job.folder.mkdir(parents=True)
            steps["cnn"] = 10.0
            assert job.watch is not None
            for done in range(1, 100):
                job.watch(done, 10.0 * done)
        return train(job)

    monkeypatch.setattr("headstart.studies._entry_costs.RunTimer", Timer)
    monkeypatch.setattr("headstart.studies._comparison_schedule._PATIENCE", 0.0)
    monkeypatch.setattr(TRAIN, slow_cnn)


@pytest.mark.usefixtures("cnn_becomes_slow")
def test_a_study_that_a_slow_machine_leaves_with_one_contender_ends_without_a_verdict(
    data: SplitDataset, tmp_path: Path
) -> None:
    config = ComparisonConfig(("mlp", "cnn"), (0, 1), 60.0, {"epochs": 2})
    finding = run_study(config, data, tmp_path / "study", command="headstart compare digits")
    verdict = finding.verdict
    assert [contender.name for contender in finding.contenders] == ["mlp"]
    assert (verdict.winner, verdict.too_short, verdict.left_out) == (None, ("cnn",), ())
    assert verdict.sentence.startswith("No verdict: the time limit is too short. cnn needs about ")
    answer = f"Run this instead: headstart compare digits --time-limit {verdict.needed_time_limit}"
    assert verdict.sentence.endswith(answer)
    assert finding.robustness is None
    page = write_report(tmp_path / "study").read_text()
    assert "No verdict on digits: the time limit is too short" in page


@pytest.mark.usefixtures("cnn_becomes_slow")
def test_without_a_complete_repeat_a_contender_without_time_ends_the_study_with_what_it_needs(
    data: SplitDataset, tmp_path: Path
) -> None:
    config = ComparisonConfig(("mlp", "cnn"), (0,), 60.0, {"epochs": 2}, folds=3)
    with pytest.raises(InputError, match=r"cnn needs about .* for 3 runs") as error:
        run_study(config, data, tmp_path / "study", command="headstart compare digits")
    assert "Run this instead: headstart compare digits --time-limit" in str(error.value)


def test_a_time_limit_that_is_too_short_is_refused(data: SplitDataset, tmp_path: Path) -> None:
    message = r"a time limit of 1 s leaves less than 0\.2 s for each run"
    with pytest.raises(InputError, match=message):
        run_study(ComparisonConfig(("mlp",), (0,), 1.0), data, tmp_path / "study")


def test_without_test_images_validation_evaluates_and_the_sentence_says_so(
    digits: Dataset, tmp_path: Path
) -> None:
    data = SplitDataset(digits, make_split(digits, test=0, train_images=300))
    finding = run_study(quick("mlp", "cnn"), data, tmp_path / "study")
    assert finding.contenders[0].test is None
    assert "validation images" in finding.verdict.sentence
    assert "test" not in finding.verdict.sentence.split("(")[0]
    assert finding.test_reads == 0
    note = "Evaluated on validation images, because the split has no test images."
    assert note in finding.verdict.notes

    nothing = SplitDataset(digits, make_split(digits, test=0, validation=0))
    with pytest.raises(InputError, match="neither test nor validation images"):
        run_study(quick("mlp"), nothing, tmp_path / "other")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ComparisonConfig(("cnn", "cnn"), (0,), None), "each contender must appear once"),
        (ComparisonConfig((), (0,), None), "each contender must appear once"),
        (ComparisonConfig(("cnn",), (), None), "needs at least one seed"),
        (ComparisonConfig(("cnn", "resnet"), (0,), None), "unknown model 'resnet'"),
        (ComparisonConfig(("cnn", "mlp"), (0,), None, {"input_px": 64}), "input_px"),
        (ComparisonConfig(("cnn", "mlp"), (0,), None, {"epochs": -1}), "epochs"),
        (ComparisonConfig(("cnn",), (0,), None, margin=0.0), "invalid equivalence margin"),
    ],
)
def test_an_invalid_configuration_is_refused_before_any_work(
    config: ComparisonConfig, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        config.check()


def test_a_key_that_only_some_models_have_goes_to_those() -> None:
    ComparisonConfig(("cnn-scenes", "mlp"), (0,), None, {"layers": 3}).check()
    values = {"rotation": 5, "input_px": 64}
    ComparisonConfig(("cnn", "efficientnet-lite0"), (0,), None, values).check()


def test_presets_recipes_and_finished_runs_are_contenders(
    data: SplitDataset, tmp_path: Path
) -> None:
    narrow = make_recipe("mlp", {"epochs": 3, "nodes": 32})
    train(TrainingJob(narrow, data, 0, tmp_path / "narrow"))
    models = ("cnn:fast", str(tmp_path / "narrow"))
    finding = run_study(
        ComparisonConfig(models, (0, 1), None, {"epochs": 2}), data, tmp_path / "study"
    )
    preset, run = finding.contenders
    assert (preset.name, preset.seeds) == ("cnn:fast", (0, 1))
    assert (run.name, run.seeds) == ("narrow", (0,))
    assert preset.recipe["net"]["nodes"] == 16  # type: ignore[index, call-overload]
    assert finding.verdict.about == "models", "a finished run is one model"
    assert (tmp_path / "study" / run.runs[0] / "metrics.json").exists()

    models = ("cnn:fast", str(tmp_path / "narrow" / "recipe.json"))
    again = run_study(
        ComparisonConfig(models, (0, 1), None, {"epochs": 2}), data, tmp_path / "other"
    )
    assert [contender.seeds for contender in again.contenders] == [(0, 1), (0, 1)]
    assert again.contenders[1].name == "narrow"
    assert again.verdict.about == "recipes"


def test_a_recipe_is_read_from_the_file_that_is_named_without_its_time_limit(
    tmp_path: Path,
) -> None:
    recipe = make_recipe("mlp", {"nodes": 32, "time_limit": 60}).model_dump(mode="json")
    for name in ("wide.json", "mine/recipe.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps({"recipe": recipe}))
    other = make_recipe("cnn").model_dump(mode="json")
    (tmp_path / "recipe.json").write_text(json.dumps({"recipe": other}))

    paths = (str(tmp_path / "wide.json"), str(tmp_path / "mine" / "recipe.json"))
    wide, mine = make_contenders(paths, {})
    assert (wide.name, mine.name) == ("wide", "mine")
    assert wide.recipe == mine.recipe == make_recipe("mlp", {"nodes": 32})
    for content in ({"seed": 1}, [1]):
        (tmp_path / "other.json").write_text(json.dumps(content))
        with pytest.raises(InputError, match=r"other\.json"):
            make_contenders((str(tmp_path / "other.json"),), {})


def test_a_study_with_the_name_of_a_model_is_not_taken_for_its_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cnn", "cnn:fast", "./cnn"):
        Path(name).mkdir(exist_ok=True)
        Path(name, "study.json").write_text("{}")
    assert _studies._without_studies(["cnn", "cnn:fast", "mlp"]) == ("cnn", "cnn:fast", "mlp")
    with pytest.raises(InputError, match="is a study that is not finished"):
        _studies._without_studies(["./cnn"])


def test_a_folder_with_the_name_of_a_model_needs_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cnn").mkdir()
    (tmp_path / "cnn" / "recipe.json").write_text("{}")
    contenders = make_contenders(("cnn", "cnn:fast"), {})
    assert [contender.recipe.model for contender in contenders] == ["cnn", "cnn"]
    with pytest.raises(InputError, match=r"data\.json does not exist"):
        make_contenders(("./cnn",), {})


def test_a_run_on_other_images_is_refused_with_what_to_do(
    data: SplitDataset, tmp_path: Path
) -> None:
    train(TrainingJob(make_recipe("mlp", {"epochs": 1}), data, 0, tmp_path / "run"))
    config = ComparisonConfig(("mlp", str(tmp_path / "run")), (0,), None, {"epochs": 1})
    other = SplitDataset(data.dataset, make_split(data.dataset, train_images=300, seed=1))
    message = "was evaluated on other test images than this comparison uses: split seed 0 there, 1"
    with pytest.raises(InputError, match=message) as refused:
        run_study(config, other, tmp_path / "study")
    assert "enter its recipe" in refused.value.hint

    relabelled = data.dataset.labels.copy()
    relabelled[data.split.test[0]] = (relabelled[data.split.test[0]] + 1) % 10
    changed = SplitDataset(replace(data.dataset, labels=relabelled, fingerprint="x"), data.split)
    with pytest.raises(InputError, match="with other labels of the test images"):
        run_study(config, changed, tmp_path / "labels")


def test_runs_with_other_training_images_are_compared_on_the_same_test_images(
    data: SplitDataset, tmp_path: Path
) -> None:
    more = SplitDataset(data.dataset, make_split(data.dataset, train_images=600))
    recipe = make_recipe("mlp", {"epochs": 1, "nodes": 32})
    runs = [str(tmp_path / name) for name in ("old", "new")]
    for folder, part in zip(runs, (data, more), strict=True):
        train(TrainingJob(recipe, part, 0, Path(folder)))

    finding = run_study(ComparisonConfig(tuple(runs), (0,), None), more, tmp_path / "study")
    assert {contender.name for contender in finding.contenders} == {"old", "new"}
    assert finding.verdict.about == "models"
    note = (
        "old was trained on 300 images, of which 300 are among the 600 training images of this "
        "comparison. So a difference may come from the training images, and the verdict is about "
        "this trained model, not its recipe."
    )
    assert [sentence for sentence in finding.verdict.notes if "was trained on" in sentence] == [
        note
    ]
    gate = gate_of(finding, GateQuestion(reference="old", candidate="new", margin=0.5))
    assert gate.passed and note in gate_summary(finding, gate)


def test_a_run_that_has_seen_test_images_is_refused(data: SplitDataset, tmp_path: Path) -> None:
    split = data.split
    seen = replace(split, train=np.append(split.train, split.test[:2]), fingerprint="seen")
    leaky = SplitDataset(data.dataset, seen)
    train(TrainingJob(make_recipe("mlp", {"epochs": 1}), leaky, 0, tmp_path / "run"))
    config = ComparisonConfig(("mlp", str(tmp_path / "run")), (0,), None, {"epochs": 1})
    with pytest.raises(InputError, match="trained or selected with 2 images of the test images"):
        run_study(config, data, tmp_path / "study")
