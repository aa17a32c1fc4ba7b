"""TensorBoard: event files in `tensorboard/` of the run folder.

`tensorboard --logdir runs` shows the runs side by side.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from headstart.tracking._track import ALWAYS_LOGGED, Parameters, Status, TrackerRun

FOLDER = "tensorboard"


def open_run(folder: Path, name: str, parameters: Parameters, run_id: str | None) -> TrackerRun:
    """Open the event files of a run. The run folder alone identifies them."""
    return _EventFiles(folder / FOLDER, parameters)


class _EventFiles:
    run_id = FOLDER

    def __init__(self, folder: Path, parameters: Parameters) -> None:
        self._folder, self._parameters = folder, parameters

    def logged_epochs(self) -> set[int]:
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        if not self._folder.exists():
            return set()
        events = EventAccumulator(str(self._folder)).Reload()
        if ALWAYS_LOGGED not in events.Tags()["scalars"]:
            return set()
        return {event.step for event in events.Scalars(ALWAYS_LOGGED)}

    def resume_at(self, epoch: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # TensorBoard then drops what a killed process wrote from this epoch on.
        self._writer = SummaryWriter(str(self._folder), purge_step=epoch)

    def log_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        for key, value in values.items():
            self._writer.add_scalar(key, value, epoch)
        self._writer.flush()

    def log_results(self, values: Mapping[str, float]) -> None:
        from torch.utils.tensorboard.summary import hparams

        parameters = {key: value for key, value in self._parameters.items() if value is not None}
        # Not `add_hparams`, which opens a second run with another name.
        for summary in hparams(parameters, dict(values)):  # type: ignore[no-untyped-call]
            self._writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]
        for key, value in values.items():
            self._writer.add_scalar(key, value)

    def log_figure(self, path: Path) -> None:
        from PIL import Image

        with Image.open(path) as image:
            self._writer.add_image(path.stem, np.asarray(image.convert("RGB")), dataformats="HWC")

    def log_file(self, path: Path) -> None:
        """Do nothing: event files cannot hold files, which are in the run folder anyway."""

    def close(self, status: Status) -> None:
        self._writer.close()
