"""Reads for pages, reports, judges and export.

catalogue     tasks with their candidates and dates
rollup_reads  tallies, from rollups only
confidence_reads  tallies by the candidate's confidence
ledger        counts of how the captured exchanges ended
pairs         stored pairs, one by one
scores        scores of stored comparisons, as SQL expressions
slices        rows for the search for the worst crossings of segments
unit_reads    scores per unit
"""
