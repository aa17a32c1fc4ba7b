"""Use of a finished run: predictions, submissions, explanations, exported files and a server.

Belongs here: opening images as in training, predicting, explaining, exporting, serving. Does not:
the computation inside a network (`training`, `models`), decoders (`data`), the look of results on a
terminal or a page (`report`).

Heavy packages are imported only when they are needed. Predictions with an ONNX file do not import
torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
