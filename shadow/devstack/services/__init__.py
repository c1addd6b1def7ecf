"""Real services as child processes on loopback.

postgres   PostgreSQL, from the binaries of a wheel
broker     the embedded Kafka broker, in memory
kafka      a real Apache Kafka, from a folder of jars
processes  child processes that log to a file, can be frozen and killed, and end with their parent
"""
