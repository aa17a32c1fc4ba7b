from ._recipe import (
    PRESETS as PRESETS,
    WITHOUT_MOMENTUM as WITHOUT_MOMENTUM,
    Recipe as Recipe,
    are_characters as are_characters,
    by_steps as by_steps,
    keys_of as keys_of,
    make_recipe as make_recipe,
    read_recipe as read_recipe,
    resolve as resolve,
    with_depth as with_depth,
    with_net as with_net,
)
from ._search_space import (
    default_space as default_space,
)
