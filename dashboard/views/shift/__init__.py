"""Shift: what changed between two time windows, and whether the candidate is worse where traffic grew.

page    the page
reads   its cached reads: rollups for mixes and numbers, a bounded sample of requests for words
tables  shifts to tables, and comparisons of one part of the traffic with the rest
charts  effect sizes, mixes and distributions
"""
