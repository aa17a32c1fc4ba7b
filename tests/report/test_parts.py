"""What the page computes: blocks of a network, colours, the terminal tables."""

import io
import json
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_study import make_study
from rich.console import Console, RenderableType

from headstart.formatting import percent
from headstart.report import compare_table, run_table, runs_table
from headstart.report._load import Entry, Facts, Run
from headstart.report.figures import _explanation
from headstart.report.figures._curves import (
    confusion_pixels,
    epoch_limits,
    labelled_classes,
    largest_error,
)
from headstart.report.figures._network_blocks import blocks
from headstart.report.figures._style import DARK, LIGHT, Theme
from headstart.report.pages._sections import below_floors, listed_pairs, per_class, recipes


def layer(
    name: str, kind: str = "Conv2d", parameters: int = 10, trainable: bool = True, side: int = 8
) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "output_shape": [4, side, side],
        "parameters": parameters,
        "trainable": trainable,
        "multiply_adds": 100,
    }


def test_a_weighted_layer_is_drawn_with_what_follows_it() -> None:
    network = [
        layer("conv1"),
        layer("norm", "BatchNorm2d"),
        layer("act", "ReLU", 0, False),
        layer("head", "Linear"),
    ]
    found = blocks(network, [8, 8, 1])
    assert [(one.title, one.kinds, one.parameters, one.state) for one in found] == [
        ("image", ("input",), 0, "fixed"),
        ("conv1", ("Conv2d", "BatchNorm2d", "ReLU"), 20, "learned"),
        ("head", ("Linear",), 10, "learned"),
    ]


def test_a_frozen_backbone_is_one_block_a_stage() -> None:
    frozen = [
        layer(f"blocks.{stage}.{block}.{part}", trainable=False)
        for stage in range(3)
        for block in range(2)
        for part in ("conv", "bn")
    ]
    found = blocks([layer("conv_stem", trainable=False), *frozen, layer("head", "Linear")], [])
    assert [one.title for one in found] == ["conv_stem", "blocks.0", "blocks.1", "blocks.2", "head"]
    assert [one.state for one in found] == ["frozen"] * 4 + ["learned"]
    assert (found[1].layers, found[1].parameters, found[1].multiply_adds) == (4, 40, 400)


def test_a_long_network_is_drawn_by_stage_even_when_it_learns() -> None:
    found = blocks([layer(f"stage.{number // 10}.conv{number}") for number in range(40)], [])
    assert [(one.title, one.layers, one.state) for one in found] == [
        (f"stage.{number}", 10, "learned") for number in range(4)
    ]


def test_errors_show_beside_a_strong_diagonal() -> None:
    confusion = np.array([[98, 2], [0, 100]])
    pixels = confusion_pixels(confusion, largest_error([confusion]), "#0067a5", "#59616b")
    assert tuple(pixels[0, 1]) == (0x00, 0x67, 0xA5, 255)
    assert tuple(pixels[0, 0, :3]) == (0x59, 0x61, 0x6B)
    assert pixels[1, 0, 3] == 0


def test_matrices_without_an_error_have_a_scale() -> None:
    assert largest_error([np.eye(3, dtype=np.int64)]) == 1.0


def test_confused_pairs_come_by_count_then_share_and_one_image_is_no_pattern() -> None:
    counts = np.array([[6, 2, 1, 0], [0, 2, 2, 0], [3, 0, 3, 0], [1, 0, 0, 0]])
    pairs, left_out = listed_pairs(counts)
    assert [(pair.true, pair.predicted) for pair in pairs] == [(2, 0), (1, 2), (0, 1)]
    assert left_out == 2


def test_pairs_of_one_image_are_listed_where_there_are_no_others() -> None:
    pairs, left_out = listed_pairs(np.array([[9, 1, 0], [1, 1, 0], [0, 0, 5]]))
    assert [(pair.true, pair.predicted) for pair in pairs] == [(1, 0), (0, 1)]
    assert left_out == 0


@pytest.mark.parametrize("classes", [21, 25, 100, 144, 145, 1000])
def test_no_axis_names_more_than_twelve_of_many_classes(classes: int) -> None:
    assert 8 <= len(labelled_classes(classes)) <= 12
    assert len(labelled_classes(20)) == 20


