"""Run folders, atomic writes, manifests, locks: every byte that Headstart writes goes through here.

Does not belong here: what the bytes mean. No other room calls `open(..., "w")`, `mkdir` or `rename`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
