"""The rules. Each file's are registered when it is imported; findings.py says what a rule is."""

from . import (
    buses,
    functions,
    lifetimes,
    mappings,
    monitoring,
    privileges,
    queues,
    reasons,
    settings,
    state_machines,
)

__all__ = [
    "buses",
    "functions",
    "lifetimes",
    "mappings",
    "monitoring",
    "privileges",
    "queues",
    "reasons",
    "settings",
    "state_machines",
]
