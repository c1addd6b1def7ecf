"""Postgres: pairs, scores, rollups and the ledger. The only package that sees the tables.

`engine` opens it, `migrate` brings its schema up to date, `ingest` writes; `tallies`,
`ledger`, `exchanges` and `catalogue` read; `prune` forgets. Everything works on a SQLAlchemy
`Connection` whose transaction belongs to the caller.
"""
