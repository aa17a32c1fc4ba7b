"""The command line: words in, one JSON object or a table out, an exit status that says which kind of trouble."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from headstart import cli

Command = Callable[..., tuple[int, str, str]]
PROGRAM = [sys.executable, "-c", "from headstart.cli import main; main()"]


def test_train_prints_one_json_object_with_the_promised_keys(headstart: Command) -> None:
    status, out, _ = headstart(
        "train", "digits", "--model", "mlp", "--epochs", 2, "--json", "--out", "run"
    )
    found = json.loads(out)
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
    } <= set(found)
    assert {"accuracy", "interval", "n", "macro_f1"} <= set(found["test"])
    assert (found["run"], found["model"], found["seed"], found["epochs"]) == ("run", "mlp", 0, 2)


def test_the_default_folder_is_found_again_by_the_same_command(headstart: Command) -> None:
    words = ("train", "digits", "--model", "mlp", "--epochs", 1, "--json")
    first, again, other = (
        json.loads(headstart(*words, *more)[1]) for more in ((), (), ("--seed", 1))
    )
    assert again["run"] == first["run"] and again["reused"]
    assert other["run"] != first["run"]
    assert Path(first["run"]).parent == Path("runs")


def test_a_finished_run_is_extended_in_a_folder_of_its_own(headstart: Command) -> None:
    words = ("train", "digits", "--model", "mlp", "--set", "effort=0.05", "--json")
    first = json.loads(headstart(*words)[1])
    longer = json.loads(headstart(*words, "--epochs", "+3")[1])
    again = json.loads(headstart(*words, "--epochs", "+3")[1])
    assert longer["epochs"] == first["epochs"] + 3
    assert longer["run"] == f"{first['run']}-plus3"
    assert again["reused"] and again["run"] == longer["run"]
    status, _, err = headstart(
        "train", "digits", "--model", "mlp", "--lr", 0.1, "--epochs", "+3", "--out", first["run"]
    )
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
    found = json.loads(out)
    assert status == 0
    assert (found["run"], found["seed"], found["repeats"]) == (
        "first-repeat",
        4,
        {"run": "first", "identical": True},
    )
    assert "the same to the last bit" in headstart("train", "--repeat", "first")[1].replace(
        "\n", ""
    )


def test_a_run_of_two_seconds_says_before_what_it_will_cost(headstart: Command) -> None:
    _, _, err = headstart("train", "digits", "--model", "cnn", "--epochs", 200, "--target", 0.5)
    assert "cnn: 200 epochs of 1,257 images, about" in err and "images/s;" in err


def test_train_shows_a_table_for_people(headstart: Command) -> None:
    status, out, err = headstart("train", "digits", "--model", "mlp", "--epochs", 1, "-q")
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
    found = json.loads(headstart(*words, "--json")[1])
    assert found["report"] == "cmp/report.html"
    assert found["verdict"]["sentence"] in " ".join(out.split())
    page = Path("cmp/report.html").read_text()
    assert "headstart compare digits" in page
    assert Path("cmp/figures/curves.png").exists() and Path("cmp/figures/curves.svg").exists()


def test_runs_and_report_find_what_was_trained(headstart: Command) -> None:
    headstart("train", "digits", "--model", "mlp", "--epochs", 1, "--out", "here/run")
    found = json.loads(headstart("runs", "here", "--json")[1])["runs"]
    assert [(run["run"], run["state"], run["data"]) for run in found] == [
        ("here/run", "finished", "digits")
    ]
    assert "here/run" in headstart("runs", "here")[1]
    status, out, _ = headstart("report", "here/run")
    assert (status, out.strip()) == (0, "Report: here/run/report.html")
    assert Path("here/run/report.html").exists()


def test_data_lists_and_gets_the_named_datasets(headstart: Command) -> None:
    listed = {
        one["name"]: one for one in json.loads(headstart("data", "list", "--json")[1])["datasets"]
    }
    assert set(listed) == {"fashion-mnist", "mnist", "cifar10", "digits"}
    assert not listed["digits"]["cached"]
    assert "1,797 images of 8x8x1" in headstart("data", "get", "digits")[1]
    assert "digits" in headstart("data", "list")[1]


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("train", "nowhere/photos"), 2, "nowhere/photos"),
        (("train", "digts"), 2, "digits"),
        (("train", "digits", "--model", "cnm"), 2, "did you mean 'cnn'?"),
        (("train", "digits", "--modle", "cnn"), 2, "--model"),
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
        (("train", "digits", "--epochs", "+0"), 2, "Example: --epochs +10"),
        (("train", "digits", "--epochs", "+3"), 2, "holds no finished run to go on from"),
        (("train", "--repeat", "nowhere"), 2, "nowhere/recipe.json does not exist"),
        (("train",), 2, "DATA is missing"),
        (("train", "digits", "--lr", "fast"), 2, "--lr"),
        (("train", "digits", "--set", "momentom=0.5"), 2, "did you mean 'momentum'?"),
        (("train", "digits", "--set", "momentum"), 2, "KEY=VALUE"),
        (("train", "digits", "--time-limit", "soon"), 2, "5m"),
        (("train", "digits", "--validation", "1.5"), 2, "validation"),
        (("train", "digits", "--train-images", "99999"), 2, "train"),
        (("train", "digits", "--seed", "-3"), 2, "seed"),
        (("compare", "digits", "--models", "cnn,cnn"), 2, "each contender must appear once"),
        (("compare", "digits", "--seeds", "0"), 2, "one seed or more"),
        (("report", "nowhere"), 2, "no finished study or run"),
        (("data", "get", "mnits"), 2, "did you mean 'mnist'?"),
        (("tarin", "digits"), 2, "train"),
    ],
)
def test_a_mistake_ends_with_its_status_and_words(
    words: tuple[str, ...], status: int, said: str, headstart: Command
) -> None:
    found, out, err = headstart(*words)
    assert found == status
    assert said in err
    assert out == "" and "Traceback" not in err


def test_no_permission_ends_with_3(headstart: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    status, _, err = headstart("train", "digits", "--out", "/anywhere/run")
    assert status == 3
    assert "no permission to write" in err


def test_the_command_line_starts_without_torch() -> None:
    code = (
        "import sys; import headstart, headstart.cli; from headstart import api;"
        "import headstart.data, headstart.evaluation, headstart.report, headstart.store, headstart.models, headstart.training;"
        "heavy = {'torch', 'timm', 'torchvision', 'matplotlib', 'scipy', 'sklearn', 'PIL'} & set(sys.modules);"
        "print(heavy); sys.exit(bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rooms_that_are_used_by_name_come_with_the_package() -> None:
    code = (
        "import sys, headstart; headstart.progress.show_progress(False); sys.exit("
        "not all((headstart.deploy.open_model, headstart.api.train, headstart.report, headstart.errors.InputError))"
        " or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_needs_no_numpy_either() -> None:
    code = "import sys, headstart, headstart.cli; sys.exit(bool({'torch', 'numpy', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(("signum", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_says_so_and_goes_on_later(
    signum: int, status: int, tmp_path: Path, headstart: Command
) -> None:
    words = ["train", "digits", "--model", "mlp", "--epochs", "60", "--out", str(tmp_path / "run")]
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
    ("verb", "goes_on"), [("serve", False), ("predict", False), ("compare", True)]
)
def test_only_what_goes_on_later_is_told_to_when_a_command_is_stopped_early(
    verb: str, goes_on: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["headstart", verb])
    with pytest.raises(SystemExit) as ended:
        cli._stopped(signal.SIGTERM, None)
    assert ended.value.code == 143
    assert ("Run the same command again" in capsys.readouterr().err) == goes_on
