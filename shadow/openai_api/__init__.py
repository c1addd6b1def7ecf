"""Reads answers of OpenAI-compatible APIs. No I/O.

replies           an answer, as JSON or as a stream of events, read into a `Reply`
recorded_reply    a reply in a pairs file, in one of three forms
sse               a parser of server-sent events
content_encoding  decodes gzip, deflate, Brotli and Zstandard up to a limit
"""
