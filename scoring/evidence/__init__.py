"""Turns tallies into evidence: estimates, intervals, flags and verdicts. Pure functions.

report        evidence per task and candidate, worst segment first, and as JSON
pools         tallies added up per task, candidate and segment
estimates     estimates with intervals that are valid under continuous looking, from sums
by_unit       evidence per unit (user or conversation)
operational   cost, latency, time to first token and failures
flags         which segments are bad
worst_slices  the worst crossings of segments
judge_trust   how far a judge can be trusted
verdict       worse, not worse, undecided, with reasons
"""
