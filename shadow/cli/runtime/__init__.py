"""What commands share, and what they do that is not a service of its own.

options          options that several commands have
logs             structured log lines of the long-running commands
storage          the database of the commands that people run by hand
services         the services that `shadow up` and `shadow demo` run
supervisor       runs several services as children of one command
checks           the checks of `shadow check`
preflight        whether broker, database and models can be reached
migration        what `shadow migrate` does with a database
stored_evidence  the evidence that the database holds
labelled_pairs   stored pairs that people labelled
pair_lines       stored pairs as lines of a pairs file
scoring_process  a process that scores chunks for `shadow replay`
label_import     reads labels from a file into the database
"""
