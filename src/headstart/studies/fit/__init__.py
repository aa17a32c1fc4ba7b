"""The best classifier for a time limit: the ladder of rungs, its clock, the choice and its finding.

Belongs here: what only `fit` needs. Does not: how a run is trained (training), or how predictions
are combined (evaluation, classifier).
"""
