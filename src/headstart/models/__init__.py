"""The networks and what may be set about them: mlp, cnn and its presets, backbones, heads.

Belongs here: torch modules, their options, their packaged weights, their size. Does not: how they are trained.
Options are plain data; torch is imported only when a network is built.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
