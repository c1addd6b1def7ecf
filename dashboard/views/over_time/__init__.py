"""Over time: days, hours and weekdays at which the candidate is worse; failures and volume.

page    the page
reads   its cached reads
tables  tallies to tables by day, hour or hour of the week
charts  the trend, the week, and stacked counts
"""
