"""Reads answers of OpenAI-compatible APIs. No I/O.

replies           reads a whole answer into a `Reply`
stream_reader     reads a streamed answer into a `Reply`
streamed_calls    assembles tool calls from the pieces of a stream
reasoning_blocks  separates the reasoning that a model writes into its answer's text
reasoning_fields  reads the reasoning that a server puts beside the answer
usage             reads the token counts that endpoints report
log_probabilities reads log-probabilities, and computes how sure a model is of its answer
finish_reasons    what the finish reason of an answer says about it
error_bodies      reads the errors that endpoints report, by status or inside an answer
json_text         decodes JSON as the official client does
recorded_reply    a reply in a pairs file, in one of three forms
sse               a parser of server-sent events
content_encoding  decodes gzip, deflate, Brotli and Zstandard up to a limit
"""
