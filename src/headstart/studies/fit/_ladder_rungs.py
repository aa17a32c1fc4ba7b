"""The rungs that a ladder can enter: their recipes and names, and the seconds that they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.evaluation import SelectionMetric
from headstart.models.recipes import Recipe, keys_of, make_recipe
from headstart.studies.fit._costs import LadderCosts
from headstart.studies.fit._rung import CNN, FROZEN, Rung, RungResult, input_px_of
from headstart.studies.fit._state import is_close

# Shares of the time for all rungs that a short run gets; the second one without a rival.
SHORT_SHARE, _ALONE_SHARE = 0.1, 0.05
# So few images train no cnn in the time of a solved head.
FEW_IMAGES = 5000


@dataclass
class LadderRungs:
    """Makes rungs from measured costs and from the values that the user fixed.

    Attributes:
        costs: Measured costs.
        usable: Seconds for all rungs.
        labels: Labels of the validation images, int64 of shape (N,).
        metric: The metric of the selection.
        values: Recipe values that the user fixed.
        seed: Seed of the runs.
        folds: Number of folds that evaluate rungs; None if the validation images are enough.
        earlier: Names of the rungs that were finished under a shorter time limit. Their families
            may get a long run again.
        not_entered: Why a family was not entered, by its name.
    """

    costs: LadderCosts
    usable: float
    labels: NDArray[np.int64]
    metric: SelectionMetric
    values: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    folds: int | None = None
    earlier: frozenset[str] = frozenset()
    not_entered: dict[str, str] = field(default_factory=dict)

    @property
    def _is_few(self) -> bool:
        return self.costs.train <= FEW_IMAGES

    def _is_alone(self) -> bool:
        """Return whether no frozen backbone is affordable beside the cnn."""
        return not self.costs.backbones or FROZEN in self.not_entered

    def _is_cnn_too_slow(self, share: float) -> bool:
        """Return whether the time does not allow a share of the epochs of the cnn."""
        return self.costs.cnn(self._cnn_recipe(), share) > self.usable

    def _short_seconds(self) -> float:
        return (_ALONE_SHARE if self._is_alone() else SHORT_SHARE) * self.usable

    def _seconds_of_short_cnn(self) -> float:
        """Return the seconds of a short cnn: the usual share, or a trial if that takes longer.

        A trial is enough for few images where the time does not allow all epochs. The datasets
        whose cnn is better than a head after all epochs are recognised after a trial. The
        exception is digits, whose whole schedule fits into seconds (benchmarks/fit_plan.md).

        Without a frozen backbone there is nothing to compare it with, and the share is enough.
        """
        if self._is_alone():
            return self._short_seconds()
        trial = self.costs.trial_of_cnn(self._cnn_recipe())
        if trial and self._is_few and self._is_cnn_too_slow(1.0):
            return trial
        return max(self._short_seconds(), trial)

    def _seconds_of_short_fine_tuning(self, recipe: Recipe) -> float:
        return max(self._short_seconds(), self.costs.shortest_fine_tuning(recipe))

    def _evaluation(self, rung: Rung) -> float:
        """Return the seconds of classifying the test images; next to none without a backbone."""
        if rung.family == CNN:
            return 0.0
        return self.costs.evaluation(rung.recipe.model, input_px_of(rung.recipe))

    def is_close(self, first: RungResult, second: RungResult) -> bool:
        """Return whether two scores differ by less than one standard error, over images.

        The standard error of the difference is that of a paired bootstrap.
        """
        return is_close(self.labels, self.metric, first.probabilities, second.probabilities)

    def _cnn_recipe(self) -> Recipe:
        return make_recipe("cnn", self._own_values("cnn"))

    def _fine_tuning_recipe(self, px: int) -> Recipe:
        backbone = self.costs.backbones[0]
        return make_recipe(backbone, self._own_values(backbone, transfer="finetune", input_px=px))

    def _frozen_rung(self, backbone: str, px: int, reason: str) -> Rung:
        seconds = self.costs.frozen(backbone, px)
        recipe = make_recipe(backbone, self._own_values(backbone, transfer="frozen", input_px=px))
        name = f"{backbone} frozen at {px} px"
        return Rung(name, FROZEN, recipe, seconds, reason, self.seed)

    def _timed(self, name: str, family: str, recipe: Recipe, seconds: float, reason: str) -> Rung:
        seconds = round(seconds, 1)
        timed = recipe.model_copy(update={"time_limit": seconds})
        return Rung(name, family, timed, seconds, reason, self.seed)

    def _own_values(self, model: str, **own: Any) -> dict[str, Any]:
        """Return the values of a recipe: those of the user that the model has, and its own."""
        keys = keys_of(model, own)
        given = {key: value for key, value in self.values.items() if key in keys}
        return {**given, **own}
