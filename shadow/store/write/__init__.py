"""From messages to rows, rollups and the ledger, in one transaction; and deletion after the retention time.

ingest                write pairs, dead letters and counts, each once however often they come
skip_bad_rows         write a batch without the rows that cannot be stored
bulk_write            COPY and INSERT of many rows
outcomes              write how each exchange ended, and the ledger
rollups               add tallies to the rollups
cardinality           the limit on the number of segments of a task and day
excess                excess disagreement of exchanges with a ceiling
replace_placeholders  replace pairs from files that lack a reply, when the reply comes
retention_watermark   the moment before which rows were deleted; nothing from before it is counted again
prune                 delete what is past its retention time
"""
