"""The last lines of a verb, the help's examples, and completion."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from headstart import cli
from headstart.cli._app import PANELS, VERBS, app
from headstart.cli._next_command import (
    after_diagnosis,
    after_listing,
    print_next,
    print_next_step,
)
from headstart.report import next_words
from headstart.results import BackboneRanking, LearningRates

Command = Callable[..., tuple[int, str, str]]
COMMANDS: dict[str, Any] = vars(typer.main.get_command(app))["commands"]


def test_every_verb_has_a_part_of_the_help_and_an_example() -> None:
    in_panels = [verb for verbs in PANELS.values() for verb in verbs]
    assert sorted(in_panels) == sorted(VERBS) == sorted(COMMANDS)
    for verb, command in COMMANDS.items():
        assert f"Example: headstart {verb}" in command.help


@pytest.mark.parametrize("words", [(), ("train",), ("audit",)])
def test_a_flag_shows_no_type_because_it_takes_no_value(words: tuple[str, ...]) -> None:
    text = CliRunner().invoke(app, [*words, "--help"]).stdout
    assert "--help" in text
    assert "bool" not in text.lower()


def test_the_last_line_of_a_page_says_to_open_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_next_step("open model.html in a browser", is_silent=False)
    print_next_step("open model.html in a browser", is_silent=True)
    assert capsys.readouterr().out == "Next: open model.html in a browser\n"


def test_the_help_says_where_to_start() -> None:
    text = CliRunner().invoke(app, ["--help"]).stdout
    assert text.index("Start here") < text.index(" fit ") < text.index(" predict ")
    assert "headstart fit digits" in " ".join(text.split())


def test_every_verb_prints_the_next_command() -> None:
    """A verb either prints it itself, or hands it to `run_study`.

    `serve` and `watch` run until they are stopped. The audit's finding has its own next command.
    """
    for verb in set(VERBS) - {"serve", "watch", "audit"}:
        source = Path(cli.__path__[0], f"{verb}.py").read_text(encoding="utf-8")
        assert "print_next(" in source or "_app.run_study(" in source, verb


def test_a_folder_without_runs_leads_to_fit(headstart: Command) -> None:
    status, out, _ = headstart("runs", ".")
    assert status == 0
    assert out.splitlines()[-1] == "Next: headstart fit DATA --time-limit 10m"
    assert json.loads(headstart("runs", ".", "--json")[1]) == {"runs": []}


def test_the_most_accurate_run_is_the_one_to_open() -> None:
    runs: list[dict[str, Any]] = [
        {"run": "runs/a", "validation": {"accuracy": 0.8}},
        {"run": "runs/b", "validation": {"accuracy": 0.9}},
        {"run": "runs/c", "validation": None},
    ]
    assert after_listing(runs) == ("report", "runs/b")


def test_damage_leads_to_a_repair() -> None:
    assert after_diagnosis({"healthy": False}, ["runs/a"]) == ("doctor", "runs/a", "--repair")
    assert after_diagnosis({"healthy": True}, ["runs/a"]) == ("runs",)


def test_a_study_of_learning_rates_leads_to_a_training_at_the_best_one() -> None:
    values: dict[str, Any] = {"model": "mlp", "optimizer": "adam", "best": 0.01}
    finding = LearningRates.model_construct(**values)
    words = next_words(finding, "digits")
    assert " ".join(map(str, words)) == "train digits --model mlp --optimizer adam --lr 0.01"


def test_a_ranking_leads_to_a_training_of_the_recommended_backbone() -> None:
    recommended = {"model": "efficientnet-lite0", "input_px": 96}
    choice = BackboneRanking.model_fields["recommended"].annotation.model_construct(**recommended)  # type: ignore[union-attr]
    values: dict[str, Any] = {"recommended": choice}
    finding = BackboneRanking.model_construct(**values)
    words = next_words(finding, "photos/")
    expected = "train photos/ --model efficientnet-lite0 --set input_px=96"
    assert " ".join(map(str, words)) == expected


def test_words_are_quoted_for_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    print_next("predict", "my runs/a", "IMAGE", is_silent=False)
    print_next("predict", "b", is_silent=True)
    assert capsys.readouterr().out == "Next: headstart predict 'my runs/a' IMAGE\n"


def test_bash_completes_verbs_and_options() -> None:
    assert complete("headstart eff") == ["effects"]
    assert "--time-limit" in complete("headstart fit --time-l")


def complete(line: str) -> list[str]:
    """Return what bash would offer for the last word of a line."""
    environment = {
        "_HEADSTART_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    return CliRunner().invoke(app, [], prog_name="headstart", env=environment).stdout.split()
