"""Reads log-probabilities of tokens, and computes from them how sure a model is of its answer.

The confidence is the geometric mean of the probabilities of the answer's tokens. Beside it stand lower quantiles of
these probabilities, which tell more of long answers than the mean does (Gupta et al., "Language Model Cascades:
Token-level uncertainty and beyond", ICLR 2024, arXiv:2404.10136), and the least margin between the two most probable
tokens of a place.

**Which tokens count.** Those of the answer's text, or of the arguments alone where the answer calls tools. Servers
also report the tokens of the reasoning, of the markup around tool calls, and of the end of the answer; which are the
answer's is found by looking for its text among the tokens. Where it cannot be found, there is no confidence.

**Formats.** `logprobs.content` of Chat Completions (OpenAI, vLLM, SGLang, llama.cpp), the arrays `tokens` and
`token_logprobs` of older servers, and `logprobs` of an `output_text` of Responses.
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from shadow.openai_api.json_text import DECODE_ERRORS, decode
from shadow.records import NoConfidence, Reply, TokenProbabilities

#: A log-probability may be this much above 0, because servers compute it with few digits.
_ROUNDING: Final = 1e-3
#: OpenAI and vLLM write -9999 for a probability that they do not know.
_UNKNOWN: Final = -9_998.0
_LEAST: Final = -10_000
#: Quantiles of the tokens' probabilities, as shares of the tokens.
_QUANTILES: Final = (0.0, 0.1, 0.25, 0.5)
#: Tokens that end an answer. Some servers report them, but they are no part of its text.
_END: Final = re.compile(rb"(?:<(?:\||\xef\xbd\x9c)[^<>]*>|</?s>|<eos>|<end_of_turn>|<end_of_utterance>|\[EOS\])?")
#: Places at which the arguments of a call may begin that are tried.
_MAX_PLACES: Final = 100
_DIGITS: Final = 6

_json: Final = json.JSONDecoder()


class _Token(NamedTuple):
    """A token's bytes, log-probability (at most 0), and margin to the next probable one; None where it is unknown."""

    content: bytes
    logprob: float
    margin: float | None


class LogProbabilities:
    """The tokens of one answer, in the pieces in which they come."""

    def __init__(self) -> None:
        self._tokens: list[_Token] = []
        self._invalid = False

    def add(self, reported: Any) -> None:
        """Add the `logprobs` of a choice, of a piece of a stream, or of a part of a response's output."""
        for entry in _entries(reported):
            token = _token(entry)
            if token is None:
                self._invalid = True
            else:
                self._tokens.append(token)

    def describe(self, reply: Reply) -> Reply:
        """`reply`, with its confidence or the reason why it has none; `reply` itself where no token was reported."""
        if self._invalid:
            return _without(reply, "invalid")
        if not self._tokens or not (reply.content or reply.tool_calls):
            return reply
        tokens = _answer_tokens(reply, self._tokens)
        if not tokens:
            return _without(reply, "not_aligned")
        logprobs = sorted(token.logprob for token in tokens)
        margins = [token.margin for token in tokens if token.margin is not None]
        q0, q10, q25, q50 = (_quantile(logprobs, share) for share in _QUANTILES)
        return msgspec.structs.replace(
            reply,
            confidence=_rounded(math.exp(math.fsum(logprobs) / len(logprobs))),
            token_probabilities=TokenProbabilities(
                n=len(tokens), q0=q0, q10=q10, q25=q25, q50=q50,
                # The least of some would be too large.
                least_margin=_rounded(min(margins)) if len(margins) == len(tokens) else None,
            ),
        )  # fmt: skip


def _without(reply: Reply, reason: NoConfidence) -> Reply:
    return msgspec.structs.replace(reply, confidence_reason=reason)


def _entries(reported: Any) -> Iterator[Any]:
    """One entry for each token, with the keys of `logprobs.content`."""
    if isinstance(reported, Mapping):
        if isinstance(content := reported.get("content"), list):
            yield from content
        elif isinstance(logprobs := reported.get("token_logprobs"), list):
            tokens, tops = reported.get("tokens"), reported.get("top_logprobs")
            for place, logprob in enumerate(logprobs):
                yield {"token": _at(tokens, place), "logprob": logprob, "top_logprobs": _at(tops, place)}
    elif isinstance(reported, list):
        yield from reported


