"""MLflow: a run of the experiment MLFLOW_EXPERIMENT_NAME.

Runs are stored at MLFLOW_TRACKING_URI, or where MLflow stores its own runs by default.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path

from headstart.tracking._track import ALWAYS_LOGGED, Parameters, Status, TrackerRun

EXPERIMENT = "headstart"
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
# A server that does not answer must not delay a run for more than ten minutes, which is how long
# MLflow retries by default. MLflow reads the first two at each request. The third one turns usage
# statistics off, and is read when MLflow is imported. Settings of the user take precedence.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


def open_run(folder: Path, name: str, parameters: Parameters, run_id: str | None) -> TrackerRun:
    """Open the run `run_id`, or a new one.

    Raises:
        mlflow.exceptions.MlflowException: The store cannot be read or does not answer.
    """
    for key, value in _SETTINGS.items():
        os.environ.setdefault(key, value)
    return _MlflowRun(folder, name, parameters, run_id)


class _MlflowRun:
    def __init__(self, folder: Path, name: str, parameters: Parameters, run_id: str | None) -> None:
        from mlflow import MlflowClient

        # Both would report each table of a new database.
        for library in ("mlflow", "alembic"):
            logging.getLogger(library).setLevel(logging.WARNING)
        self._client = MlflowClient()
        if run_id is None:
            run_id = self._create_run(folder, name, parameters)
        else:
            self._client.update_run(run_id, status="RUNNING")
        self.run_id: str = run_id

    def _create_run(self, folder: Path, name: str, parameters: Parameters) -> str:
        from mlflow.entities import Param

        experiment_name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        experiment = self._client.get_experiment_by_name(experiment_name)
        if experiment is not None:
            experiment_id = experiment.experiment_id
        else:
            experiment_id = self._client.create_experiment(experiment_name)

        tags = {"headstart.folder": str(folder.absolute())}
        run = self._client.create_run(experiment_id, run_name=name, tags=tags)
        run_id: str = run.info.run_id
        params = [Param(key, str(value)) for key, value in parameters.items()]
        self._client.log_batch(run_id, params=params)
        return run_id

    def logged_epochs(self) -> set[int]:
        history = self._client.get_metric_history(self.run_id, ALWAYS_LOGGED)
        return {metric.step for metric in history}

    def resume_at(self, epoch: int) -> None:
        """Do nothing: MLflow keeps logged values, and no value is logged twice."""

    def log_epoch(self, epoch: int, values: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        metrics = [Metric(key, value, now_ms, epoch) for key, value in values.items()]
        self._client.log_batch(self.run_id, metrics=metrics)

    def log_results(self, values: Mapping[str, float]) -> None:
        self.log_epoch(0, values)

    def log_figure(self, path: Path) -> None:
        self._client.log_artifact(self.run_id, str(path), "figures")

    def log_file(self, path: Path) -> None:
        folder = None if path.suffix == ".html" else "model"
        self._client.log_artifact(self.run_id, str(path), folder)

    def close(self, status: Status) -> None:
        self._client.set_terminated(self.run_id, _STATUS[status])
