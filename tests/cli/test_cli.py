"""The command line: JSON or a table on stdout, and an exit status per kind of failure."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headstart import cli

Command = Callable[..., tuple[int, str, str]]
TRAIN = ("train", "digits", "--model", "mlp", "--nodes", 32)
PROGRAM = [sys.executable, "-c", "from headstart.cli import main; main()"]


def test_train_prints_one_json_object_with_the_promised_keys(headstart: Command) -> None:
    status, out, _ = headstart(*TRAIN, "--epochs", 2, "--json", "--out", "run")
    summary = json.loads(out)
    assert status == 0
    assert {
        "run",
        "model",
        "seed",
        "epochs",
        "parameters",
        "resumed",
        "seconds",
        "validation",
        "test",
    } <= set(summary)
    assert {"accuracy", "interval", "n", "macro_f1"} <= set(summary["test"])
    assert (summary["run"], summary["model"], summary["seed"], summary["epochs"]) == (
        "run",
        "mlp",
        0,
        2,
    )


def test_the_default_folder_is_found_again_by_the_same_command(headstart: Command) -> None:
    words = (*TRAIN, "--epochs", 1, "--json")
    first, again, other = (
        json.loads(headstart(*words, *more)[1]) for more in ((), (), ("--seed", 1))
    )
    assert again["run"] == first["run"] and again["reused"]
    assert other["run"] != first["run"]
    assert Path(first["run"]).parent == Path("runs")


def test_a_finished_run_is_extended_in_a_folder_of_its_own(headstart: Command) -> None:
    words = (*TRAIN, "--set", "effort=0.05", "--json")
    first = json.loads(headstart(*words)[1])
    longer = json.loads(headstart(*words, "--epochs", "+3")[1])
    again = json.loads(headstart(*words, "--epochs", "+3")[1])
    assert longer["epochs"] == first["epochs"] + 3
    assert longer["run"] == f"{first['run']}-plus3"
    assert again["reused"] and again["run"] == longer["run"]
    status, _, err = headstart(*TRAIN, "--lr", 0.1, "--epochs", "+3", "--out", first["run"])
    assert status == 2 and "was trained with another lr" in err


def test_a_run_is_repeated_from_its_folder_alone(headstart: Command) -> None:
    headstart(
        "train",
        "digits",
        "--model",
        "mlp",
        "--time-limit",
        "2s",
        "--train-images",
        300,
        "--seed",
        4,
        "--out",
        "first",
    )
    status, out, _ = headstart("train", "--repeat", "first", "--json")
    summary = json.loads(out)
    assert status == 0
    assert (summary["run"], summary["seed"], summary["repeats"]) == (
        "first-repeat",
        4,
        {"run": "first", "identical": True},
    )
    assert "the same to the last bit" in headstart("train", "--repeat", "first")[1].replace(
        "\n", ""
    )


def test_every_command_on_data_begins_with_a_line_about_them(headstart: Command) -> None:
    line = "digits: 1,797 images (train 1,257, validation 270, test 270); 10 classes: 0 (178), "
    words = (*TRAIN, "--epochs", 1, "--json")
    status, out, err = headstart(*words)
    assert status == 0 and json.loads(out)
    assert err.startswith(line)
    assert headstart(*words, "-q")[2] == ""


def test_a_finished_run_says_that_it_is_reused(headstart: Command) -> None:
    words = (*TRAIN, "--epochs", 1, "--out", "run")
    assert "reused" not in headstart(*words)[2]
    assert "run is finished: its results are reused.\n" in headstart(*words)[2]


def test_a_recipe_key_is_given_by_its_option_or_by_set_but_not_by_both(headstart: Command) -> None:
    words = (*TRAIN, "--epochs", 1, "--out", "run", "--set", "lr=0.5")
    assert headstart(*words)[0] == 0
    recipe = json.loads(Path("run/recipe.json").read_text())["recipe"]
    assert recipe["lr"] == 0.5
    status, _, err = headstart(*words, "--lr", 0.1)
    assert status == 2 and "lr has a value already." in err


def test_a_run_says_before_it_starts_what_it_will_cost(headstart: Command) -> None:
    _, _, err = headstart("train", "digits", "--model", "cnn", "--epochs", 200, "--target", 0.5)
    assert "cnn: 200 epochs of 1,257 images, about" in err and "images/s;" in err


def test_train_shows_a_table_for_people(headstart: Command) -> None:
    status, out, err = headstart(*TRAIN, "--epochs", 1, "-q")
    assert status == 0
    assert "test accuracy" in out and "runs/digits-mlp-seed0-" in out.replace("\n", "")
    assert err == ""


def test_a_summary_lists_layers_and_trains_nothing(headstart: Command) -> None:
    status, out, _ = headstart("train", "digits", "--model", "mlp", "--summary", "--json")
    layers = json.loads(out)["layers"]
    assert status == 0
    assert [layer["parameters"] for layer in layers if layer["kind"] == "Linear"] == [
        64 * 512 + 512,
        512 * 512 + 512,
        512 * 10 + 10,
    ]
    assert not Path("runs").exists()
    assert "301,066" in headstart("train", "digits", "--model", "mlp", "--summary")[1]
    for budget in (("--time-limit", "1m"), ("--epochs", "+3"), ("--epochs", "3")):
        status, out, err = headstart("train", "digits", "--model", "mlp", "--summary", *budget)
        assert status == 0 and "301,066" in out, err


def test_compare_prints_table_verdict_and_report(headstart: Command) -> None:
    words = (
        "compare",
        "digits",
        "--models",
        "mlp,cnn",
        "--seeds",
        2,
        "--epochs",
        2,
        "--time-limit",
        "none",
        "--out",
        "cmp",
    )
    status, out, _ = headstart(*words)
    assert status == 0
    assert "Report: cmp/report.html" in out and "nearest neighbour" in out
    finding = json.loads(headstart(*words, "--json")[1])
    assert finding["report"] == "cmp/report.html"
    assert finding["verdict"]["sentence"] in " ".join(out.split())
    page = Path("cmp/report.html").read_text()
    assert "headstart compare digits" in page
    assert Path("cmp/figures/curves.png").exists() and Path("cmp/figures/curves.svg").exists()


def test_runs_and_report_find_what_was_trained(headstart: Command) -> None:
    headstart(*TRAIN, "--epochs", 1, "--out", "here/run")
    runs = json.loads(headstart("runs", "here", "--json")[1])["runs"]
    assert [(run["run"], run["state"], run["data"]) for run in runs] == [
        ("here/run", "finished", "digits")
    ]
    assert "here/run" in headstart("runs", "here")[1]
    status, out, _ = headstart("report", "here/run")
    assert (status, out.splitlines()[-1]) == (0, "Report: here/run/report.html")
    assert Path("here/run/report.html").exists()


def test_data_lists_and_gets_the_named_datasets(headstart: Command, own_cache: Path) -> None:
    shutil.rmtree(own_cache / "headstart")
    rows = json.loads(headstart("data", "list", "--json")[1])["datasets"]
    listed = {row["name"]: row for row in rows}
    assert set(listed) == {"fashion-mnist", "mnist", "cifar10", "digits"}
    assert not listed["digits"]["cached"]
    assert "1,797 images of 8x8x1" in headstart("data", "get", "digits")[1]
    assert "digits" in headstart("data", "list")[1]


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("train", "nowhere/photos"), 2, "nowhere/photos"),
        (("train", "digts"), 2, "digits"),
        (("train", "digits", "--model", "cnm"), 2, "did you mean 'cnn'?"),
        (("train", "digits", "--modle", "cnn"), 2, "--model"),
        (
            ("fit", "digits", "--set", "lr=0"),
            2,
            "Pass another value with --lr, or with --set lr=VALUE.",
        ),
        (
            ("train", "digits", "--lr", "-1"),
            2,
            "invalid lr: expected a value greater than 0, got -1",
        ),
        (("train", "digits", "--preset", "quick"), 2, "unknown preset 'quick'"),
        (
            ("train", "digits", "--model", "cnn-fashion", "--preset", "best"),
            2,
            "trains as it was published",
        ),
        (
            ("train", "digits", "--epochs", "many"),
            2,
            "invalid epochs: expected a valid number, got 'many'",
        ),
        (("train", "digits", "--epochs", "+0"), 2, "Write it as --epochs +10"),
        (("train", "digits", "--epochs", "+3"), 2, "does not hold a finished run to extend"),
        (("train", "--repeat", "nowhere"), 2, "nowhere/recipe.json does not exist"),
        (
            ("train", "--repeat", "nowhere", "--summary"),
            2,
            "summary cannot be combined with --repeat",
        ),
        (("train", "--repeat", "nowhere", "--lr", "0.1"), 2, "lr cannot be combined with --repeat"),
        (
            ("train", "--repeat", "nowhere", "--set", "momentum=0.5"),
            2,
            "momentum cannot be combined",
        ),
        (
            ("train", "--repeat", "nowhere", "--test", "0.2"),
            2,
            "test cannot be combined with --repeat",
        ),
        (("train", "--repeat", "nowhere", "--track", "tensorbord"), 2, "tensorboard"),
        (("train",), 2, "DATA is missing"),
        (("train", "digits", "--lr", "fast"), 2, "--lr"),
        (("train", "digits", "--set", "momentom=0.5"), 2, "did you mean 'momentum'?"),
        (("train", "digits", "--set", "momentum"), 2, "KEY=VALUE"),
        (("train", "digits", "--set", "out=run"), 2, "Use --out."),
        (("train", "digits", "--set", "data=mnist"), 2, "Pass DATA as an argument."),
        (("train", "digits", "--set", "seed=3"), 2, "Use --seed."),
        (("train", "digits", "--time-limit", "soon"), 2, "5m"),
        (("train", "digits", "--validation", "1.5"), 2, "validation"),
        (("train", "digits", "--train-images", "99999"), 2, "train"),
        (("train", "digits", "--seed", "-3"), 2, "seed"),
        (("compare", "digits", "--models", "cnn,cnn"), 2, "each contender must appear once"),
        (("compare", "digits", "--seeds", "0"), 2, "at least one seed"),
        (("report", "nowhere"), 2, "nowhere does not exist"),
        (("data", "get", "mnits"), 2, "did you mean 'mnist'?"),
        (("tarin", "digits"), 2, "train"),
    ],
)
def test_a_mistake_ends_with_its_status_and_message(
    words: tuple[str, ...], status: int, message: str, headstart: Command
) -> None:
    ended, out, err = headstart(*words)
    assert ended == status
    assert message in err
    assert out == "" and "Traceback" not in err


def test_no_permission_ends_with_3(headstart: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    status, _, err = headstart("train", "digits", "--out", "/anywhere/run")
    assert status == 3
    assert "no permission to write" in err


def test_the_rooms_are_imported_without_torch() -> None:
    code = (
        "import sys, headstart, headstart.cli\n"
        "import headstart.api, headstart.data, headstart.evaluation, headstart.models\n"
        "import headstart.report, headstart.store, headstart.training\n"
        "heavy = {'torch', 'timm', 'torchvision', 'matplotlib', 'scipy', 'sklearn', 'PIL'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rooms_that_are_used_by_name_come_with_the_package() -> None:
    code = (
        "import sys, headstart\n"
        "headstart.progress.show_progress(False)\n"
        "headstart.deploy.open_model, headstart.api.train, headstart.errors.InputError\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_version_is_printed(headstart: Command) -> None:
    assert headstart("--version") == (0, "headstart 0.1.0\n", "")


def test_help_needs_no_numpy_either() -> None:
    code = (
        "import sys, headstart, headstart.cli\n"
        "sys.exit(bool({'torch', 'numpy', 'pydantic'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_says_so_and_resumes_later(
    signum: int, status: int, tmp_path: Path, headstart: Command
) -> None:
    words = ["train", "digits", "--model", "mlp", "--nodes", "32", "--epochs", "100"]
    words += ["--train-images", "150", "--out", str(tmp_path / "run")]
    running = subprocess.Popen(
        [*PROGRAM, *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "checkpoint").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    running.send_signal(signum)
    _, err = running.communicate(timeout=120)
    assert running.returncode == status, err
    assert "stopped after step" in err and "Traceback" not in err
    assert not (tmp_path / "run" / "metrics.json").exists()
    command = err[err.index("headstart train digits") :].split()
    status, out, err = headstart(*command[1:], "--json")
    assert status == 0 and json.loads(out)["resumed"], err


@pytest.mark.parametrize(
    ("verb", "resumes"), [("serve", False), ("predict", False), ("compare", True)]
)
def test_a_stopped_command_says_how_to_resume_only_if_it_can(
    verb: str, resumes: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["headstart", verb])
    cli._announce_stop()
    assert ("Run the same command again" in capsys.readouterr().err) == resumes
