"""What a result is worth and rests on: metrics, intervals, paired tests, floors, the verdict of a comparison, explanations.

Numpy arrays in, numbers and sentences out; an explanation asks a torch module. Does not belong here: files, figures, which
networks there are, or which runs were needed.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
