"""Headstart: an image-classification workbench.

    import headstart
    finding = headstart.compare("photos/", time_limit="5m")
    print(finding["verdict"]["sentence"])

The functions and the command line have the same verbs and the same keys. Nothing heavy is imported
before it is needed.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
