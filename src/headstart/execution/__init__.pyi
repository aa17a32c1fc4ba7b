from ._executors import (
    open_executor as open_executor,
    run_all as run_all,
)
from ._job import (
    Executor as Executor,
    Job as Job,
    Outcome as Outcome,
    Where as Where,
)
