"""The OpenAI-compatible reverse proxy that mirrors production's requests.

A request passes through these, in this order:

    app             which path is it: health, metrics, mirrored or passed through
    proxy           one request from its first byte to the offer of its exchange
    routing         whose task is it, who serves it, which bytes go out            (pure)
    headers         which headers pass, in each direction                          (pure)
    forwarding      send it, and hand back every byte as it comes
    connections     HTTP/1.1 to the endpoints
    deadlines       how long a request may wait, for an endpoint or before it listens for a hang-up
    mirrors         where what was heard goes: a publisher here, or
    mirror_process  one in a process beside the gateway, so that it slows nothing
    mirroring       turns the copy of those bytes into an Exchange, over there     (pure)
"""