def entry(name: str, place: int | None = 0, **facts: Any) -> Entry:
    score = Facts(
        accuracy=facts.pop("accuracy", 0.9), interval=facts.pop("interval", None), per_seed=[]
    )
    epochs = facts.pop("epochs", 5)
    f1 = facts.pop("f1", [0.5])
    table = [{"precision": one, "recall": one, "f1": one, "support": 3} for one in f1]
    run = Run(
        Path(), Facts(test={"per_class": table}), Facts(), {"epoch": np.arange(1.0, epochs + 1)}
    )
    return Entry(name, place, Facts(facts), score, (run,), run)


class FakeStudy:
    """As much of a study as the parts look at."""

    def __init__(
        self, *entries: Entry, floors: tuple[Facts, ...] = (), class_names: tuple[str, ...] = ()
    ) -> None:
        self.entries = self.contenders = entries
        self.facts, self.class_names, self.part = Facts(floors=list(floors)), class_names, "test"


def test_epochs_share_an_axis_unless_one_would_be_a_dot() -> None:
    near = epoch_limits((entry("a", epochs=6), entry("b", epochs=12)))
    far = epoch_limits((entry("a", epochs=6), entry("b", epochs=90)))
    assert near["a"] == near["b"]
    assert far["a"] != far["b"]


@pytest.mark.parametrize(
    ("accuracy", "notes", "sentences"),
    [
        (0.5, [], 1),
        (0.6, [], 1),
        (0.7, [], 0),
        (0.5, ["mlp is fine."], 1),
        (0.5, ["cnn is worse than a floor, majority class: …"], 0),
    ],
)
def test_a_model_below_a_floor_is_said_so_once(
    accuracy: float, notes: list[str], sentences: int
) -> None:
    study = FakeStudy(
        entry("cnn", accuracy=accuracy), floors=(Facts(name="majority class", accuracy=0.6),)
    )
    study.facts["verdict"] = Facts(notes=notes)
    found = below_floors(study)  # type: ignore[arg-type]  # a stand-in with the attributes that are read
    assert len(found) == sentences


def test_classes_with_the_largest_gap_come_first() -> None:
    study = FakeStudy(
        entry("a", f1=[0.9, 0.5, 0.7]),
        entry("b", 1, f1=[0.8, 0.9, 0.7]),
        class_names=("x", "y", "z"),
    )
    assert [row["name"] for row in per_class(study)] == ["y", "x", "z"]  # type: ignore[arg-type]  # as above


def test_settings_that_differ_are_marked() -> None:
    found = recipes(
        (
            entry("a", recipe={"lr": 0.1, "batch": 32}),
            entry("b", 1, recipe={"lr": 0.2, "batch": 32}),
        )
    )
    assert [(row["key"], row["differs"]) for row in found] == [("lr", True), ("batch", False)]


def channels(colour: str) -> np.ndarray[Any, Any]:
    """Linear light of a hexadecimal sRGB colour (IEC 61966-2-1)."""
    value = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_every_text_colour_has_the_contrast_of_wcag_aa(theme: Theme) -> None:
    def luminance(colour: str) -> float:
        return float(channels(colour) @ [0.2126, 0.7152, 0.0722])

    for colour in (theme.ink, theme.soft, theme.warn, *theme.accents):
        for ground in (theme.paper, theme.wash):
            low, high = sorted((luminance(colour), luminance(ground)))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (colour, ground)


# Machado, Oliveira & Fernandes (2009), severity 1.
SEEN_AS = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("eyes", SEEN_AS)
def test_accents_stay_apart_for_colour_blind_readers(theme: Theme, eyes: str) -> None:
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )

    def lab(colour: str) -> np.ndarray[Any, Any]:
        xyz = (
            to_xyz @ np.clip(np.array(SEEN_AS[eyes]) @ channels(colour), 0, 1) / [0.9505, 1, 1.089]
        )
        f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    assert (
        min(float(np.linalg.norm(lab(a) - lab(b))) for a, b in combinations(theme.accents, 2)) >= 10
    )


def printed(table: RenderableType, width: int = 200) -> str:
    out = io.StringIO()
    Console(width=width, file=out).print(table)
    return out.getvalue()


