"""What each knob of a recipe does here: one turned at a time, over seeds, against the recipe as it is."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart import progress
from headstart.data import SplitDataset
from headstart.errors import InputError, RunFailed
from headstart.evaluation import PairedComparison, comparisons_with, diagnose_fit
from headstart.execution import Where, open_executor
from headstart.models.recipes import Recipe, make_iterative_recipe, resolve, with_depth
from headstart.studies._grid import (
    Grid,
    Variant,
    common_facts,
    plan_grid,
    relative,
    run_grid,
    scores,
    with_features,
)
from headstart.studies._knobs import changed_recipe, changes_of, knobs_of, value_of
from headstart.studies._study_folder import answer, part_that_judges, plain
from headstart.training import check, read_curves

_LEVEL = 0.05
_BASELINE = "baseline"
_LISTED = 8  # labels in a sentence


@dataclass(frozen=True)
class EffectStudy:
    """Which knobs to turn.

    Attributes:
        model, preset, values: the recipe around which they are turned.
        of: names of knobs; None for all usual ones that the model has.
        seeds: of each recipe.
        time_limit: seconds for everything.
    """

    model: str
    of: tuple[str, ...] | None = None
    seeds: int = 3
    time_limit: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)
    preset: str = "balanced"

    def check(self) -> None:
        """Whether this can be asked, before any data are opened.

        Raises:
            InputError: unknown model, knob or key, bad values, no seeds.
        """
        self.recipe()
        knobs_of(self.model, self.of)
        if self.seeds < 1:
            raise InputError(
                f"--seeds is {self.seeds}, but each recipe needs one or more.",
                "Three show how much chance matters.",
            )

    def recipe(self) -> Recipe:
        """The recipe as it is; that of a linear head on frozen features learns by steps here."""
        return make_iterative_recipe(self.model, self.values, self.preset)

    def as_json(self) -> dict[str, Any]:
        """What defines the study."""
        values = {key: value for key, value in self.values.items() if value is not None}
        return plain({**vars(self), "of": knobs_of(self.model, self.of), "values": values})


@dataclass(frozen=True)
class _Turn:
    """A knob, what it is turned to, and how the recipe has it."""

    knob: str
    label: str
    value: Any
    baseline_value: Any
    name: str


def effects(
    asked: EffectStudy,
    data: SplitDataset,
    folder: Path,
    *,
    where: Where | None = None,
    command: str = "",
    started: float | None = None,
) -> dict[str, Any]:
    """Turn each knob, train over seeds, and write `finding.json`: which turns help, which hurt, which do nothing here.

    Args:
        asked: which knobs.
        data: shared by all runs.
        folder: of the study; a finished one answers at once, and finished runs are reused.
        where: the executor.
        command: what reproduces it, for the record.
        started: `time.perf_counter()` when the time limit began to run.

    Raises:
        InputError: bad knobs or options, too short a time, another study in the folder; RunFailed: the recipe itself fails.
    """
    started = time.perf_counter() if started is None else started
    asked.check()
    part = part_that_judges(data.split)
    recipe = resolve(asked.recipe(), len(data.split.train), data.class_names)
    check(recipe, data)

    def work() -> dict[str, Any]:
        base = with_features(recipe, data)
        turns, variants = _turns(asked, base, data)
        with open_executor(where or Where(), data) as executor:
            grid = plan_grid(
                [Variant(_BASELINE, base), *variants],
                tuple(range(asked.seeds)),
                asked.time_limit,
                data,
                folder,
                executor.slots,
                started,
            )
            run_grid(grid, executor, folder, "effects")
        baseline, *_ = grid.variants
        if baseline.failures:
            raise RunFailed(
                f"the recipe itself failed: {next(iter(baseline.failures.values()))}",
                "Try a lower --lr.",
            )
        found = _effects(grid, turns, part, folder)
        facts = common_facts(grid, part, asked.time_limit, time.perf_counter() - started)
        one_seed = (
            []
            if len(grid.seeds) > 1
            else ["One seed: the differences are about these trained models, not about the knobs."]
        )
        return {
            **facts,
            "model": base.model,
            "epochs": baseline.recipe.epochs,
            "baseline": {
                "recipe": base.model_dump(mode="json"),
                **(scores(baseline, part) or {}),
                "runs": relative(baseline.runs, folder),
                "fit": _fit(baseline),
            },
            "effects": found,
            "sentence": _sentence(found, base, part),
            "notes": [*grid.notes, *one_seed],
        }

    return answer("effects", asked.as_json(), data, folder, command, work)


def _turns(
    asked: EffectStudy, base: Recipe, data: SplitDataset
) -> tuple[list[_Turn], list[Variant]]:
    """All turns; later turns of a knob are the first to go where time is short. What these images do not allow is left out."""
    turns, variants, usual = [], [], with_depth(base, data.image_shape)
    for knob in knobs_of(asked.model, asked.of):
        for rank, (label, value, change) in enumerate(changes_of(usual, knob)):
            recipe = changed_recipe(base, change, dict(asked.values), asked.preset)
            recipe = recipe.model_copy(
                update={"net": recipe.net.model_copy(update=_decided_net(base, change))}
            )
            try:
                check(recipe, data)
            except InputError as error:
                progress.say(f"{label} is left out: {error.message}")
                continue
            name = "".join(
                letter if letter.isalnum() or letter in ".-" else "-" for letter in label
            )
            baseline = value_of(usual, knob) if knob != "augmentation" else "as it is"
            turns.append(_Turn(knob, label, value, baseline, name))
            variants.append(Variant(name, recipe, rank))
    return turns, variants


def _decided_net(base: Recipe, change: dict[str, Any]) -> dict[str, Any]:
    """What was decided about the network, the size of a backbone's images say, but for what is turned."""
    return {key: value for key, value in base.net.model_dump().items() if key not in change}


