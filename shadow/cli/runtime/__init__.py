"""What commands share while they run.

storage        the database of the commands that people run by hand
supervisor     several services as children of one command
preflight      whether broker, database and models can be reached and used
logs           structured log lines of the long-running commands
loop_thread    an event loop in a thread of its own
replay_models  replies that a pairs file lacks, asked for live
replay_judge   judge verdicts that a pairs file lacks
"""
