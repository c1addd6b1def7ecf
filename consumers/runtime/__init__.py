"""What every service needs: health, signals, an orderly shutdown, a database that is waited for.

service     health, topics, producer, signals and shutdown of worker and scorer
health      /livez, /readyz and /metrics
shutdown    run until SIGTERM or SIGINT
waiting     wait for the first of several things, or until a request to stop
database    connect to the database, waiting until it is there
task_label  the `task` label of metrics
"""
