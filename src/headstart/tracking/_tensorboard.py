"""TensorBoard: event files in `tensorboard/` of the run folder. `tensorboard --logdir runs` shows them side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from headstart.tracking._track import Log, Status, Value

FOLDER = "tensorboard"
_WATCHED = "train_loss"  # in every epoch


def open_log(folder: Path, name: str, parameters: Mapping[str, Value], mark: str | None) -> Log:
    """Event files of one run; `mark` is not needed to find them."""
    return _Events(folder / FOLDER, parameters)


class _Events:
    mark = FOLDER

    def __init__(self, folder: Path, parameters: Mapping[str, Value]) -> None:
        self._folder, self._parameters = folder, parameters

    def epochs(self) -> set[int]:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        if not self._folder.exists():
            return set()
        found = EventAccumulator(str(self._folder)).Reload()
        return (
            {event.step for event in found.Scalars(_WATCHED)}
            if _WATCHED in found.Tags()["scalars"]
            else set()
        )

    def go_on_from(self, epoch: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # TensorBoard itself then drops what a killed process wrote from this epoch on.
        self._writer = SummaryWriter(str(self._folder), purge_step=epoch)

    def scalars(self, epoch: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self._writer.add_scalar(key, value, epoch)
        self._writer.flush()

    def scores(self, values: Mapping[str, float]) -> None:
        from torch.utils.tensorboard.summary import hparams

        given = {key: value for key, value in self._parameters.items() if value is not None}
        # Not add_hparams: it opens a second run of another name.
        for summary in hparams(given, dict(values)):  # type: ignore[no-untyped-call]
            self._writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]
        for key, value in values.items():
            self._writer.add_scalar(key, value)

    def figure(self, path: Path) -> None:
        from PIL import Image

        with Image.open(path) as image:
            self._writer.add_image(path.stem, np.asarray(image.convert("RGB")), dataformats="HWC")

    def file(self, path: Path) -> None:
        """Event files hold none: the run folder above has them."""

    def close(self, status: Status) -> None:
        self._writer.close()
