"""MLflow: a run of the experiment that MLFLOW_EXPERIMENT_NAME names, at MLFLOW_TRACKING_URI, or where MLflow keeps its own."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from headstart.tracking._track import Log, Status, Value

EXPERIMENT = "headstart"
_WATCHED = "train_loss"  # in every epoch
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
# A server that does not answer must not hold the run up for the ten minutes and more that MLflow would try: read at each request.
# And nobody asked for usage statistics: read when MLflow is imported. What the user has set stays.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def open_log(folder: Path, name: str, parameters: Mapping[str, Value], mark: str | None) -> Log:
    """The run with the id `mark`, or a new one.

    Raises:
        mlflow.exceptions.MlflowException: the store cannot be read, or does not answer.
    """
    for key, value in _SETTINGS.items():
        os.environ.setdefault(key, value)
    return _Run(folder, name, parameters, mark)


class _Run:
    def __init__(
        self, folder: Path, name: str, parameters: Mapping[str, Value], mark: str | None
    ) -> None:
        from mlflow import MlflowClient
        from mlflow.entities import Param

        for library in ("mlflow", "alembic"):  # each table of a new database is news to them
            logging.getLogger(library).setLevel(logging.WARNING)
        self._client = MlflowClient()
        if mark is None:
            wanted = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
            found = self._client.get_experiment_by_name(wanted)
            experiment = found.experiment_id if found else self._client.create_experiment(wanted)
            tags = {"headstart.folder": str(folder.absolute())}
            mark = self._client.create_run(experiment, run_name=name, tags=tags).info.run_id
            self._client.log_batch(
                mark, params=[Param(key, str(value)) for key, value in parameters.items()]
            )
        else:
            self._client.update_run(mark, status="RUNNING")
        self.mark: str = mark

    def epochs(self) -> set[int]:
        return {metric.step for metric in self._client.get_metric_history(self.mark, _WATCHED)}

    def go_on_from(self, epoch: int) -> None:
        """A metric keeps what it was told; nobody tells it twice."""

    def scalars(self, epoch: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(
            self.mark, metrics=[Metric(key, value, now, epoch) for key, value in values.items()]
        )

    def scores(self, values: Mapping[str, float]) -> None:
        self.scalars(0, values)

    def figure(self, path: Path) -> None:
        self._client.log_artifact(self.mark, str(path), "figures")

    def file(self, path: Path) -> None:
        self._client.log_artifact(self.mark, str(path), "model" if path.suffix != ".html" else None)

    def close(self, status: Status) -> None:
        self._client.set_terminated(self.mark, _STATUS[status])
