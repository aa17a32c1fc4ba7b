"""The entries of a comparison in `budget.json`, so that a resumed study follows its plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from headstart.models.recipes import with_net
from headstart.results import JsonObject
from headstart.studies._comparison_entries import ComparisonEntry
from headstart.training import RunCost


def planned_entries(
    entries: Sequence[ComparisonEntry], costs: Mapping[str, RunCost]
) -> dict[str, JsonObject]:
    """Return what was planned for entries, by their name.

    Args:
        entries: The entries, as planned.
        costs: The costs of a run, by the name of the entry, as far as they were measured.
    """
    planned: dict[str, JsonObject] = {}
    for entry in entries:
        cost = costs.get(entry.name)
        planned[entry.name] = {
            "prepare": entry.prepare_seconds,
            "net": entry.recipe.net.model_dump(include={"input_px"}),
            "epochs": entry.epochs,
            "least_epochs": entry.least_epochs,
            "is_solved": entry.is_solved,
            "is_prepared": entry.is_prepared and entry.role == "contender",
            "cost": None if cost is None else asdict(cost),
        }
    return planned


def follow_planned_entries(
    entries: Sequence[ComparisonEntry], planned: Mapping[str, Any]
) -> dict[str, RunCost]:
    """Let entries follow what `planned_entries` returned; return the costs by their name."""
    costs = {}
    for entry in entries:
        values = planned[entry.name]
        entry.prepare_seconds = values["prepare"]
        entry.recipe = with_net(entry.recipe, **values["net"])
        entry.epochs = values["epochs"]
        entry.least_epochs = values["least_epochs"]
        entry.is_solved = values["is_solved"]
        entry.is_prepared = values["is_prepared"]
        if values["cost"] is not None:
            costs[entry.name] = RunCost(**values["cost"])
    return costs
