"""What every service has: health, signals, an orderly end, waits that double.

service     health, topics, producer, signals and shutdown of worker and scorer
health      /livez, /readyz and /metrics
shutdown    run until told to end
database    the database, waited for
backoff     waits that double
task_label  what metrics call a task
"""
