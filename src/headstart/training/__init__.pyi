from ._estimate import (
    Work as Work,
    expected_seconds as expected_seconds,
    work_of as work_of,
)
from ._job import (
    TrainingJob as TrainingJob,
)
from ._network_summary import (
    network_layers as network_layers,
)
from ._observe import (
    Observe as Observe,
    Observer as Observer,
    observed_by as observed_by,
    present_observe as present_observe,
)
from ._range_test import (
    RangeTest as RangeTest,
    range_test as range_test,
)
from ._run import (
    check as check,
    train as train,
)
from ._run_folder import (
    RunFacts as RunFacts,
    finished as finished,
    identity as identity,
    list_runs as list_runs,
    read_correct as read_correct,
    read_curves as read_curves,
    read_losses as read_losses,
    read_metrics as read_metrics,
    read_recipe_file as read_recipe_file,
    read_run as read_run,
    run_summary as run_summary,
    slim as slim,
)
