"""The pairs file: recorded exchanges and the other model's replies, one JSON object a line.

    {"id": "1", "task": "ticket-intent", "at": "2026-09-01T00:00:00Z",
     "request": {"messages": [{"role": "user", "content": "…"}]},
     "frontier": {"model": "gpt-x", "content": "refund"}, "candidate": {"model": "small-7b", "content": "refund"}}

`shadow replay` reads it, `shadow export` writes it (`encode_trial`), and a team with logs but no Kafka
starts from it (`encode_line` makes a line of another tool's record). Required are id, task, at (with
its time zone), request, and one of frontier and candidate. Reading takes constant memory, whatever the
size of the file. A broken line does not stop the rest: it is returned as a `BadLine` among the pairs.

A reply may be written in our own fields, as `message.model_dump()` writes it, or as an API's whole answer; null means
absent. A misspelled key is an error; any other unknown key is ignored. `reasoning` is the model's; it is also read from
the fields in which servers send it, and taken out of `content`.

A reply's `confidence`, in [0, 1], is how sure its model was; `token_probabilities` has more of its tokens (see
`shadow.records`). An API's whole answer with `logprobs` gives both.

Where only some pairs were selected for people or a judge, `label_probability` and
`judge_probability` give the probability with which this one was.

Exported lines also hold what a round trip needs: `unit`, `api`, `cut` (which of request and reply was too
large to be kept whole), `candidate_name` (the candidate's
configured name, where its replies have another one), and `"id_scope": "global"` for ids that are
unique over all tasks. Other ids are unique within their task and become `task/id` in the store, so
that two teams may both count from 1.

file_chunks  the file in pieces of whole lines
lines        the object of a line: recorded pairs, trials, and back
"""

from shadow.pairs_file.file_chunks import BadLine, Chunk, chunks
from shadow.pairs_file.lines import NOT_RECORDED, RecordedPair, encode_line, encode_trial, read, read_chunk, trials

__all__ = [
    "NOT_RECORDED",
    "BadLine",
    "Chunk",
    "RecordedPair",
    "chunks",
    "encode_line",
    "encode_trial",
    "read",
    "read_chunk",
    "trials",
]
