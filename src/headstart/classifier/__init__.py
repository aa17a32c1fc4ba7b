"""The classifier of a finished run: network, input transforms, predictions and file format.

Belongs here: everything needed to turn uint8 images into class probabilities. Does not: how it was
trained (`headstart.training`), export and serving (`headstart.deploy`).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
