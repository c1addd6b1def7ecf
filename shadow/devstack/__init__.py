"""What makes a laptop enough: Postgres, a broker and simulated models, without Docker or Java.

Nothing here is used in production. Every service binds to loopback (or to a socket file
only its owner may open), logs to a file, and goes away with the process that started it.
"""
