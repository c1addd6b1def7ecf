"""Records as rows, and rows as records.

names         keys, names and ids as PostgreSQL can store them
encode        scored pairs and dead letters as rows, and which of them no row can hold
stored_pairs  rows of `comparisons` and `payloads` as pairs
outcome       how an exchange can end, and which of two outcomes counts
json_rows     many rows as one bound parameter
"""
