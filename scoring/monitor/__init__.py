"""The detectors behind incidents: when something is wrong, since when, and when it is over.

Each detector is a pure function `step(state, data) -> (state, events)`. States are structs of
plain numbers that are stored as JSON, so the names of their fields in JSON must not change.

Detectors that read rollups see every hour once, whole and in order, and do not read the clock: the
same hours give the same incidents, wherever the monitor was interrupted. Only `flow` reads the
clock, because it detects that nothing arrives.

detectors    all detectors of a task, and one hour of rollups passed through them
hours        which hours are complete
rate_drift   a rate above its baseline for the hour of the week; regret, failures and ceiling use it
regret       regret has risen
failures     the candidate fails more often
ceiling      the frontier disagrees with itself, or fails, more often
segments     segments with regret above the limit
judge        the judge contradicts people more often than when it was calibrated
unscored     too many pairs could not be scored
flow         exchanges stuck in flight, drops by capture, a judge that lags behind
recovery     when an incident may close
events       an incident opens or closes
figures      sums for detectors, and numbers as text
"""
