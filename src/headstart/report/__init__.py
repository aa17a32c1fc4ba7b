"""Figures, HTML pages and terminal tables, all made from the files of a run or study.

Belongs here: how a result looks. Does not belong here: training, tests and metrics, which are read
and not computed, and any decision about what a result means.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
