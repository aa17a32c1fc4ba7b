from ._costs import (
    cost_matrix as cost_matrix,
)
from ._defaults import (
    PRESETS as PRESETS,
    WITHOUT_MOMENTUM as WITHOUT_MOMENTUM,
)
from ._flags import (
    Flag as Flag,
    key_options as key_options,
    train_flags as train_flags,
)
from ._keys import (
    FlagKeys as FlagKeys,
    RecipeKeys as RecipeKeys,
)
from ._option_list import (
    all_options as all_options,
    recipe_options as recipe_options,
)
from ._recipe import (
    SELECTS_BY_LOSS as SELECTS_BY_LOSS,
    Recipe as Recipe,
    read_recipe as read_recipe,
    with_net as with_net,
)
from ._resolve import (
    COUNT_CLASSES_ALIKE as COUNT_CLASSES_ALIKE,
    are_characters as are_characters,
    keys_of as keys_of,
    make_iterative_recipe as make_iterative_recipe,
    make_recipe as make_recipe,
    resolve as resolve,
    with_depth as with_depth,
)
from ._search_space import (
    default_space as default_space,
)
