"""Convolutions that are faster on CPUs than torch's own, with the same results up to rounding.

Belongs here: fused inference in bfloat16 and its rounding correction, and a faster weight gradient
for small feature maps. Does not belong here: networks. README.md says what is guaranteed and how
to delete this package.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
