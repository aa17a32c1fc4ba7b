"""The verbs as Python functions: the same words, keys and results as `--json` of the command line.

Belongs here: opening data, naming folders, and calling the room that does the work. Does not belong
here: any decision about what a verb means.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
