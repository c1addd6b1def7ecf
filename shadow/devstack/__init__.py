"""Everything that a laptop needs to run the whole product: services, a simulated world, simulated models.

services/       PostgreSQL, a broker, Apache Kafka, as child processes
simulation/     the world of the demo: users, requests, right answers, traffic
model_servers/  simulated models behind OpenAI-compatible servers

Nothing here is used in production. Every service binds to loopback (or to a socket file only its
owner may open), logs to a file, and ends with the process that started it.
"""
