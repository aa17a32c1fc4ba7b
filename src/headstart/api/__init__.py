"""The commands as Python functions, with the results that `--json` prints.

Belongs here: opening data, naming folders, and calling the subpackage that does the work. Does not
belong here: any decision about what a command means.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
