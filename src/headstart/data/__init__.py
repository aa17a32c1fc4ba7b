"""Datasets: files in many formats, named datasets, and their splits.

Belongs here: whatever turns the user's data into one uint8 array, its labels, and the indices of
the train, validation and test images. Does not belong here: anything that learns from the images
(models, features), and augmentation.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
