"""Overview: every task and candidate at a glance, and the ledger.

page       the page
reads      its cached reads: evidence of every task, and the ledger
task_card  one task and candidate: agreement, regret, unscored pairs, latency, cost, failures
ledger     the ledger as two sums that add up
lag        how far the figures lag behind the traffic
"""
