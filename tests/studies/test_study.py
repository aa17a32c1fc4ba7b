"""The protocol of a study, shown by a toy study: one module and one entry in a list."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from pydantic import Field

from headstart import api, store
from headstart.data import Dataset, Split, SplitDataset
from headstart.errors import InputError, RunFailed
from headstart.results import FINDINGS, Finding, JsonObject, read_finding
from headstart.studies import Study, StudyContext, run_study
from headstart.studies._study import to_json

Command = Callable[..., tuple[int, str, str]]
ASSETS = Path(__file__).parents[1] / "assets" / "version-0.1"


# The first place: the study and its finding.
class ClassSizes(Finding):
    """The finding of the toy study."""

    study: Literal["sizes"] = "sizes"
    largest: int = Field(description="Number of training images of the largest class.")


@dataclass(frozen=True)
class ClassSizesConfig(Study[ClassSizes]):
    """A study that counts the training images of each class."""

    classes: int

    finding_type = ClassSizes

    def check(self) -> None:
        if self.classes < 1:
            raise InputError(f"invalid classes: expected at least 1, got {self.classes}.")

    def check_data(self, data: SplitDataset) -> None:
        if len(data.class_names) < self.classes:
            raise InputError("there are too few classes.")

    def as_json(self) -> JsonObject:
        return {"classes": self.classes}

    def run(self, context: StudyContext) -> ClassSizes:
        counts = np.bincount(context.data.train_labels)[: self.classes]
        return ClassSizes(
            **context.common_fields("train", 0, context.budget(None, ())),
            largest=int(counts.max()),
        )


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    # The second place: the list of findings.
    monkeypatch.setitem(FINDINGS, "sizes", ClassSizes)


@pytest.fixture
def data(digits: Dataset, small: Split) -> SplitDataset:
    return SplitDataset(digits, small)


def test_a_new_study_needs_its_module_and_one_entry(
    data: SplitDataset, registered: None, tmp_path: Path
) -> None:
    finding = run_study(ClassSizesConfig(3), data, tmp_path / "study", command="headstart sizes")
    assert finding.largest == np.bincount(data.train_labels)[:3].max()
    assert read_finding(tmp_path / "study") == finding
    assert finding.command == "headstart sizes"
    assert finding.report == str(tmp_path / "study" / "report.html")
    assert finding.dataset.parts.train.images == len(data.split.train)
    assert finding.budget.seconds_spent >= 0

    recorded = json.loads((tmp_path / "study" / "study.json").read_text())
    assert recorded == {
        "study": "sizes",
        "classes": 3,
        "dataset": data.dataset.fingerprint,
        "split": data.split.fingerprint,
    }


def test_the_result_of_a_new_study_has_keys_and_types(
    data: SplitDataset, registered: None, tmp_path: Path
) -> None:
    result = api.StudyResult(run_study(ClassSizesConfig(3), data, tmp_path / "study"))
    assert result["largest"] == result.finding.largest
    assert result.folder == tmp_path / "study"
    assert json.loads(json.dumps(result)) == result


def test_a_finished_study_is_not_run_again(
    data: SplitDataset, registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_study(ClassSizesConfig(3), data, tmp_path / "study")
    monkeypatch.setattr(ClassSizesConfig, "run", lambda *_: pytest.fail("run again"))
    assert run_study(ClassSizesConfig(3), data, tmp_path / "study") == first


def test_a_study_that_was_moved_names_its_present_folder(
    data: SplitDataset, registered: None, tmp_path: Path
) -> None:
    run_study(ClassSizesConfig(3), data, tmp_path / "first")
    (tmp_path / "first").rename(tmp_path / "second")
    again = api.StudyResult(run_study(ClassSizesConfig(3), data, tmp_path / "second"))
    assert again.folder == tmp_path / "second"
    assert again["report"] == str(tmp_path / "second" / "report.html")


def test_a_finished_study_leaves_no_checkpoint_whose_removal_failed(
    data: SplitDataset, registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, count = tmp_path / "study" / "runs" / "cnn" / ".checkpoint.k2_8xyz1", ClassSizesConfig.run

    def leave(config: ClassSizesConfig, context: StudyContext) -> ClassSizes:
        left.mkdir(parents=True)
        return count(config, context)

    monkeypatch.setattr(ClassSizesConfig, "run", leave)
    run_study(ClassSizesConfig(3), data, tmp_path / "study")
    assert not left.exists() and left.parent.exists()
    left.mkdir()
    run_study(ClassSizesConfig(3), data, tmp_path / "study")
    assert not left.exists()


def test_a_study_with_results_is_never_overwritten(
    data: SplitDataset, registered: None, tmp_path: Path
) -> None:
    run_study(ClassSizesConfig(3), data, tmp_path / "study")
    with pytest.raises(InputError, match="a different value of classes: it has 3, not 4"):
        run_study(ClassSizesConfig(4), data, tmp_path / "study")


def test_a_study_is_checked_before_its_folder_is_made(
    data: SplitDataset, registered: None, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="expected at least 1, got 0"):
        run_study(ClassSizesConfig(0), data, tmp_path / "study")
    with pytest.raises(InputError, match="too few classes"):
        run_study(ClassSizesConfig(11), data, tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_an_interrupted_study_leaves_no_finding_and_runs_again(
    data: SplitDataset, registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(ClassSizesConfig, "run", interrupt)
        run_study(ClassSizesConfig(3), data, tmp_path / "study")
    assert (tmp_path / "study" / "study.json").exists()
    assert not (tmp_path / "study" / "finding.json").exists()
    # Without results, another configuration may use the folder.
    assert run_study(ClassSizesConfig(2), data, tmp_path / "study").largest > 0


@dataclass(frozen=True)
class KeyedConfig(ClassSizesConfig):
    """The toy study with keys in its identity that others leave out."""

    keys: tuple[tuple[str, object], ...] = ()
    seeds: int = 1

    def identity(self) -> JsonObject:
        return {**self.as_json(), **to_json(dict(self.keys)), "seeds": list(range(self.seeds))}

    def extends(self, recorded: JsonObject, identity: JsonObject, folder: Path) -> bool:
        return len(str(identity["seeds"])) > len(str(recorded["seeds"]))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("folds", 5, "a different value of folds: it has 5, not None"),
        ("until_decided", True, "seeds were added until it was decided"),
        ("without_plan", "a1b2", r"a different value of without plan\."),
    ],
)
def test_a_key_that_is_left_out_has_its_default_value(
    data: SplitDataset, registered: None, tmp_path: Path, key: str, value: object, message: str
) -> None:
    given, left_out = KeyedConfig(3, ((key, value),)), KeyedConfig(3)
    first = run_study(given, data, tmp_path / "given")
    with pytest.raises(InputError, match=message):
        run_study(left_out, data, tmp_path / "given")
    assert run_study(given, data, tmp_path / "given") == first

    run_study(left_out, data, tmp_path / "left_out")
    with pytest.raises(InputError, match="holds a study"):
        run_study(given, data, tmp_path / "left_out")


def test_a_finished_study_with_all_its_runs_answers_one_that_could_lose_some(
    data: SplitDataset, registered: None, tmp_path: Path
) -> None:
    lengthen, shorten = KeyedConfig(3, (("when_slow", "lengthen"),)), KeyedConfig(3)
    first = run_study(lengthen, data, tmp_path / "long")
    assert run_study(shorten, data, tmp_path / "long") == first
    run_study(shorten, data, tmp_path / "short")
    with pytest.raises(InputError, match="value of when slow: it has shorten, not lengthen"):
        run_study(lengthen, data, tmp_path / "short")
    # An unfinished one follows another plan.
    (tmp_path / "long" / "finding.json").unlink()
    (tmp_path / "long" / "runs" / "a").mkdir(parents=True)
    (tmp_path / "long" / "runs" / "a" / "metrics.json").write_text("{}")
    with pytest.raises(InputError, match="value of when slow: it has lengthen, not shorten"):
        run_study(shorten, data, tmp_path / "long")


def test_a_study_is_as_it_was_if_the_runs_that_extend_it_fail(
    data: SplitDataset, registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_study(KeyedConfig(3), data, tmp_path)
    (tmp_path / "budget.json").write_text('{"seeds": 1}')
    (tmp_path / "report.html").write_text("of the first study")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}

    def fail(_: object, context: StudyContext) -> None:
        (context.folder / "looks.json").write_text('{"looks": []}')
        raise RunFailed("out of memory")

    with monkeypatch.context() as patch, pytest.raises(RunFailed):
        patch.setattr(KeyedConfig, "run", fail)
        run_study(KeyedConfig(3, seeds=2), data, tmp_path)
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    assert {name: json.loads(after[name]) for name in after if name.endswith(".json")} == {
        name: json.loads(before[name]) for name in before if name.endswith(".json")
    }
    assert after["report.html"] == before["report.html"]
    assert run_study(KeyedConfig(3), data, tmp_path) == first

    run_study(KeyedConfig(3, seeds=2), data, tmp_path)
    assert json.loads((tmp_path / "study.json").read_text())["seeds"] == [0, 1]
    assert not (tmp_path / "report.html").exists()
    assert not (tmp_path / "finding.previous.json").exists()


def test_a_study_whose_extension_is_interrupted_at_its_end_is_the_larger_one(
    data: SplitDataset, registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_study(KeyedConfig(3), data, tmp_path)
    seal = store.seal

    def seal_and_stop(*given: Any, **keys: Any) -> None:
        seal(*given, **keys)
        raise KeyboardInterrupt

    def stop(_: Path) -> None:
        raise KeyboardInterrupt

    for name, interrupt, seeds in (("seal", seal_and_stop, 2), ("forget_command", stop, 3)):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(store, name, interrupt)
            run_study(KeyedConfig(3, seeds=seeds), data, tmp_path)
        assert store.read_json(tmp_path / "study.json")["seeds"] == list(range(seeds))
        assert not store.find_problems(tmp_path)
        assert not (tmp_path / "finding.previous.json").exists()
        assert run_study(KeyedConfig(3, seeds=seeds), data, tmp_path) == read_finding(tmp_path)


def test_a_study_that_another_configuration_takes_over_follows_no_plan_of_the_first(
    data: SplitDataset, registered: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = ("budget.json", "looks.json", "ladder.json", "clock.json", "searches.json")
    left: list[list[str]] = []

    def stop(_: object, context: StudyContext) -> None:
        left.append([name for name in plans if (context.folder / name).exists()])
        for name in plans:
            (context.folder / name).write_text("{}")
        raise KeyboardInterrupt

    monkeypatch.setattr(ClassSizesConfig, "run", stop)
    for classes in (3, 3, 2):
        with pytest.raises(KeyboardInterrupt):
            run_study(ClassSizesConfig(classes), data, tmp_path)
    assert left == [[], list(plans), []]


def test_a_count_that_fails_does_not_cost_the_finding(
    data: SplitDataset,
    registered: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise AttributeError("no such attribute")

    monkeypatch.setattr("headstart.studies._study.count_study", fail)
    finding = run_study(ClassSizesConfig(3), data, tmp_path)
    assert finding.reuse is None
    assert read_finding(tmp_path) == finding
    assert "counting them failed: AttributeError: no such attribute" in capsys.readouterr().err


SPLIT = ("--train-images", "100", "--validation", "0.03", "--test", "0.03")
SMALL = ("--seeds", "2", "--epochs", "2", *SPLIT, "--set", "layers=1")
OLD_COMMANDS = {
    "compare": ("compare", "digits", "--models", "mlp,mlp:fast", *SMALL),
    "lr": ("lr", "digits", "--model", "mlp", "--values", "1,1e-1,1e-2", *SMALL, "--set", "nodes=8"),
    "effects": (
        "effects",
        "digits",
        "--model",
        "mlp",
        "--of",
        "dropout",
        *SMALL,
        "--set",
        "nodes=8",
    ),
}


@pytest.mark.parametrize("name", OLD_COMMANDS)
def test_a_study_of_version_0_1_is_reused_by_the_same_command(
    name: str, headstart: Command, tmp_path: Path
) -> None:
    shutil.copytree(ASSETS / name, tmp_path / name)
    old = (tmp_path / name / "finding.json").read_bytes()
    status, out, err = headstart(*OLD_COMMANDS[name], "--out", name, "--json")
    assert status == 0, err
    assert json.loads(out) == read_finding(ASSETS / name).as_json()
    assert (tmp_path / name / "finding.json").read_bytes() == old
    assert (tmp_path / name / "report.html").exists()
