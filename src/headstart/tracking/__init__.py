"""Live logging of runs to TensorBoard, MLflow or Weights & Biases, with one file per tracker.

A tracker's own library writes what the tracker stores. The store writes the note that links a run
folder to a run of the tracker.

Does not belong here: the events of a run (`headstart.training`), and figures (`headstart.report`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
