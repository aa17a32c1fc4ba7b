"""Features of frozen backbones: their cache, linear probes on them, and the linear head.

Belongs here: what is computed once per image, and what is fitted on it. Does not belong here: the
backbones themselves (models), and training by steps (training).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
