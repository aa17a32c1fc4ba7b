"""Recipes: everything that defines training besides data and seed. Imports no torch.

Belongs here: the schema, its options, defaults, presets and search spaces. Does not belong here:
the networks themselves (`headstart.models`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
