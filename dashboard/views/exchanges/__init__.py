"""Exchanges: find single pairs and read both replies.

page          the page
reads         its cached reads: the filter, the matching pairs, one exchange
tables        pairs as rows to select from
side_by_side  one pair in full
"""
