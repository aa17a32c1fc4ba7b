"""Tune: selection on validation, evaluation on test; kills, failures, executors, storage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart.data import Dataset, Split, SplitDataset, make_split
from headstart.errors import InputError, ResourceError, RunFailed
from headstart.execution import Job, Outcome, Where
from headstart.models.recipes import make_recipe, resolve
from headstart.results import Trial
from headstart.studies import Draw, TuningConfig, TuningStudy, _study as study_module, run_study
from headstart.studies.tune import _finding, _finding_sentences, _successive_halving
from headstart.studies.tune._budget import within_budget

# Searches in processes of their own are compared with one in this process.
pytestmark = pytest.mark.usefixtures("same_precision", "decoded_digits")

SPACE = {
    "lr": {"low": 1e-4, "high": 1e-1, "log": True},
    "nodes": [16, 32],
    "activation": ["relu", "tanh"],
}
STILL = ("number", "values", "state", "is_best", "is_default", "is_tie", "reason")


def quick(**changes: Any) -> TuningConfig:
    given: dict[str, Any] = {
        "model": "mlp",
        "space": SPACE,
        "trials": 6,
        "seeds": 2,
        "values": {"epochs": 2.0, "batch": 32},
    }
    return TuningConfig(**{**given, **changes})


def tune(
    config: TuningConfig,
    data: SplitDataset,
    folder: Path,
    *,
    where: Where | None = None,
    started: float | None = None,
) -> dict[str, Any]:
    """Carry out a search and return its finding as JSON."""
    study = TuningStudy(config)
    return dict(run_study(study, data, folder, workers=where, started=started).as_json())


def outcome(finding: dict[str, Any]) -> list[Any]:
    """What must be the same however the search was made: all but clocks."""
    trials = [
        [trial[key] for key in STILL]
        + [(rung["loss"], rung["accuracy"], rung["epochs"]) for rung in trial["rungs"]]
        for trial in finding["trials"]
    ]
    return [trials, finding["best"], finding["test"]["per_seed"], finding["importance"]]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A search in one go, in this process."""
    from headstart.data import load

    digits = load("digits")
    return tune(
        quick(),
        SplitDataset(digits, make_split(digits, train_images=300)),
        tmp_path_factory.mktemp("reference") / "study",
    )


def test_validation_chooses_and_test_images_are_read_by_the_retrained_only(
    reference: dict[str, Any], digits: Dataset, small: Split
) -> None:
    folder = Path(reference["report"]).parent
    assert reference == json.loads((folder / "finding.json").read_text())
    rungs = [trial["rungs"] for trial in reference["trials"]]
    assert len(rungs) == 6 and all(len(rung) >= 1 for rung in rungs)
    whole = [trial for trial in reference["trials"] if len(trial["rungs"]) == 2]
    best = next(trial for trial in reference["trials"] if trial["is_best"])
    assert best["rungs"][1]["loss"] == min(trial["rungs"][1]["loss"] for trial in whole)
    assert best["is_tie"]
    # The defaults are kept unless the retrained recipe beats them.
    is_default_kept = reference["best"] == reference["defaults"]
    assert is_default_kept or reference["best"] == best["values"]
    chosen = reference["trials"][0] if is_default_kept else best
    for run in (folder / "runs").glob("trial-*"):
        metrics = json.loads((run / "metrics.json").read_text())
        assert metrics["test"] is None and metrics["validation"]["n"] == len(small.validation)
    assert reference["test_reads"] == sum(len(one["runs"]) for one in reference["contenders"]) == 4
    assert [one["seeds"] for one in reference["contenders"]] == [[1, 2], [1, 2]], (
        "seeds that chose nothing"
    )
    assert reference["optimism"]["gap"] == pytest.approx(
        chosen["rungs"][1]["accuracy"] - reference["test"]["accuracy"]
    )
    low, high = reference["optimism"]["interval"]
    assert low < reference["optimism"]["gap"] < high
    sentences = " ".join(reference["sentences"])
    assert f"Of 6 recipes, {len(whole)} had a full run." in sentences
    assert "points (95% interval" in sentences


