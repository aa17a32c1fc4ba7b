"""Where runs execute: this process, processes of this machine, a Ray cluster. The same runs come out of each.

Belongs here: handing out runs, taking in their outcomes, and what can go wrong in between (a worker that dies, hangs or needs too
much memory). Does not: what a run does (training), which runs a question needs (studies).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
