"""The options of every verb, which scripts rely on. Add to these lists, but remove nothing."""

from __future__ import annotations

from typing import Any

import pytest
import typer.main

from headstart.cli import app

DATA = (
    *("--validation", "--test", "--train-images", "--split-seed"),
    *("--image-size", "--resize", "--pixel-max", "--group-by"),
    *("--label-column", "--path-column", "--skip-bad", "--plan", "--cache", "--no-cache"),
    "--evaluate-on",
)
OUTPUT = ("--set", "--out", "-o", "--json", "--quiet", "-q")
BUDGET = ("--epochs", "--batch", "--metric")
EXECUTOR = ("--workers", "--ray")
PRINTING = ("--json", "--quiet", "-q")
MODEL = ("--model", "--preset")
STUDY = ("--seeds", "--time-limit")

OPTIONS: dict[str, tuple[str, ...]] = {
    "audit": ("--fix", "--review", "--quick", *DATA, "--out", "-o", *PRINTING),
    "train": (
        *(*MODEL, "--seed", "--epochs", "--time-limit", "--lr", "--batch", "--optimizer"),
        *("--schedule", "--l2", "--label-smoothing", "--class-weights", "--patience", "--target"),
        *("--metric", "--costs"),
        *("--precision", "--layers", "--nodes", "--activation", "--dropout", "--transfer"),
        *("--weights", "--cut", "--pool", "--head", "--flip", "--no-flip", "--rotation", "--shift"),
        *("--shear", "--zoom", "--cutout", "--summary", "--repeat"),
        *(*DATA, "--track", *OUTPUT),
    ),
    "compare": (
        "--models",
        "--equivalence",
        *STUDY,
        "--folds",
        "--when-slow",
        "--gate",
        *BUDGET,
        *DATA,
        "--track",
        *OUTPUT,
    ),
    "fit": (
        "--time-limit",
        "--metric",
        "--single",
        "--seed",
        "--max-ms",
        "--epochs",
        "--batch",
        *DATA,
        "--track",
        *OUTPUT,
    ),
    "tune": (
        *(*MODEL, *STUDY, "--space", "--also", "--trials", "--seed", "--together", "--storage"),
        "--folds",
        *(*BUDGET, *DATA, *EXECUTOR, "--track", *OUTPUT),
    ),
    "lr": (
        *(*MODEL, *STUDY, "--folds", "--values", "--when-slow", "--optimizer"),
        *(*BUDGET, *DATA, *EXECUTOR, "--track", *OUTPUT),
    ),
    "labels": (
        *("--models", "--per-class", *STUDY, "--folds", "--when-slow"),
        *(*BUDGET, *DATA, *EXECUTOR, "--track", *OUTPUT),
    ),
    "effects": (
        *(*MODEL, "--of", *STUDY, "--folds", "--when-slow"),
        *(*BUDGET, *DATA, *EXECUTOR, "--track", *OUTPUT),
    ),
    "backbones": (
        *("--candidates", "--images", "--time-limit", "--weights", "--cut", "--pool"),
        *(*DATA, *OUTPUT),
    ),
    "predict": (
        "--onnx",
        "--top",
        "--coverage",
        "--csv",
        "--figure",
        "--safe-cells",
        "--skip-bad",
        *PRINTING,
    ),
    "explain": ("--against", "--class", "--out", "-o", *PRINTING),
    "submit": (
        *(
            "--out",
            "-o",
            "--sample",
            "--probability-of",
            "--path-column",
            "--safe-cells",
            "--skip-bad",
        ),
        *PRINTING,
    ),
    "export": ("--out", "-o", "--format", "--int8", "--page", "--runtime", "--data", *PRINTING),
    "serve": ("--port", "--host", "--allow-host", *PRINTING),
    "data list": ("--json",),
    "data get": PRINTING,
    "runs": ("--json",),
    "report": PRINTING,
    "verify": PRINTING,
    "doctor": ("--cache", "--repair", "--self-test", *PRINTING),
    "watch": ("--table", "--port", "--browser", "--no-browser", *PRINTING),
}
ARGUMENTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("audit", "fit", "train", "compare", "tune", "lr"), ("DATA",)),
    **dict.fromkeys(("labels", "effects", "backbones"), ("DATA",)),
    "predict": ("RUN IMAGE",),
    "explain": ("RUN", "IMAGE"),
    "submit": ("RUN", "TEST"),
    "export": ("RUN",),
    "serve": ("RUN",),
    "data list": (),
    "data get": ("NAME",),
    "runs": ("DIR",),
    "report": ("STUDY",),
    "verify": ("REPORT",),
    "doctor": ("[PATH]...",),
    "watch": ("DIR",),
}


def commands() -> dict[str, Any]:
    """Return every verb of the command line, those of `data` with its name before theirs."""
    verbs: dict[str, Any] = {}
    for name, command in vars(typer.main.get_command(app))["commands"].items():
        parts = getattr(command, "commands", None)
        if parts is None:
            verbs[name] = command
        else:
            verbs |= {f"{name} {part}": inner for part, inner in parts.items()}
    return verbs


COMMANDS = commands()


def test_the_verbs_are_these() -> None:
    assert set(COMMANDS) == set(OPTIONS) == set(ARGUMENTS)


@pytest.mark.parametrize("verb", OPTIONS)
def test_a_verb_has_exactly_these_options(verb: str) -> None:
    spellings: list[str] = []
    for option in COMMANDS[verb].params:
        if option.param_type_name == "option":
            spellings += [*option.opts, *option.secondary_opts]
    assert sorted(spellings) == sorted(OPTIONS[verb])


@pytest.mark.parametrize("verb", ARGUMENTS)
def test_a_verb_has_exactly_these_arguments(verb: str) -> None:
    arguments = [entry for entry in COMMANDS[verb].params if entry.param_type_name == "argument"]
    assert tuple(argument.metavar for argument in arguments) == ARGUMENTS[verb]


@pytest.mark.parametrize("verb", OPTIONS)
def test_every_verb_and_every_option_has_a_help_text(verb: str) -> None:
    assert COMMANDS[verb].help
    for option in COMMANDS[verb].params:
        assert option.help and option.help[-1] in ".)", (option.name, option.help)
