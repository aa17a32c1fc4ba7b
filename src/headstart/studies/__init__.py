"""Studies: a question, the runs that it needs, and its finding.

Belongs here: the `Study` protocol, `run_study`, and one module per study (compare, tune, lr,
labels, effects, backbones). Does not: how a run is trained (training), where it executes
(execution), or how a finding looks (report).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