def _effects(grid: Grid, turns: list[_Turn], part: str, folder: Path) -> list[dict[str, Any]]:
    variants = {one.name: one for one in grid.variants}
    correct = grid.correct(part)
    pairs = comparisons_with(_BASELINE, correct, _LEVEL) if len(correct) > 1 else {}
    found = []
    for turn in turns:
        if turn.name not in variants:
            continue
        one, pair = variants[turn.name], pairs.get(turn.name)
        scored = scores(one, part) or {"accuracy": None, "loss": None}
        found.append(
            {
                "knob": turn.knob,
                "value": turn.value,
                "label": turn.label,
                "baseline_value": turn.baseline_value,
                **scored,
                "difference": None if pair is None else pair.difference,
                "interval": None if pair is None else pair.interval,
                "p_adjusted": None if pair is None else pair.p_adjusted,
                "smallest_detectable": None if pair is None else pair.smallest_detectable,
                "kind": _kind(pair),
                "runs": relative(one.runs, folder),
                "failed": [f"seed {seed}: {text}" for seed, text in sorted(one.failures.items())],
                "fit": _fit(one) if one.runs else None,
            }
        )
    return found


def _kind(pair: PairedComparison | None) -> str:
    if pair is None:
        return "failed"
    if not pair.is_significant(_LEVEL):
        return "nothing shown"
    return "helps" if pair.difference > 0 else "hurts"


def _fit(one: Variant) -> dict[str, Any] | None:
    """Read off the mean curves over seeds, as far as the shortest goes; None where nothing validates."""
    curves = [read_curves(run) for run in one.runs.values()]
    columns = ("train_accuracy", "validation_accuracy", "validation_loss")
    epochs = min(len(curve["epoch"]) for curve in curves)
    means = [
        np.mean([curve[name][:epochs] for curve in curves], axis=0).tolist() for name in columns
    ]
    if np.isnan(means).any():
        return None
    return asdict(diagnose_fit(*means))


def _sentence(found: list[dict[str, Any]], base: Recipe, part: str) -> str:
    """Which turns help, which hurt, which do nothing."""
    said = []
    for kind, verb in (("helps", "helps"), ("hurts", "hurts")):
        ones = sorted(
            (one for one in found if one["kind"] == kind), key=lambda one: -abs(one["difference"])
        )
        if ones:
            listed = ", ".join(
                f"{one['label']} ({100 * one['difference']:+.1f} points)" for one in ones
            )
            said.append(f"{listed} {verb if len(ones) == 1 else verb[:-1]}")
    rest = [one for one in found if one["kind"] == "nothing shown"]
    if rest:
        hidden = float(np.median([one["smallest_detectable"] for one in rest]))
        listed = (
            ", ".join(one["label"] for one in rest)
            if len(rest) <= _LISTED
            else f"the {'other ' if said else ''}{len(rest)}"
        )
        said.append(
            f"no effect shown of {listed} (about {100 * hidden:.1f} points or less can hide)"
        )
    failed = [one["label"] for one in found if one["kind"] == "failed"]
    if failed:
        said.append(f"{', '.join(failed)} failed")
    return f"Around the recipe of {base.model}, on {part} images: {'; '.join(said)}."
