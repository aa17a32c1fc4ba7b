"""Search recipes on validation data, and evaluate the retrained best one on test data."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass

from headstart import progress
from headstart.data import SplitDataset
from headstart.results import EvaluationPart, JsonObject, Tuning
from headstart.studies._comparison_results import compare_entries
from headstart.studies._study import Study, StudyContext, no_validation_images
from headstart.studies.tune._config import TuningConfig
from headstart.studies.tune._final_runs import retrain
from headstart.studies.tune._finding import tuning_finding
from headstart.studies.tune._nested import nested_tuning, outer_folds
from headstart.studies.tune._space import SearchSpace
from headstart.studies.tune._storage import DEAD_AFTER_SECONDS, TrialStorage, open_storage
from headstart.studies.tune._successive_halving import Search, default_recipe
from headstart.training import check_recipe


@dataclass(frozen=True)
class TuningStudy(Study[Tuning]):
    """A search of recipes.

    Attributes:
        config: What to search, and for how long.
    """

    config: TuningConfig

    finding_type = Tuning

    def check(self) -> None:
        """Check the configuration."""
        self.config.check()

    def check_data(self, data: SplitDataset) -> None:
        """Check that there are validation images and that the default recipe suits the data.

        Raises:
            InputError: There are no validation images, or the recipe does not suit the data.
        """
        if self.config.folds is not None:
            data = outer_folds(self.config, data).first_data
        if not len(data.split.validation):
            raise no_validation_images(data, "a recipe")
        check_recipe(default_recipe(self.config, data), data)

    def as_json(self) -> JsonObject:
        """Return the configuration."""
        return self.config.as_json()

    def run(self, context: StudyContext) -> Tuning:
        """Search, retrain the best recipe and the defaults over new seeds, and compare them.

        Test data are read by the retrained recipes only. With folds, see `nested_tuning`.

        Raises:
            InputError: With folds, the time limit is too short.
            RunFailed: Three trials in a row failed for the same reason, or every retrained run of
                the best recipe failed.
        """
        data, folder = context.data, context.folder
        if self.config.folds is not None:
            return nested_tuning(self.config, context, self._storage_name(data))
        with (
            open_storage(self.config.storage, self._storage_name(data), folder) as storage,
            context.open_executor() as executor,
        ):
            search = Search(self.config, data, folder, storage, executor, context.started)
            search.run()
            if (finding := _wait_for_another_machine(storage, search)) is not None:
                own_fields = context.common_fields(
                    finding.evaluated_on, finding.test_reads, finding.budget
                )
                return Tuning.model_validate({**finding.as_json(), **own_fields})

            entries = retrain(search, data)
            part: EvaluationPart = "test" if len(data.split.test) else "validation"
            groups = context.data.groups_of(part)
            results = compare_entries(entries, [], part, folder, groups)
            finding = tuning_finding(search, entries, results, context)
            search.trials.remember("finding", finding.as_json())
            return finding

    def _storage_name(self, data: SplitDataset) -> str:
        """Return the name under which machines that share a database find the same search."""
        identity = {
            **self.as_json(),
            "dataset": data.dataset.fingerprint,
            "split": data.split.fingerprint,
        }
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return f"headstart-{digest[:16]}"


def _wait_for_another_machine(storage: TrialStorage, search: Search) -> Tuning | None:
    """Return the finding of the machine that retrains, or None if this machine has to retrain.

    Where machines share a search, one of them retrains the best recipe. The others wait for its
    finding, and one of them replaces it if it stops. If final runs exist already, the machine that
    has that of the defaults goes first, so that it is not trained again.
    """
    if not storage.is_shared:
        return None
    space = SearchSpace(lambda draw: {"part": draw.suggest_int("part", 0, 0)}, {})
    queue = storage.trials("final", space, search.defaults, 0)
    queue.add({"part": 0})
    defaults = search.folder / "runs" / f"defaults-seed{search.config.seed + 1}"
    if not search.plan["retrains"] and not defaults.exists():
        deadline = time.monotonic() + DEAD_AFTER_SECONDS
        while not queue.all() and time.monotonic() < deadline:
            time.sleep(1.0)

    announced = False
    while not queue.generation(1, 1):
        if (finding := search.trials.recall("finding")) is not None:
            return Tuning.model_validate(finding)
        if not announced:
            progress.say("another machine is retraining the best recipe; waiting for its finding.")
        announced = True
        time.sleep(1.0)
    return None
