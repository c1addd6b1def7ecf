"""The tables, and everything about them that is not a row.

tables      every table, as SQLAlchemy Core metadata
engine      connections with timeouts, transactions, and database errors in plain words
migrate     bring the schema to a revision, and find where it differs from the declared one
partitions  one partition a day
locks       locks between processes
"""
