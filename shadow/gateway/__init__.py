"""The OpenAI-compatible reverse proxy that mirrors production's requests.

A request passes through these, in this order:

    app         which path is it: health, metrics, mirrored or passed through
    routing     whose task is it, who serves it, which bytes go out            (pure)
    headers     which headers pass, in each direction                          (pure)
    forwarding  send it, and hand back every byte as it comes
    mirroring   turn the copy of those bytes into an Exchange, on the publisher's thread
"""
