"""Formats in, named datasets, splits: from whatever the user has to one uint8 array, its labels, and who may see which image.

Does not belong here: anything that is learnt from the images (models, features), and augmentation.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
