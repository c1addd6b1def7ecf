"""The tables, and the connections and transactions to use them in.

tables      every table, as SQLAlchemy Core metadata
engine      connections with timeouts, transactions, and errors of the database as StoreError
revision    the schema's revision that this version needs
migrate     bring the schema to a revision, and list where it differs from the declared one
partitions  one partition a day
locks       advisory locks between processes
"""
