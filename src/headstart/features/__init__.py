"""Features of frozen backbones: the cache, the linear probe and the linear head.

Belongs here: what is computed once per image and what is fitted on it. Does not: the backbones themselves
(`headstart.models`) and training by steps (`headstart.training`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
