"""Scores pairs, turns scores into evidence, and detects when something is wrong.

compare     scores one pair; the live scorer and replay both use it
scorers/    one idea of "the same answer" per file
refusals    replies that are refusals, truncated or empty
replay      scores recorded pairs
stats/      statistics that stay valid under continuous looking
evidence/   estimates, flags and verdicts from tallies
judge/      a model as a judge of pairs: prompt, answer, price
monitor/    detectors behind incidents
"""
