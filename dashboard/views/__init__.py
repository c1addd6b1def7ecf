"""The pages, one folder each.

overview    every task and candidate at a glance, and the ledger
segments    segments of the traffic, worst first
regret      how much worse the candidate is, by source, over time and by segment
confidence  agreement and regret where the candidate is how sure
over_time   agreement by day, hour and weekday; failures and volume
shift       what changed between two time windows
exchanges   find single pairs and read both replies
review      people label pairs

`page.show()` draws a page. Where a page needs them: `reads` (cached queries), `tables` (pure
arithmetic that gives data frames) and `charts` (data frames to Vega-Lite).
"""
