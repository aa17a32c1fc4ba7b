"""Find the best classifier within a time limit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from headstart.data import SplitDataset
from headstart.errors import Stopped
from headstart.models.recipes import make_recipe
from headstart.results import FitFinding, ImageSettings, JsonObject
from headstart.signals import explained_stops
from headstart.studies._study import Study, StudyContext, no_validation_images
from headstart.studies.fit._choice import CLASSIFIER
from headstart.studies.fit._climb import Climb
from headstart.studies.fit._config import FitConfig
from headstart.studies.fit._finding import fit_finding
from headstart.training import check_recipe

_LIMIT = "time_limit"


@dataclass(frozen=True)
class FitStudy(Study[FitFinding]):
    """The search for the best classifier within a time limit.

    Attributes:
        config: Its configuration.
        images: The size and the shape that were chosen for the images; None for those of `load`.
    """

    config: FitConfig
    images: ImageSettings | None = None

    finding_type = FitFinding

    def check(self) -> None:
        """Check the configuration."""
        self.config.check()

    def check_data(self, data: SplitDataset) -> None:
        """Check that there are validation images and that the data can be trained on.

        Raises:
            InputError: There are no validation images, or too few classes or images.
        """
        if not len(data.split.validation):
            raise no_validation_images(data, "a classifier")
        check_recipe(make_recipe("cnn", self.config.rung_values()), data)

    def as_json(self) -> JsonObject:
        """Return the configuration."""
        return self.config.as_json()

    def identity(self) -> JsonObject:
        """Return the configuration, the digest of the user's metric, and the image settings."""
        images = {} if self.images is None else {"images": self.images.model_dump(mode="json")}
        return {**self.config.identity(), **images}

    def extends(self, recorded: JsonObject, identity: JsonObject, folder: Path) -> bool:
        """Return whether only the time limit differs, and is longer than the recorded one."""
        if {**recorded, _LIMIT: None} != {**identity, _LIMIT: None}:
            return False
        before, now = recorded[_LIMIT], identity[_LIMIT]
        assert isinstance(before, float | int) and isinstance(now, float | int), "both in seconds"
        return now > before

    def run(self, context: StudyContext) -> FitFinding:
        """Climb the ladder, choose a classifier, and evaluate it once on the test images.

        Raises:
            RunFailed: No rung finished.
            Stopped: A signal asked to stop. The best classifier so far is in the study folder.
        """
        with explained_stops(partial(_explain_stop, context)):
            climb = Climb(context, self.config)
            with climb.clock.running():
                climb.run()
                finding = fit_finding(climb, context, self.images)
                climb.clock.write()  # a longer limit continues from here
                return finding


def _explain_stop(context: StudyContext, signum: int) -> Stopped:
    """Return the stop with the place of the best classifier so far, and the command to continue."""
    classifier = context.folder / CLASSIFIER
    text = "stopped before the first candidate finished."
    if context.has_previous_finding:
        text = f"stopped. The earlier classifier is kept: {classifier}."
    elif classifier.exists():
        text = f"stopped. The best classifier so far is {classifier}."
    again = f"Run the same command again to continue with the remaining time: {context.command}"
    return Stopped(signum, text, again)
