"""Postgres: pairs, scores, rollups and the ledger. The only package that sees the tables.

schema      the tables, connections and transactions, migrations, locks
rows        records as rows, and rows as records
write       ingest of messages; deletion after the retention time
read        rollups, pairs, the ledger, for pages and reports
feedback    people's labels and judges' verdicts
monitoring  what the monitor stores

Each may import those above it in this list (`write` and `read` do not import each other). Functions
take a SQLAlchemy `Connection`; the transaction is the caller's.
"""
