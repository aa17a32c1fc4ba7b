"""Which runs a question needs, and what their results say: a study is a question, its runs, its finding.

Belongs here: compare, tune, lr, labels, effects, backbones. Does not: how a run is made (training), where it executes
(execution), how a finding looks (report).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
