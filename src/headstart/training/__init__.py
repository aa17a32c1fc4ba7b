"""The run itself: from recipe to result, and what it leaves behind.

Belongs here: recipe, plan, optimizers, augmentation, precision, features cache, classifier. Does not: which runs a question
needs (studies), what a network looks like (models).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
