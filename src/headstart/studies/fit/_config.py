"""The configuration of a fit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headstart.errors import InputError
from headstart.evaluation import selection_metric
from headstart.models.recipes import make_recipe
from headstart.results import JsonObject
from headstart.studies._study import given_values, to_json

# Values that the ladder decides itself.
_DECIDED = ("effort", "time_limit", "transfer", "input_px", "pretrained")
_LEAST_SECONDS = 10.0


@dataclass(frozen=True)
class FitConfig:
    """The configuration of a fit.

    Attributes:
        time_limit: Seconds for everything, the report included.
        metric: Name of the metric that selects, or `FILE.py:function`.
        single: Whether the classifier shall be one network, not an average of several.
        seed: Seed of the runs. Further runs of one recipe have the next seeds.
        max_ms: The most milliseconds per image that the classifier may take; None without a bound.
        values: Recipe values for all rungs whose model has them.
    """

    time_limit: float
    metric: str = "accuracy"
    single: bool = False
    seed: int = 0
    max_ms: float | None = None
    values: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> None:
        """Check the time limit, the metric and the recipe values.

        Raises:
            InputError: The limit is too short, the metric is unknown, or a key is unknown or
                decided by the ladder.
        """
        if self.time_limit < _LEAST_SECONDS:
            raise InputError(
                f"invalid --time-limit: expected at least {_LEAST_SECONDS:.0f} s, got "
                f"{self.time_limit:g} s.",
                "Loading, evaluation and the report alone take seconds. Example: --time-limit 2m",
            )
        if self.max_ms is not None and not 0 < self.max_ms < math.inf:
            raise InputError(
                f"invalid --max-ms: expected a finite number above 0, got {self.max_ms:g}.",
                "Example: --max-ms 5",
            )
        selection_metric(self.metric)
        for key in _DECIDED:
            if self.values.get(key) is not None:
                raise InputError(
                    f"fit decides {key} itself.", f"Leave {key} out, or use headstart train."
                )
        make_recipe("cnn", self.values)

    def rung_values(self) -> Mapping[str, Any]:
        """Return the recipe values of the rungs.

        A metric other than accuracy also selects the weights of each run and its class weights.
        With accuracy, the loss does, which varies less between epochs.
        """
        if self.metric == "accuracy":
            return dict(self.values)
        return {**self.values, "metric": self.metric}

    def as_json(self) -> JsonObject:
        """Return the configuration."""
        return to_json({**vars(self), "values": given_values(self.values)})

    def identity(self) -> JsonObject:
        """Return the configuration with the digest of a metric that is a file."""
        digest = selection_metric(self.metric).digest
        return {**self.as_json(), **({"metric_digest": digest} if digest else {})}
