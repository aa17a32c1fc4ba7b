"""The run itself: from a training job to its results, and the files that it leaves behind.

Belongs here: plan, training loop, optimizers, augmentation, checkpoints, run folders. Does not
belong here: which runs a question needs (studies), what a network looks like (models), what
predicts afterwards (classifier).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
