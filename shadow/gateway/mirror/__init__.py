"""The publisher in a child process beside the gateway, so that publishing slows no request.

process  `MirrorProcess`: starts the child, hands captured calls over to it, keeps the counts
child    the child process: makes exchanges of the calls and publishes them
ipc      the messages between the two
"""
