"""Regret: how much worse the candidate is, by source, over time and by segment.

page    the page
reads   its cached reads, from rollups alone
tables  tallies to the page's tables
charts  regret over time, and the share that the candidate served
"""
