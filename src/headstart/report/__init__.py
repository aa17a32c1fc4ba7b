"""What a person sees of a result: figures, the HTML page, the terminal tables; all made from what a run or study left on disk.

Does not belong here: training, tests and metrics (they are read, not made), and any decision about what a result means.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
