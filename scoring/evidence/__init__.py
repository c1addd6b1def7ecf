"""Tallies turned into evidence: estimates, intervals, flags and verdicts. Pure.

report        evidence per task and candidate, worst segment first, and as JSON
pools         tallies put together per task, candidate and segment
estimates     sums turned into estimates with intervals that may be watched continuously
by_unit       evidence by unit
operational   cost, latency and failures
flags         which segments are bad
worst_slices  the worst crossings of segments
judge_trust   how far a judge can be trusted
verdict       what the evidence allows one to say
"""
