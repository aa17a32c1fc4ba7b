"""The plan of a comparison in `budget.json`, so that a resumed study follows it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from headstart import store
from headstart.models.recipes import with_net
from headstart.results import JsonObject
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.studies._comparison_plan import ComparisonPlan
from headstart.studies._entry_costs import EntryCosts
from headstart.training import RunCost

_PLAN_FILE = "budget.json"


def write_plan(plan: ComparisonPlan, costs: EntryCosts, folder: Path) -> None:
    """Write a plan and the costs of its runs to a study folder."""
    content = {
        "entries": {entry.name: _planned(entry, costs) for entry in plan.entries},
        "seeds": plan.planned_seeds,
        "has_controls": plan.has_controls,
        "needed_seconds": plan.needed_seconds,
        "left_out": plan.left_out,
        "first_epochs": plan.first_epochs,
        "slowest": plan.slowest,
        "slowest_late": plan.slowest_late,
    }
    store.write_json(folder / _PLAN_FILE, content)


def follow_plan(plan: ComparisonPlan, costs: EntryCosts, folder: Path) -> bool:
    """Let a plan, and the costs of its runs, follow what `write_plan` wrote.

    Returns:
        False if there is no plan in the folder.
    """
    written: Any = store.read_json_or(folder / _PLAN_FILE, None)
    if written is None:
        return False
    plan.planned_seeds = written["seeds"]
    plan.has_controls = written["has_controls"]
    plan.needed_seconds = written["needed_seconds"]
    plan.left_out = dict(written.get("left_out", {}))
    plan.first_epochs = dict(written.get("first_epochs", {}))
    plan.slowest = written.get("slowest", 1.0)
    plan.slowest_late = written.get("slowest_late", 1.0)
    plan.is_divided = True
    for entry in plan.entries:
        values = written["entries"][entry.name]
        _follow(entry, values)
        if values["cost"] is not None:
            costs.costs[entry.name] = RunCost(**values["cost"])
        if values.get("feature_seconds") is not None:
            costs.feature_seconds[entry.name] = values["feature_seconds"]
    return True


def _planned(entry: ComparisonEntry, costs: EntryCosts) -> JsonObject:
    """Return what was planned for an entry, and its costs as far as they were measured."""
    cost = costs.costs.get(entry.name)
    return {
        "prepare": entry.prepare_seconds,
        "net": entry.recipe.net.model_dump(include={"input_px"}),
        "epochs": entry.epochs,
        "least_epochs": entry.least_epochs,
        "is_solved": entry.is_solved,
        "is_prepared": entry.is_prepared and entry.role == "contender",
        "cost": None if cost is None else asdict(cost),
        "feature_seconds": costs.feature_seconds.get(entry.name),
        "late_slowdown": entry.late_slowdown,
    }


def _follow(entry: ComparisonEntry, planned: dict[str, Any]) -> None:
    """Let an entry follow what `_planned` returned."""
    entry.prepare_seconds = planned["prepare"]
    entry.recipe = with_net(entry.recipe, **planned["net"])
    entry.epochs = planned["epochs"]
    entry.least_epochs = planned["least_epochs"]
    entry.is_solved = planned["is_solved"]
    entry.is_prepared = planned["is_prepared"]
    entry.late_slowdown = planned.get("late_slowdown", 1.0)
