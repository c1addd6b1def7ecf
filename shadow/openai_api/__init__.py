"""Reading requests to and answers of OpenAI-compatible APIs. No I/O.

replies            an answer, as JSON or as a stream of events, read into a `Reply`
sse                server-sent events out of bytes that may be cut anywhere
content_encoding   an answer's bytes without their content encoding
body_buffer        the copy that is kept of an answer while it passes
recorded_reply     a reply as people record it in a file
captured_response  the bytes of an answer that passed through SDK or gateway, read into a `Reply`
"""
