from ._check import (
    check_recipe as check_recipe,
)
from ._combined_run import (
    Refit as Refit,
    build_average as build_average,
    build_ensemble as build_ensemble,
)
from ._cost import (
    RunCost as RunCost,
    RunTimer as RunTimer,
    Work as Work,
    count_work as count_work,
    expected_seconds as expected_seconds,
)
from ._curve import (
    CurveRow as CurveRow,
    read_curves as read_curves,
)
from ._held_out import (
    HeldOut as HeldOut,
    measure_last_fit as measure_last_fit,
)
from ._identity import (
    RunIdentity as RunIdentity,
    load_finished_run as load_finished_run,
    run_identity as run_identity,
)
from ._job import (
    TrainingJob as TrainingJob,
    Watch as Watch,
)
from ._late_test import (
    write_late_results as write_late_results,
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
from ._plan import (
    least_epochs as least_epochs,
)
from ._range_test import (
    RANGE_TEST_STEPS as RANGE_TEST_STEPS,
    RangeTest as RangeTest,
    range_test as range_test,
)
from ._read_run import (
    RunDescription as RunDescription,
    keep_only_results as keep_only_results,
    read_correct as read_correct,
    read_labels as read_labels,
    read_losses as read_losses,
    read_predicted as read_predicted,
    read_probabilities as read_probabilities,
    read_recipe_file as read_recipe_file,
    read_run as read_run,
    run_summary as run_summary,
)
from ._resolve import (
    resolve_recipe as resolve_recipe,
)
from ._run import (
    train as train,
)
from ._run_condition import (
    RunCondition as RunCondition,
    check_run as check_run,
    list_runs as list_runs,
)
from ._run_files import (
    PartPredictions as PartPredictions,
)
from ._training_accuracy import (
    training_correct as training_correct,
)
