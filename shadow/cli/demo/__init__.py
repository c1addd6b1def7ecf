"""`shadow demo`: the whole product on this machine, on embedded services and simulated models.

command   the options
run       starts everything, plays the simulated history, sends live traffic until Ctrl-C
settings  the shadow.toml that the demo writes for itself
folder    the demo's folder, which one demo at a time may use
evidence  judge, labels and monitor on the simulated history
"""

from shadow.cli.demo.command import command

__all__ = ["command"]