def test_the_default_recipe_is_the_first_trial_and_gets_a_full_run_before_the_others(
    reference: dict[str, Any],
) -> None:
    first = reference["trials"][0]
    assert len(first["rungs"]) == 2
    assert [row["trial"] for row in reference["history"][:3]] == [0, 0, 1]
    assert reference["history"][0]["best_validation"] == first["rungs"][0]["accuracy"]
    assert reference["history"][1]["best_loss"] == min(rung["loss"] for rung in first["rungs"])
    best = [row["best_validation"] for row in reference["history"]]
    assert best == sorted(best)
    assert len(best) == 6 + len(
        [trial for trial in reference["trials"] if len(trial["rungs"]) == 2]
    )


def test_the_first_trial_of_a_cnn_has_the_depth_that_its_images_call_for(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    asked = TuningConfig("cnn", trials=1, seeds=1, values={"epochs": 1.0, "nodes": 8})
    finding = tune(
        asked, SplitDataset(digits, make_split(digits, train_images=100)), tmp_path / "study"
    )
    assert finding["trials"][0]["is_default"] and finding["best"] == finding["defaults"]
    assert [contender["name"] for contender in finding["contenders"]] == ["defaults"]


def test_a_finished_study_answers_at_once_and_another_is_refused(
    reference: dict[str, Any], digits: Dataset, small: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(reference["report"]).parent
    monkeypatch.setattr(study_module, "open_executor", lambda *_: pytest.fail("opened again"))
    assert tune(quick(), SplitDataset(digits, small), folder) == reference
    with pytest.raises(
        InputError, match=r"holds a study with a different value of trials: it has 6, not 7"
    ):
        tune(quick(trials=7), SplitDataset(digits, small), folder)


def test_two_workers_find_what_one_process_finds(
    reference: dict[str, Any],
    digits: Dataset,
    small: Split,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import torch

    monkeypatch.setenv("OMP_NUM_THREADS", str(torch.get_num_threads()))
    found = tune(quick(), SplitDataset(digits, small), tmp_path / "study", where=Where(workers=2))
    same, other = outcome(reference), outcome(found)
    assert [row[:7] for row in same[0]] == [row[:7] for row in other[0]]
    assert same[1] == other[1]
    losses = [[rung[0] for rung in row[7:]] for rows in (same[0], other[0]) for row in rows]
    assert np.allclose(
        [x for row in losses[:6] for x in row], [x for row in losses[6:] for x in row], rtol=0.02
    )


SCRIPT = """
import sys
from pathlib import Path
from headstart.data import SplitDataset, load, make_split
from headstart.studies import TuningConfig, TuningStudy, run_study
digits = load("digits")
asked = TuningConfig(**{asked!r})
data = SplitDataset(digits, make_split(digits, train_images=300))
run_study(TuningStudy(asked), data, Path({folder!r}))
"""


@pytest.mark.slow
def test_a_search_that_is_killed_again_and_again_ends_as_one_in_one_go(
    reference: dict[str, Any], digits: Dataset, small: Split, tmp_path: Path
) -> None:
    folder = tmp_path / "study"
    asked = {key: value for key, value in vars(quick()).items() if key != "storage"}
    words = [sys.executable, "-c", SCRIPT.format(asked=asked, folder=str(folder))]
    rng, kills = np.random.default_rng(0), 0
    while not (folder / "finding.json").exists() and kills < 3:
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wanted = len(list((folder / "runs").glob("*"))) + 1
        started = time.monotonic()
        while (
            process.poll() is None and time.monotonic() - started < 60
        ):  # until it has begun another run, and a little more
            if len(list((folder / "runs").glob("*"))) > wanted:
                time.sleep(float(rng.uniform(0, 0.3)))
                break
            time.sleep(0.01)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        assert process.wait() in (0, -signal.SIGKILL)
    assert kills == 3
    found = tune(quick(), SplitDataset(digits, small), folder)
    assert outcome(found) == outcome(reference)


def fail(reasons: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs whose name begins with a key of `reasons` fail with that reason."""
    from headstart.execution._job import attempt as real

    def attempt(job: Job, data: SplitDataset) -> Outcome:
        for name, reason in reasons.items():
            if job.name == name:
                return Outcome(job, None, reason, f"{name} went wrong")  # type: ignore[arg-type]
        return real(job, data)

    monkeypatch.setattr("headstart.execution._executors.attempt", attempt)


def test_failed_trials_are_kept_with_their_reason_and_the_search_goes_on(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail({"trial 1": "memory", "trial 2": "not finite", "trial 3": "memory"}, monkeypatch)
    finding = tune(quick(), SplitDataset(digits, small), tmp_path / "study")
    states = [(trial["state"], trial["reason"]) for trial in finding["trials"]]
    assert states[:5] == [
        ("done", None),
        ("failed", "memory"),
        ("failed", "not finite"),
        ("failed", "memory"),
        ("done", None),
    ]
    assert finding["trials"][1]["message"] == "trial 1 went wrong"
    assert "3 of 6 recipes failed." in finding["sentences"]


def test_three_failures_in_a_row_for_one_reason_end_the_search(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail({f"trial {number}": "memory" for number in (2, 3, 4)}, monkeypatch)
    with pytest.raises(
        RunFailed,
        match=r"the last 3 recipes failed for the same reason \(memory\): trial 4 went wrong",
    ):
        tune(quick(), SplitDataset(digits, small), tmp_path / "study")


def test_a_diverging_recipe_is_a_failed_trial(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    space = {"lr": [0.05, 90.0], "optimizer": ["sgd"], "activation": ["relu"]}
    finding = tune(
        quick(space=space, trials=4, values={"epochs": 3.0, "batch": 32}),
        SplitDataset(digits, small),
        tmp_path / "study",
    )
    failed = [trial for trial in finding["trials"] if trial["state"] == "failed"]
    assert finding["best"]["lr"] in (0.05, finding["defaults"]["lr"])
    assert (
        all(trial["values"]["lr"] == 90.0 and trial["reason"] == "not finite" for trial in failed)
        and failed
    )


def test_a_function_may_be_the_space(digits: Dataset, small: Split, tmp_path: Path) -> None:
    def space(draw: Draw) -> dict[str, Any]:
        layers = draw.suggest_int("layers", 1, 2)
        return {
            "layers": layers,
            "nodes": draw.suggest_int("nodes of two" if layers == 2 else "nodes", 8, 8 * layers),
        }

    finding = tune(
        quick(space=space, trials=3, seeds=1), SplitDataset(digits, small), tmp_path / "study"
    )
    assert {tuple(trial["values"]) for trial in finding["trials"]} == {("layers", "nodes")}
    assert finding["space"] == {}


def test_a_function_that_offers_now_this_now_that_is_refused(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    def space(draw: Draw) -> dict[str, Any]:
        layers = draw.suggest_categorical("layers", [1, 2])
        return {"layers": layers, "nodes": draw.suggest_categorical("nodes", [8] * layers)}

    with pytest.raises(InputError, match="cannot draw from the search space"):
        tune(quick(space=space, trials=8), SplitDataset(digits, small), tmp_path / "study")


def test_larger_networks_train_for_less_within_the_same_multiply_adds(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    space = {"nodes": [512, 2048]}
    finding = tune(
        quick(space=space, trials=4, seeds=1), SplitDataset(digits, small), tmp_path / "study"
    )
    epochs = {
        trial["values"]["nodes"]: trial["rungs"][-1]["epochs"]
        for trial in finding["trials"]
        if len(trial["rungs"]) == 2
    }
    assert epochs[512] == 2 and epochs.get(2048, 0) < 0.5


@pytest.mark.parametrize(
    "change", [{"nodes": 1024}, {"batch": 16}, {"layers": 4}, {"optimizer": "muon"}]
)
def test_what_makes_a_recipe_dearer_shortens_it(
    digits: Dataset, small: Split, change: dict[str, Any]
) -> None:
    usual = {"optimizer": "adam", "batch": 64, "nodes": 256, "epochs": 8.0}
    defaults = resolve(make_recipe("mlp", usual), len(small.train))
    same, dearer = (
        within_budget(
            make_recipe("mlp", {**usual, **more}), defaults, 8, SplitDataset(digits, small)
        )
        for more in ({}, change)
    )
    assert same is not None and same.epochs == 8
    assert dearer is not None and dearer.epochs is not None and dearer.epochs < 8
    assert (
        within_budget(
            make_recipe("mlp", {**usual, "nodes": 8000, "layers": 4}),
            defaults,
            1,
            SplitDataset(digits, small),
        )
        is None
    )


def test_a_search_whose_short_runs_have_less_than_one_step_is_refused(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    config = quick(values={"epochs": 1.0, "batch": 256})
    with pytest.raises(InputError, match="less than one training step of 256 images"):
        tune(config, SplitDataset(digits, small), tmp_path / "study")


def test_a_search_ends_when_the_space_seems_to_hold_nothing_that_fits_the_budget(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_successive_halving, "_MAX_TOO_LARGE", 1)
    config = quick(space={"nodes": [8192], "layers": [4]}, seeds=1)
    with pytest.raises(RunFailed, match="too large for the budget of this search"):
        tune(config, SplitDataset(digits, small), tmp_path / "study")


@pytest.mark.parametrize("drawn", [49, 50])
def test_a_search_with_results_draws_no_more_after_fifty_recipes_that_are_too_large(
    drawn: int,
) -> None:
    finished = SimpleNamespace(state="done", facts={"loss": 0.5})
    plan = {"rungs": [{"epochs": 0.5}]}
    search: Any = SimpleNamespace(_too_large=drawn, plan=plan, rungs=[{0: finished}])
    assert _successive_halving.Search._finds_nothing_small(search) == (drawn == 50)


def test_the_defaults_are_kept_unless_validation_images_show_a_better_recipe(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_finding, "retrained_scores", lambda *_: {"defaults": 0.9, "tuned": 0.8})
    finding = tune(quick(seeds=1), SplitDataset(digits, small), tmp_path / "study")
    assert Path(finding["run"]).name.startswith("defaults")
    assert finding["best"] == finding["defaults"]
    assert finding["verdict"]["sentence"].startswith(("The defaults are kept", "Of the"))


def test_a_best_recipe_that_fails_with_one_seed_does_not_replace_the_defaults(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_finding, "retrained_scores", lambda *_: {"defaults": 0.8, "tuned": 0.9})
    fail({"tuned, seed 1": "the gradient is not finite."}, monkeypatch)
    finding = tune(quick(), SplitDataset(digits, small), tmp_path / "study")
    assert Path(finding["run"]).name.startswith("defaults")
    assert finding["verdict"]["sentence"] == (
        "The defaults are kept: retrained, the best recipe of the search failed with 1 of 2 seeds."
    )
    assert (
        "tuned failed with 1 of 2 seeds. The verdict leaves it out."
        in (finding["verdict"]["notes"])
    )


def test_a_best_recipe_that_fails_when_it_is_retrained_is_no_finding(
    digits: Dataset, small: Split, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail({f"tuned, seed {seed}": "memory" for seed in (1, 2)}, monkeypatch)
    with pytest.raises(
        RunFailed,
        match=r"the best recipe failed with every seed .*: seed 1 failed: tuned, seed 1 went wrong",
    ):
        tune(quick(), SplitDataset(digits, small), tmp_path / "study")


def test_without_validation_images_nothing_can_be_chosen(digits: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are no validation images"):
        tune(quick(), SplitDataset(digits, make_split(digits, validation=0)), tmp_path / "study")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "mpl"}, "unknown model 'mpl'"),
        ({"trials": 0}, "invalid --trials: expected a whole number of at least 1, got 0"),
        ({"seeds": 0}, "invalid --seeds: expected a whole number of at least 1, got 0"),
        ({"space": {"lrr": [1]}}, "did you mean 'lr'"),
        ({"values": {"nodes": 8, "epochs": 1.0}}, "both fixed at 8 and in the search space"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_any_work(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        quick(**changes).check()


@pytest.mark.parametrize(
    ("url", "kind", "message"),
    [
        ("nonsense", InputError, "invalid --storage nonsense: expected the URL of a database"),
        (
            "postgresql://nobody:secret@127.0.0.1:1/none",
            ResourceError,
            r"the database 127.0.0.1:1/none does not answer",
        ),
        ("mysql://localhost/x", InputError, "needs a driver that is not installed"),
    ],
)
def test_a_database_that_cannot_be_used_is_named_without_its_password(
    digits: Dataset, small: Split, tmp_path: Path, url: str, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        tune(quick(storage=url), SplitDataset(digits, small), tmp_path / "study")
    assert "secret" not in str(caught.value)


@pytest.mark.slow
def test_two_machines_share_one_search_and_no_trial_counts_twice(
    postgres_url: str, reference: dict[str, Any], digits: Dataset, small: Split, tmp_path: Path
) -> None:
    asked = {**vars(quick(trials=8, together=2)), "storage": postgres_url}
    folders = [tmp_path / "one", tmp_path / "two"]
    words = [
        [sys.executable, "-c", SCRIPT.format(asked=asked, folder=str(folder))] for folder in folders
    ]
    both = [
        subprocess.Popen(of, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for of in words
    ]
    errors = [process.communicate(timeout=180)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    one, two = (json.loads((folder / "finding.json").read_text()) for folder in folders)
    own = {"report": "", "created": ""}  # of the machine that wrote it down
    assert {**one, **own} == {**two, **own} and Path(two["report"]).parent == folders[1]
    assert [trial["number"] for trial in one["trials"]] == list(range(8))
    made = [
        sorted(path.name for path in (folder / "runs").glob("trial-*-rung0")) for folder in folders
    ]
    assert len(made[0]) + len(made[1]) == 8 and not set(made[0]) & set(made[1])


def test_another_metric_selects_the_recipe_and_the_finding_says_which(
    digits: Dataset, small: Split, tmp_path: Path
) -> None:
    (tmp_path / "worst.py").write_text(
        "def score(labels, probabilities):\n"
        "    return -(probabilities.argmax(1) == labels).mean()\n"
    )
    metric = f"{tmp_path / 'worst.py'}:score"
    config = quick(trials=4, seeds=1, values={"epochs": 2.0, "batch": 32, "metric": metric})
    finding = tune(config, SplitDataset(digits, small), tmp_path / "study")

    last = [trial["rungs"][-1] for trial in finding["trials"] if len(trial["rungs"]) == 2]
    best = next(trial for trial in finding["trials"] if trial["is_best"])["rungs"][-1]
    assert best["accuracy"] == min(rung["accuracy"] for rung in last)
    assert best["score"] == -best["accuracy"]
    assert finding["metric"] == metric
    assert f"highest validation worst.py:score {best['score']:.4g}" in finding["sentences"][0]


def test_an_unknown_metric_is_refused_before_the_search(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'macro-f1'"):
        quick(values={"metric": "makro-f1"}).check()


@pytest.mark.parametrize(
    ("defaults", "sentence"),
    [
        ([False], "1 other is not significantly worse."),
        ([True], "The defaults are not significantly worse."),
        ([False, False], "2 others are not significantly worse."),
        ([False, True], "2 others are not significantly worse, including the defaults."),
    ],
)
def test_recipes_not_shown_to_be_worse_are_counted_in_a_sentence(
    defaults: list[bool], sentence: str
) -> None:
    ties = [
        Trial(
            number=number,
            values={},
            state="done",
            reason=None,
            message="",
            rungs=(),
            is_tie=True,
            is_best=False,
            is_default=is_default,
        )
        for number, is_default in enumerate(defaults)
    ]
    assert _finding_sentences._ties_sentence(ties) == sentence
