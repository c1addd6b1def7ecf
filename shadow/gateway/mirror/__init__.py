"""From what passed through the proxy to a publisher, here or in a process of its own.

port      what the proxy hands over, and the adapter for a publisher in this process
process   the adapter that runs the publisher in a child process, so that it slows nothing
child     that child process
ipc       the messages between the two
exchange  the bytes that passed, read into an Exchange
"""
