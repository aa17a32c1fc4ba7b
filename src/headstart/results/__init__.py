"""Schemas of the results that Headstart writes: frozen, versioned models. Imports no torch.

Belongs here: the models of `metrics.json` and `finding.json`, their readers, that of
`predictions.csv`, and the upgrade of older files. Does not: how a result is computed (training,
evaluation, studies), or how it looks (report).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
