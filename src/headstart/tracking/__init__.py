"""Runs told to a tracker, live: TensorBoard, MLflow, Weights & Biases. One file a tracker.

What a tracker keeps, its own library writes; the note of which of its runs belongs to a run folder goes through the store.

Does not belong here: what a run is or when an epoch ends (training tells), figures (report draws them).
"""

from headstart.tracking._track import TRACKERS, track_with

__all__ = ["TRACKERS", "track_with"]
