"""Confidence: how far the candidate agrees, and what it costs, where it is how sure of its replies.

page    the page
reads   its cached reads
tables  tallies by confidence to tables
charts  agreement or regret by confidence, and how many pairs lie where
"""
