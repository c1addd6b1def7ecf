"""`shadow demo`: the whole product on this machine, on embedded services and simulated models.

run       the command: start everything, play the past, go on until Ctrl-C
settings  the shadow.toml that the demo writes for itself
folder    the demo's folder: used by one demo at a time
evidence  judge, people and monitor at work on the simulated past
"""

from shadow.cli.demo.run import command

__all__ = ["command"]
