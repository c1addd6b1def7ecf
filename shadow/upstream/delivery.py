"""How a trial's answer is asked for, and what of that an endpoint accepts.

A trial is asked for as a stream with its usage, so that the time to the first token is known, and with
log-probabilities where the model's settings have `logprobs`. An endpoint that refuses either is asked again without
it, which is no failure of the model, and is remembered.
"""

import re
from typing import Any, Final, NamedTuple, TypeAlias

from shadow.records import Api, Reply

#: What an endpoint accepts may depend on the API and on whether the request has tools: llama.cpp refuses
#: log-probabilities in a stream with tools.
Key: TypeAlias = tuple[Api, bool]

#: Only the two most probable tokens are needed: for the margin between them.
_TOP: Final = 2
_STREAM: Final = re.compile(r"\b(?:stream(?:s|ed|ing|_options)?|include_usage)\b", re.IGNORECASE)
_LOGPROBS: Final = re.compile(r"log[-_ ]?prob", re.IGNORECASE)
#: A server error counts as a refusal only if it says so: others are transient.
_UNSUPPORTED: Final = re.compile(r"\bunsupported\b|\bnot\W+(?:\w+\W+)?(?:support|implement|allow|enabl)", re.IGNORECASE)
#: Statuses of a refusal that may not say what it refuses.
_UNEXPLAINED: Final = (400, 422, 501)


class Delivery(NamedTuple):
    """What is asked for beside the answer itself: to get it as a stream, and with log-probabilities."""

    stream: bool = False
    logprobs: bool = False

    def parameters(self, api: Api) -> dict[str, Any]:
        """The parameters of a request that ask for it."""
        asked: dict[str, Any] = {"stream": self.stream}
        if api == "responses":  # its last event always holds the usage
            return asked | (
                {"include": ["message.output_text.logprobs"], "top_logprobs": _TOP} if self.logprobs else {}
            )
        if self.stream:
            asked["stream_options"] = {"include_usage": True}
        return asked | ({"logprobs": True, "top_logprobs": _TOP} if self.logprobs else {})

    def is_named(self, explanation: str) -> bool:
        """Whether the explanation of a refusal names what is asked for."""
        stream = self.stream and _STREAM.search(explanation)
        return bool(stream or (self.logprobs and _LOGPROBS.search(explanation)))


#: The answer in one piece, and nothing beside it.
WHOLE: Final = Delivery()


class AcceptedDelivery:
    """What one endpoint accepts of the `wanted` delivery, as its answers have shown so far."""

    def __init__(self, wanted: Delivery) -> None:
        self._wanted = wanted
        self._accepted: dict[Key, Delivery] = {}
        #: Keys for which the wanted delivery was answered at least once.
        self._proven: set[Key] = set()
        #: Keys for which a stream came without its usage, so that an answer in one piece was tried.
        self._without_usage: set[Key] = set()

    def of(self, key: Key) -> Delivery:
        """What to ask for."""
        return self._accepted.get(key, self._wanted)

    def simpler(self, key: Key, asked: Delivery, reply: Reply, explanation: str) -> Delivery | None:
        """What to ask for instead, if `reply` refuses the delivery that was `asked` for; None if it does not.

        `explanation` is the body of the refusal. One that names neither streams nor log-probabilities is taken for a
        refusal of the delivery only until the endpoint has accepted it once.
        """
        proven = key in self._proven
        if asked.stream and not proven and _is_empty_stream(reply):
            return asked._replace(stream=False)
        explained = reply.failure == "rejected" or reply.status == 501 or bool(_UNSUPPORTED.search(explanation))
        if reply.failure not in ("rejected", "endpoint_error") or not explained:
            return None
        unexplained = reply.status in _UNEXPLAINED and not proven
        if asked.stream and (_STREAM.search(explanation) or (unexplained and not _LOGPROBS.search(explanation))):
            return asked._replace(stream=False)
        if asked.logprobs and (_LOGPROBS.search(explanation) or unexplained):
            return asked._replace(logprobs=False)
        return None

    def learn(self, key: Key, asked: Delivery, reply: Reply) -> bool:
        """Remember that what was `asked` for was answered with `reply`.

        Returns whether less is asked for from now on.
        """
        before = self.of(key)
        if asked == self._wanted:
            self._proven.add(key)
        elif key not in self._proven:
            self._accepted[key] = asked
        # Without its usage the cost of a call is unknown, which is worse than an unknown time to the first token.
        if reply.failure is None and reply.usage is None:
            if asked.stream and key not in self._without_usage:
                self._without_usage.add(key)
                self._accepted[key] = asked._replace(stream=False)
            elif not asked.stream and key in self._without_usage:  # nor has the answer in one piece
                self._accepted[key] = asked._replace(stream=True)
        return sum(self.of(key)) < sum(before)


def _is_empty_stream(reply: Reply) -> bool:
    """Whether the endpoint sent something else than events, or none."""
    return reply.failure == "interrupted" and not (reply.content or reply.tool_calls)
