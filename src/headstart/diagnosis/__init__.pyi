from ._examine import (
    examine as examine,
)
from ._machine import (
    check_machine as check_machine,
)
from ._repair import (
    set_aside as set_aside,
)
from ._types import (
    Diagnosis as Diagnosis,
    State as State,
)
