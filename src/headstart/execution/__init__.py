"""Where runs execute: this process, processes of this machine, a Ray cluster. The same runs come out of each.

Belongs here: handing out runs, taking in their outcomes, and what can go wrong in between (a worker that dies, hangs or needs too
much memory). Does not: what a run does (training), which runs a question needs (studies).
"""

from headstart.execution._job import Executor, Job, Outcome, Where
from headstart.execution._open import open_executor, run_all

__all__ = ["Executor", "Job", "Outcome", "Where", "open_executor", "run_all"]
