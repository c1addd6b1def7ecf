"""The OpenAI-compatible reverse proxy that mirrors production's requests.

A request passes through these, in this order:

    app         which path is it: health, metrics, mirrored or passed through
    proxy       one request from its first byte to the offer of its exchange
    routing     its task, its endpoint, and the bytes that go out             (pure)
    forwarding  send it, and hand back every byte as it comes
    http/       HTTP/1.1 on both sides: bodies, headers, connections, deadlines
    mirror/     what passed becomes an exchange, in a process beside the gateway
"""
