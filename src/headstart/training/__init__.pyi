from ._check import (
    check as check,
)
from ._cost import (
    Work as Work,
    count_work as count_work,
    expected_seconds as expected_seconds,
)
from ._curve import (
    CurveRow as CurveRow,
    read_curves as read_curves,
)
from ._identity import (
    RunIdentity as RunIdentity,
    load_finished_run as load_finished_run,
    run_identity as run_identity,
)
from ._job import (
    TrainingJob as TrainingJob,
)
from ._network_summary import (
    network_layers as network_layers,
)
from ._observe import (
    Observer as Observer,
    ObserverFactory as ObserverFactory,
    current_observer_factory as current_observer_factory,
    observing as observing,
)
from ._range_test import (
    RangeTest as RangeTest,
    range_test as range_test,
)
from ._read_run import (
    RunDescription as RunDescription,
    keep_only_results as keep_only_results,
    list_runs as list_runs,
    read_correct as read_correct,
    read_losses as read_losses,
    read_recipe_file as read_recipe_file,
    read_run as read_run,
    run_summary as run_summary,
)
from ._run import (
    train as train,
)
