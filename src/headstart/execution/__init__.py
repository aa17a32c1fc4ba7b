"""Executors of runs: this process, processes of this machine, a Ray cluster.

A run has the same results in each.

Belongs here: distribution of jobs, their outcomes, and what can go wrong in between (a worker that
dies, hangs or needs too much memory). Does not belong here: what a run does (training), which runs
a question needs (studies).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
