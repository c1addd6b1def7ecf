"""`shadow replay`: scores recorded pairs from files.

command      the options
run          reads files, completes, scores and stores their pairs, computes the evidence
workers      scores the chunks of a file in several processes
models       asks models for replies that a file lacks
judge        asks a judge for verdicts that a file lacks
loop_thread  an event loop in its own thread, for what is asked
pair_writer  writes pairs to the database
summary      what was done, on standard error
"""

from shadow.cli.replay.command import command

__all__ = ["command"]
