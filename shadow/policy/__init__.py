"""Rules that are functions of a request and the settings. No I/O.

identify  the task, segments and unit of a request
sampling  whether an exchange is mirrored: a consistent hash
trials    which other models are asked about an exchange
"""
