"""What the monitor makes of the evidence: when something is wrong, since when, and when it is over.

Each detector is a pure function `step(state, what was seen) -> (state, what happened)`; states are
structs of plain numbers, to be kept as JSON. `task` says which detectors a task has.

Detectors that read rollups see every hour once, whole and in order, and know no clock: the same
hours give the same incidents, wherever the monitor was interrupted. Only `flow` looks at the
clock, because what it watches for is that nothing arrives.
"""
