"""Simulated people who label pairs: they know the world's right answers, and sometimes err.

Each errs on different pairs, so that two of them agree often and not always.
"""

from typing import Final

from shadow.devstack.simulation import workloads
from shadow.devstack.simulation.seeded_random import draws, pick
from shadow.devstack.simulation.world import reading_of
from shadow.records import Preference, Reply, Trial, candidate_reply, frontier_reply

#: Their names, which show that they are simulated.
REVIEWERS: Final = ("simulated Ada", "simulated Ben")

#: Share of pairs that they label wrong.
ERROR_RATE: Final = 0.02

_PREFERENCES: Final[tuple[Preference, ...]] = ("frontier", "tie", "candidate")


def preference(reviewer: str, trial: Trial, *, seed: int) -> Preference:
    """The label that `reviewer` gives to a pair; the same each time."""
    truth = _truth(trial)
    slip, which = draws(seed, "reviewer", reviewer, trial.exchange.id, trial.kind, trial.candidate)[:2]
    if slip >= ERROR_RATE:
        return truth
    return pick([each for each in _PREFERENCES if each != truth], which)


def _truth(trial: Trial) -> Preference:
    frontier, candidate = (_is_right(trial, reply) for reply in (frontier_reply(trial), candidate_reply(trial)))
    if frontier == candidate:
        return "tie"
    return "frontier" if frontier else "candidate"


def _is_right(trial: Trial, reply: Reply) -> bool:
    reading = reading_of(trial.exchange.request)
    return reading is not None and reply.content is not None and workloads.is_right(reading, reply.content)
