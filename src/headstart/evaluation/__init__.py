"""Statistics of results: metrics, intervals, paired tests, calibration, baselines, verdicts.

Functions take NumPy arrays and return numbers and sentences. Does not belong here: files, figures,
networks, and which runs a study needs.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
