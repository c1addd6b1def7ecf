"""The price of asking a judge: estimated from above before a call, and computed from its token counts afterwards.

Money is counted in whole nanodollars, so that a sum does not depend on the order of its terms.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Final

from shadow import prices
from shadow.errors import ConfigError
from shadow.records import Reply, Usage
from shadow.settings import ModelSettings

NANOS_PER_USD: Final = 1_000_000_000

#: Maximum tokens of a judge's answer, where its endpoint accepts a limit.
MAX_ANSWER_TOKENS: Final = 400

#: Bytes of UTF-8 per token, at least and on average: four letters of English, one Chinese character.
_BYTES_PER_TOKEN: Final = 3
#: Tokens that the chat format adds.
_CHAT_FORMAT_TOKENS: Final = 50


class Price:
    """The price of calls of one model. Made by `price_of`, which checks that it is known."""

    def __init__(self, model: ModelSettings, sent_name: str) -> None:
        self._model = model
        self._sent_name = sent_name

    def upper_bound(self, messages: Sequence[Mapping[str, str]]) -> int:
        """An upper estimate, in nanodollars, of one call with `messages`."""
        size = sum(len(message["content"].encode()) for message in messages)
        usage = Usage(prompt_tokens=size // _BYTES_PER_TOKEN + _CHAT_FORMAT_TOKENS, completion_tokens=MAX_ANSWER_TOKENS)
        return _nanos(prices.cost_usd(self._model, self._sent_name, usage) or 0.0)

    def cost_of(self, reply: Reply, messages: Sequence[Mapping[str, str]]) -> int:
        """Nanodollars that the call with this `reply` cost.

        The upper bound where the endpoint did not count tokens or gave no answer in time, because a budget
        must hold then as well. An error costs nothing.
        """
        if reply.cost_usd is not None:
            return _nanos(reply.cost_usd)
        answered = reply.status == 200 or reply.failure == "timeout"
        return self.upper_bound(messages) if answered else 0


def price_of(name: str, model: ModelSettings) -> Price:
    """The price of the model `name` of the settings.

    Raises ConfigError where none is known: a budget in money could not be kept. For a self-hosted model the
    price may be set to 0.
    """
    sent_name = model.model or name
    if prices.cost_usd(model, sent_name, Usage(prompt_tokens=1_000, completion_tokens=1_000)) is None:
        raise ConfigError(
            f"models.{name}.input_usd_per_million: no price is known, so a judge's budget cannot be kept; set it "
            "and output_usd_per_million (0 for a model that costs nothing per call)"
        )
    return Price(model, sent_name)


def _nanos(usd: float) -> int:
    """Dollars as nanodollars, rounded up, except for the rounding error of a sum of doubles."""
    return ceil(round(usd * NANOS_PER_USD, 3))
