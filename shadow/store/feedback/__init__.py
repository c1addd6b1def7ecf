"""What people and judges prefer in stored pairs.

pair_opinions  the current label and verdict of a pair: locked, changed, and counted into the rollups
labels         record, remove and read people's labels
verdicts       record judges' verdicts; which pairs are due, the cache, the spending
review         which pairs people are asked to label, and how far they have come
"""
