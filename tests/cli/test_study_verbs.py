"""Studies from the command line: keys that scripts rely on, and errors that name the mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]
SMALL = ("digits", "--model", "mlp", "--epochs", 1, "--train-images", 200)


def test_tune_prints_what_scripts_rely_on_and_answers_again(
    headstart: Command, page_only: None
) -> None:
    words = ("tune", *SMALL, "--trials", 3, "--seeds", 1, "--out", "study", "--json")
    status, out, err = headstart(*words)
    assert status == 0, err
    finding = json.loads(out)
    assert set(finding["best"]) >= {"lr", "nodes", "dropout"}
    assert 0 < finding["validation"]["accuracy"] <= 1 and 0 < finding["test"]["accuracy"] <= 1
    assert Path("study", finding["run"], "model.safetensors").exists()
    assert finding["seconds"]["total"] > 0 and len(finding["trials"]) == 3
    assert set(finding["history"][0]) >= {"seconds", "epochs", "best_validation"}
    assert "trial 0" in err and "recipes 3 x" in err
    page = Path("study", "report.html").read_text()
    assert "Progress of the search" in page
    assert json.loads(headstart(*words)[1]) == finding
    status, out, _ = headstart("report", "study")
    assert status == 0 and Path("study", "report.html").read_text() == page


def test_lr_and_effects_print_a_table_and_where_the_report_is(headstart: Command) -> None:
    status, out, err = headstart("lr", *SMALL, "--values", "1e-1,1e-3", "--seeds", 1)
    assert status == 0, err
    assert (
        "The best learning rate of mlp with muon" in " ".join(out.split())
        and "2 runs, about" in err
    )
    status, out, err = headstart(
        "effects",
        *SMALL,
        "--of",
        "dropout,label-smoothing",
        "--seeds",
        1,
        "--set",
        "nodes=16",
        "-q",
    )
    assert status == 0 and not err
    assert "label_smoothing 0.1" in out and "Report: runs/digits-effects-" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tune", "digits", "--model", "mpl"), "unknown model 'mpl': did you mean 'mlp'"),
        (
            ("tune", "digits", "--space", "nowhere.toml"),
            "cannot read nowhere.toml: No such file",
        ),
        (("tune", "digits", "--also", "colours"), "unknown group 'colours' to search"),
        (
            ("tune", "digits", "--trials", 0),
            "invalid --trials: expected a whole number of at least 1, got 0",
        ),
        (
            ("tune", "digits", "--time-limit", "soon"),
            "invalid time limit: expected a positive duration, got 'soon'",
        ),
        (("tune", "digits", "--workers", 0), "invalid --workers: expected 1 or more, got 0"),
        (("tune", "digits", "--workers", 2, "--ray", "auto"), "Give one of the two"),
        (("tune", "digits", "--set", "together=2"), "together is not a key of recipes"),
        (("lr", "digits", "--set", "workers=2"), "workers is not a key of recipes"),
        (("effects", "digits", "--set", "seed=1"), "has no option 'seed'"),
        (("tune", "digits", "--storage", "here"), "expected the URL of a database"),
        (
            ("lr", "digits", "--values", "0.1,much"),
            "invalid --values: expected learning rates above 0, got 'much'",
        ),
        (("lr", "digits", "--values", "0.1"), "expected at least two learning rates"),
        (
            ("lr", "digits", "--ray", "127.0.0.1:1"),
            "cannot connect to a Ray cluster at --ray 127.0.0.1:1",
        ),
        (
            ("labels", "digits", "--per-class", "10,many"),
            "invalid --per-class: expected integers from 1, got 'many'",
        ),
        (("labels", "digits", "--models", "cnn:quick"), "unknown preset 'quick'"),
        (
            ("labels", "digits", "--models", "mlp", "--set", "target=0.9"),
            "would stop early by validation images",
        ),
        (("effects", "digits", "--of", "colour"), "unknown hyper-parameter 'colour'"),
        (("effects", "nowhere", "--of", "dropout"), "nowhere"),
        (("compare", "digits", "--models", "cnn:quick,mlp"), "unknown preset 'quick'"),
    ],
)
def test_a_bad_input_is_named_with_status_2(
    headstart: Command, words: tuple[object, ...], message: str
) -> None:
    status, out, err = headstart(*words)
    assert status == 2, (out, err)
    assert message in err and "Traceback" not in err and not out
