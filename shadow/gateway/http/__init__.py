"""HTTP/1.1 as the gateway needs it, on both sides.

asgi         read a request's body, notice a disconnect, send an answer
serving      uvicorn's configuration
protocol     a client's connection, with limits on what comes before a request
hosts        which Host headers are answered
joined_writes  short answers in one write
connections  HTTP/1.1 connections to the endpoints, and the pool of them
deadlines    one time limit for many waits on one timer
headers      which headers pass, in each direction
paths        paths that some server might resolve to one above /v1
"""
