"""Segments: in which parts of the traffic the candidate is worse.

page    the page
reads   its cached reads: the ranking, the search for the worst crossings, two crossed dimensions
tables  the table of two crossed dimensions
charts  its chart
"""
