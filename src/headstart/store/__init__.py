"""Run folders, atomic writes, manifests and locks.

Every byte that Headstart writes goes through this subpackage. The meaning of the bytes does not
belong here. No other code calls `open(..., "w")`, `mkdir` or `rename`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
