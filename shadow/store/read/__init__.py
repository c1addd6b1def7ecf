"""Reads for pages, reports, judges and export.

catalogue     which tasks, candidates and dates there are
rollup_reads  tallies, from rollups alone
ledger        how every captured exchange ended
pairs         stored pairs, one by one
scores        the scores of stored comparisons, as SQL
slices        rows in which to search for bad crossings of segments
unit_reads    scores per unit
"""
