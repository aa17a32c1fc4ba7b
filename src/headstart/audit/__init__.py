"""The audit: checks of a dataset before a step is trained.

Belongs here: one module per check, a function from a dataset to a frozen dataclass of arrays; their
conversion to result models; the plan that follows. Does not belong here: what `load` itself needs
(data), the order of the checks (studies), the command and its page (api, report), and the versioned
models of the results (results).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
