"""Runs told to a tracker, live: TensorBoard, MLflow, Weights & Biases. One file a tracker.

What a tracker keeps, its own library writes; the note of which of its runs belongs to a run folder goes through the store.

Does not belong here: what a run is or when an epoch ends (training tells), figures (report draws them).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
