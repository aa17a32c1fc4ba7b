"""Which runs a question needs, and what their results say: compare.

Does not belong here: how a run trains, how a test is computed, how a finding looks.
"""

from headstart.studies._compare import Comparison, compare

__all__ = ["Comparison", "compare"]
