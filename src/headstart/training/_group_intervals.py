"""Intervals of a finished run whose images have other groups than when it was evaluated."""

from __future__ import annotations

from pathlib import Path

from headstart import store
from headstart.data import SplitDataset
from headstart.evaluation import accuracy_interval, count_groups, groups_to_resample
from headstart.results import PartMetrics, RunMetrics
from headstart.training import _distributed
from headstart.training._read_run import read_correct


def with_group_intervals(folder: Path, metrics: RunMetrics, data: SplitDataset) -> RunMetrics:
    """Return the metrics of a run with intervals over the groups of its data.

    Groups do not belong to a run's identity: they change neither weights nor predictions. So a run
    that finished without `--group-by`, on images with parts of their own, is reused with it. Its
    intervals are then computed again and written to `metrics.json`.

    Args:
        folder: The run folder.
        metrics: The metrics of the run.
        data: Its data, as they were opened now. If they have no groups, nothing changes.
    """
    if not (folder / "predictions.csv").exists():
        return metrics

    updates = {}
    for part in ("validation", "test"):
        scores = metrics.part(part)
        count = count_groups(data.groups_of(part))
        if scores is not None and count is not None and scores.groups != count:
            updates[part] = _with_intervals(folder, scores, part, data)
    if not updates:
        return metrics

    updated = metrics.model_copy(update=updates)
    if _distributed.is_main_process():
        store.replace_sealed(folder / "metrics.json", store.json_bytes(updated.as_json()))
    return updated


def _with_intervals(
    folder: Path, scores: PartMetrics, part: str, data: SplitDataset
) -> PartMetrics:
    groups, correct = data.groups_of(part), read_correct(folder, part)
    over_images = None
    if groups_to_resample(groups, len(correct)) is not None:
        over_images = accuracy_interval(correct)
    return scores.model_copy(
        update={
            "groups": count_groups(groups),
            "interval": accuracy_interval(correct, groups=groups),
            "interval_over_images": over_images,
        }
    )
