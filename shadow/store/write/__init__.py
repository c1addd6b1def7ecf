"""From messages to rows, rollups and the ledger, in one transaction; and deletion by retention.

ingest                write pairs, dead letters and counts: any order, any number of times, one result
rows                  records as rows, and which records no row can hold
bulk_write            COPY and INSERT of many rows
outcomes              how each exchange ended: one outcome each
rollups               add tallies to the rollups
cardinality           a limit on the values of a segment dimension
excess                exchanges with a second trial, whose excess disagreement is counted
replace_placeholders  pairs without an answer, replaced when the answer comes
retention_watermark   up to when rows were deleted, so that nothing is counted twice
prune                 delete what is past its retention
"""
