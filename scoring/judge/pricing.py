"""What asking a judge costs: guessed from above beforehand, and from its own count afterwards.

Money is counted in whole nanodollars, so that what a day has cost does not depend on the order
in which it is added up.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Final

from shadow import prices
from shadow.errors import ConfigError
from shadow.records import Reply, Usage
from shadow.settings import ModelSettings

NANOS_PER_USD: Final = 1_000_000_000

#: Most tokens of a judge's answer, where its endpoint can be told.
MAX_ANSWER_TOKENS: Final = 400

#: Bytes of UTF-8 a token has at least, on average: four letters of English, one Chinese character.
_BYTES_PER_TOKEN: Final = 3
#: Tokens that the chat's own format takes.
_AROUND: Final = 50


class Price:
    """What calls of one model cost. Get one from `price_of`, which makes sure that it is known."""

    def __init__(self, model: ModelSettings, sent_name: str) -> None:
        self._model = model
        self._sent_name = sent_name

    def upper_bound(self, messages: Sequence[Mapping[str, str]]) -> int:
        """Nanodollars that one call with `messages` costs, guessed from above."""
        size = sum(len(message["content"].encode()) for message in messages)
        usage = Usage(prompt_tokens=size // _BYTES_PER_TOKEN + _AROUND, completion_tokens=MAX_ANSWER_TOKENS)
        return _nano(prices.cost_usd(self._model, self._sent_name, usage) or 0.0)

    def of(self, reply: Reply, messages: Sequence[Mapping[str, str]]) -> int:
        """Nanodollars that the call which brought `reply` cost.

        Where the endpoint did not count tokens, or gave no answer in time, the guess counts: a
        budget has to hold also then. An error costs nothing.
        """
        if reply.cost_usd is not None:
            return _nano(reply.cost_usd)
        answered = reply.status == 200 or reply.failure == "timeout"
        return self.upper_bound(messages) if answered else 0


def price_of(name: str, model: ModelSettings) -> Price:
    """The price of the model `name` of the settings.

    Raises ConfigError where it is not known: a budget in money could not be kept. Whoever runs
    a model of their own may set the price to 0.
    """
    sent_name = model.model or name
    if prices.cost_usd(model, sent_name, Usage(prompt_tokens=1_000, completion_tokens=1_000)) is None:
        raise ConfigError(
            f"models.{name}.input_usd_per_million: no price is known, so a judge's budget cannot be kept; set it "
            "and output_usd_per_million (0 for a model that costs nothing per call)"
        )
    return Price(model, sent_name)


def _nano(usd: float) -> int:
    """Dollars as nanodollars, rounded up; what a sum of doubles is off by does not count."""
    return ceil(round(usd * NANOS_PER_USD, 3))
