"""The OpenAI-compatible reverse proxy that mirrors production's requests.

A request passes through these, in this order:

    app         which path is it: health, metrics, mirrored or passed through
    proxy       one request from its first byte to the offer of the captured call
    compressed_request  a body with a content encoding: decode it, then route it
    routing     its task, its endpoint, and the bytes that are sent there     (pure)
    forwarding  send it, and return every byte of the answer as it comes
    http/       HTTP/1.1 on both sides: bodies, headers, connections, deadlines
    mirror/     a publisher in a process beside the gateway
"""