def _at(values: Any, place: int) -> Any:
    return values[place] if isinstance(values, list) and place < len(values) else None


def _token(entry: Any) -> _Token | None:
    """The token in an entry; None where the entry is not one, or its log-probability is not one or unknown."""
    if not isinstance(entry, Mapping):
        return None
    logprob, text = _logprob(entry.get("logprob")), entry.get("token")
    if logprob is None or logprob <= _UNKNOWN or not isinstance(text, str):
        return None
    return _Token(_bytes(entry.get("bytes"), text), logprob, _margin(entry.get("top_logprobs")))


def _logprob(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value <= _ROUNDING:
        return None
    # An integer may be too large for a float.
    return None if value == -math.inf else min(0.0, float(max(value, _LEAST)))


def _bytes(value: Any, text: str) -> bytes:
    """The bytes of a token. Its text alone is wrong where a character is divided between tokens."""
    if isinstance(value, list):
        try:
            return bytes(value)
        except (TypeError, ValueError, OverflowError):
            pass
    return text.encode("utf-8", "surrogatepass")


def _margin(top: Any) -> float | None:
    """The difference between the probabilities of the two most probable tokens; None where fewer are known."""
    if isinstance(top, Mapping):
        values = list(top.values())
    elif isinstance(top, list):
        values = [each.get("logprob") if isinstance(each, Mapping) else None for each in top]
    else:
        return None
    known = sorted((logprob for value in values if (logprob := _logprob(value)) is not None), reverse=True)
    return math.exp(known[0]) - math.exp(known[1]) if len(known) > 1 else None


def _answer_tokens(reply: Reply, tokens: list[_Token]) -> list[_Token]:
    """Those of the tokens that belong to the answer; none where that cannot be found out."""
    last = len(tokens)
    while last and _END.fullmatch(tokens[last - 1].content):
        last -= 1
    tokens = tokens[:last]
    text = b"".join(token.content for token in tokens)
    spans = _argument_spans(reply, text) if reply.tool_calls else _content_spans(reply, text)
    found, start = [], 0
    for token in tokens:
        end = start + len(token.content)
        if any(first < end and start < stop for first, stop in spans):
            found.append(token)
        start = end
    return found


def _content_spans(reply: Reply, text: bytes) -> list[tuple[int, int]]:
    answer = (reply.content or "").strip().encode("utf-8", "surrogatepass")
    if (start := text.rfind(answer)) >= 0:
        return [(start, start + len(answer))]
    # Servers may write tokens otherwise than the text (`▁Hello`). If there is nothing but the answer, all are its own.
    is_alone = reply.reasoning is None and b"think" not in text and b"<|channel|>" not in text
    return [(0, len(text))] if is_alone else []


def _argument_spans(reply: Reply, text: bytes) -> list[tuple[int, int]]:
    """The places of the arguments of all calls; none if some are not there.

    Looks from the end: reasoning, which comes first, may hold drafts of the calls.
    """
    spans: list[tuple[int, int]] = []
    end = len(text)
    for call in reversed(reply.tool_calls):
        if not call.arguments.strip():
            continue
        span = _arguments(call.arguments, text, end)
        if span is None:
            return []
        spans.append(span)
        end = span[0]
    return spans


def _arguments(arguments: str, text: bytes, end: int) -> tuple[int, int] | None:
    """The last place of a call's arguments before `end`; the server may have rewritten them as JSON."""
    written = arguments.strip().encode("utf-8", "surrogatepass")
    if (start := text.rfind(written, 0, end)) >= 0:
        return start, start + len(written)
    try:
        wanted = decode(written)
    except DECODE_ERRORS:
        return None
    # One character for each byte, so that places in both are the same.
    characters = text[:end].decode("latin-1")
    start = end
    for _ in range(_MAX_PLACES):
        if (start := text.rfind(written[:1], 0, start)) < 0:
            return None
        try:
            _, stop = _json.raw_decode(characters, start)
            if decode(text[start:stop]) == wanted:
                return start, stop
        except DECODE_ERRORS:
            continue
    return None


def _quantile(logprobs: Sequence[float], share: float) -> float:
    """The probability that `share` of the tokens do not exceed: that of an actual token (nearest rank)."""
    return _rounded(math.exp(logprobs[max(0, math.ceil(share * len(logprobs)) - 1)]))


def _rounded(probability: float) -> float:
    return float(f"{probability:.{_DIGITS}g}")
