"""The way out: a finished run predicts, for files, tables and other programs, and says why.

Belongs here: opening what is to be judged as the training images were opened, predictions, exports, the server. Does not: what a
network computes (training, models), decoders (data), how an answer looks on a terminal or a page (report).

Nothing heavy is imported before it is needed; torch not at all where an ONNX file predicts.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
