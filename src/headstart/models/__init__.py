"""Networks and their options: mlp, cnn and published CNNs, backbones, heads.

Belongs here: torch modules, their options, their packaged weights, their size. Does not belong
here: training. Options are plain data. Torch is imported only when a network is built.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
