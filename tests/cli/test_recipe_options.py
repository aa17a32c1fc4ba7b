"""A recipe option is written once: its field describes it for every place that offers it."""

from __future__ import annotations

import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import headstart
from headstart import ImageClassifier
from headstart.api._command_line import command_of
from headstart.models import MODELS
from headstart.models.recipes import all_options, key_options, keys_of, train_flags
from headstart.models.recipes._write_keys import KEYS_FILE, keys_source

PACKAGE = Path(headstart.__file__).parent
RECIPE = Path("models", "recipes", "_recipe.py")
TOY_FIELD = """    toy: Annotated[
        float,
        Field(ge=0, le=1),
        Option(
            "Weight of the toy loss.",
            TRAINING,
            search={"mlp": (0.0, 0.5)},
            effects=(0.0, 0.5, 1.0),
        ),
    ] = 0.0
"""
# What each place that offers options knows of the toy option.
LOOK = """
import inspect, json
from headstart import ImageClassifier
from headstart.api._command_line import command_of
from headstart.models.recipes import default_space, make_recipe
from headstart.studies._knobs import changes_of, knobs_of
recipe = make_recipe("mlp", {"toy": 0.25})
print(json.dumps({
    "recipe": recipe.toy,
    "parameter": "toy" in inspect.signature(ImageClassifier).parameters,
    "docstring": "toy: Weight of the toy loss." in ImageClassifier.__doc__,
    "estimator": ImageClassifier(toy=0.5).get_params()["toy"],
    "commands": [command_of(verb, "digits", {"toy": 0.5}, None) for verb in ("train", "lr")],
    "space": default_space(recipe)["toy"],
    "effects": [change.value for change in changes_of(recipe, *knobs_of("mlp", ("toy",)))],
}))
"""


def test_whole_numbers_of_a_command_are_written_as_they_were_typed() -> None:
    command = command_of("lr", "digits", {"epochs": 3.0, "values": [0.01, 1.0]}, None)
    assert command == "headstart lr digits --epochs 3 --values 0.01,1"


def test_the_typed_keys_are_generated_from_the_fields() -> None:
    assert KEYS_FILE.read_text(encoding="utf-8") == keys_source(), (
        "an option changed: run `python -m headstart.models.recipes`"
    )


@pytest.mark.parametrize("model", [*MODELS, "timm/resnet18"])
def test_every_key_of_a_model_describes_itself(model: str) -> None:
    assert keys_of(model, {}) <= set(key_options()) == set(all_options())


def test_the_estimator_has_a_parameter_and_a_line_of_its_docstring_per_flag() -> None:
    parameters = inspect.signature(ImageClassifier).parameters
    for flag in train_flags().values():
        assert parameters[flag.key].default is None
        assert f"{flag.key}: " in (ImageClassifier.__doc__ or "")


def test_a_key_without_a_flag_is_recorded_as_a_setting() -> None:
    assert command_of("train", "digits", {"lr": 0.1, "momentum": 0.5}, None) == (
        "headstart train digits --lr 0.1 --set momentum=0.5"
    )
    assert command_of("compare", "digits", {"lr": 0.1, "epochs": 2}, None) == (
        "headstart compare digits --set lr=0.1 --epochs 2"
    )


def test_a_new_option_touches_one_file(tmp_path: Path) -> None:
    package = tmp_path / "headstart"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    recipe = (package / RECIPE).read_text(encoding="utf-8")
    place = recipe.index("    # auto: bfloat16 where")
    (package / RECIPE).write_text(recipe[:place] + TOY_FIELD + recipe[place:], encoding="utf-8")

    def python(*words: str) -> str:
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "COLUMNS": "120"}
        done = subprocess.run(
            [sys.executable, *words], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    python("-m", "headstart.models.recipes")  # writes the typed keys
    help_text = python("-m", "headstart", "train", "--help")
    assert "--toy" in help_text and "Weight of the toy loss." in help_text
    assert json.loads(python("-c", LOOK)) == {
        "recipe": 0.25,
        "parameter": True,
        "docstring": True,
        "estimator": 0.5,
        "commands": ["headstart train digits --toy 0.5", "headstart lr digits --set toy=0.5"],
        "space": [0.0, 0.25, 0.5],
        "effects": [0.0, 0.5, 1.0],
    }


def test_the_command_of_fit_keeps_the_padding_that_it_would_otherwise_choose() -> None:
    images = {"image_size": 128, "resize": "pad"}
    assert command_of("fit", "photos", images, None) == (
        "headstart fit photos --image-size 128 --resize pad"
    )
    assert command_of("compare", "photos", images, None) == (
        "headstart compare photos --image-size 128"
    )
