"""The verbs as Python functions: same words, same keys, same results as the command line's `--json`.

Does not belong here: anything that decides what a verb means; this room opens data, names folders and calls the room that knows.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
