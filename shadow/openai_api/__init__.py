"""Reading requests to and answers of OpenAI-compatible APIs. No I/O.

replies           an answer, as JSON or as a stream of events, read into a `Reply`
recorded_reply    a reply as people record it in a file
sse               server-sent events out of bytes that may be cut anywhere
content_encoding  an answer's bytes without their content encoding
"""