@pytest.mark.parametrize("width", [80, 100, 200])
def test_the_terminal_table_fits_and_loses_no_number(tmp_path: Path, width: int) -> None:
    finding = json.loads((make_study(tmp_path, images=120) / "finding.json").read_text())
    finding["contenders"][0]["name"] = finding["verdict"]["winner"] = "[red]cnn[/red]"
    text = printed(compare_table(finding), width)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= min(width, 100)
    assert "● [red]cnn[/red]" in text.replace("●  ", "● ")
    assert percent(finding["contenders"][0]["test"]["accuracy"]) in text
    assert text.index("nearest neighbour") < text.index("is better than")
    assert ("ms/image" in text) is (width > 80)


def test_the_terminal_table_does_without_test_and_verdict(tmp_path: Path) -> None:
    finding = json.loads(
        (make_study(tmp_path, images=120, test=False, pairs=False) / "finding.json").read_text()
    )
    text = printed(compare_table(finding))
    assert "validation" in text
    assert "No verdict" in text


def test_runs_are_listed_finished_or_not() -> None:
    done = {
        "run": "runs/a",
        "model": "cnn",
        "seed": 0,
        "epochs": 6,
        "parameters": 13_264,
        "seconds": {"train": 80.0, "total": 85.0},
        "validation": {"accuracy": 0.91, "n": 900},
        "test": {"accuracy": 0.92, "interval": [0.9, 0.94], "n": 900},
    }
    text = printed(
        runs_table([done, {"run": "runs/b", "state": "unfinished", "model": "cnn", "seed": 1}])
    )
    assert "92.0%" in text and "runs/b" in text
    assert "90.0 to 94.0%" in printed(run_table(done))
    assert "No runs here yet." in printed(runs_table([]))


@pytest.mark.parametrize("width", [80, 100])
def test_the_list_of_runs_fits_and_names_state_and_folder_from_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.chdir(tmp_path)
    done = {
        "run": str(tmp_path / "runs/a"),
        "state": "finished",
        "model": "efficientnet-lite0",
        "seed": 1234,
        "seconds": {"train": 294.0},
    }
    done |= {"validation": {"accuracy": 0.91, "n": 9000}, "test": {"accuracy": 0.92, "n": 9000}}
    elsewhere = {"run": "/elsewhere/b", "state": "unfinished", "model": "mlp", "seed": 1}
    text = printed(runs_table([done, elsewhere]), width)
    lines = [line.split() for line in text.splitlines()]
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert ["runs/a", "finished", "efficientnet-lite0", "1234", "92.00%", "91.00%"] in [
        line[:6] for line in lines
    ]
    assert ["/elsewhere/b", "unfinished", "mlp"] in [line[:3] for line in lines]


def test_warnings_stand_under_the_terminal_tables(tmp_path: Path) -> None:
    finding = json.loads((make_study(tmp_path, images=60) / "finding.json").read_text())
    finding["dataset"]["warnings"] = ["12 images are [tiny]."]
    text = printed(compare_table(finding))
    assert text.index("is better than") < text.index("12 images are [tiny].")
    text = printed(run_table({"run": "runs/a", "warnings": ["the loss [did] not fall."]}))
    assert text.index("runs/a") < text.index("the loss [did] not fall.")


def test_the_room_opens_without_torch_or_matplotlib() -> None:
    heavy = {"torch", "matplotlib", "PIL", "sklearn", "rich", "jinja2"}
    code = f"import sys, headstart.report; print({heavy} & set(sys.modules))"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == "set()"
    )


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({(0, 0): 3.0}, "the upper left part most"),
        ({(0, 0): 3.0, (3, 4): 2.0, (4, 4): 2.0}, "the lower right part most"),
        ({(2, 2): 1.0, (0, 4): -9.0}, "the middle most"),
        ({(2, 0): 1.0}, "the left part most"),
        ({(1, 1): -1.0}, "no part of the image"),
    ],
)
def test_where_an_explanation_rests_is_where_most_of_it_adds_up(
    cells: dict[tuple[int, int], float], words: str
) -> None:
    values = np.zeros((5, 5))
    for at, value in cells.items():
        values[at] = value
    assert _explanation._where(values) == words
