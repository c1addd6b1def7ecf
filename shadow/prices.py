"""The cost of a call: the user's own prices first, then published ones, else unknown.

An unknown price is None, never 0: a free model and an unpriced one must not look alike.
"""

import time
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from shadow.records import Usage
from shadow.settings import ModelSettings

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

#: Providers whose models run nowhere else, so that the model name alone gives the price. Open weights
#: run anywhere at any cost: by its name alone, a self-hosted model would get the price of some provider.
_EXCLUSIVE_PROVIDERS: Final = frozenset({"openai", "anthropic", "google"})
_OPEN_WEIGHTS: Final = "gpt-oss"
_MILLION: Final = 1_000_000
_HOUR_S: Final = 3_600


class Rates(NamedTuple):
    """US dollars per million tokens."""

    input: float | None
    output: float | None


def cost_usd(model: ModelSettings, sent_name: str, usage: Usage | None) -> float | None:
    """The cost in US dollars of `usage` with `model`, which its endpoint calls `sent_name`; None where unknown.

    Both token counts must be known, and the price of each that is not 0.
    """
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    own = Rates(model.input_usd_per_million, model.output_usd_per_million)
    if own != (None, None):
        return _total(own, prompt, completion)
    if model.simulated:  # its name may be that of a real model
        return None
    # Prices may depend on the time of day, so a cached price is valid for an hour at most.
    found = _published(model.base_url, sent_name, int(time.time() // _HOUR_S))
    if found == "by size":
        return _look_up(model.base_url, sent_name, prompt, completion)
    return None if found is None else _total(found, prompt, completion)


def _total(rates: Rates, prompt: int, completion: int) -> float | None:
    total = 0.0
    for rate, tokens in zip(rates, (prompt, completion), strict=True):
        if not tokens:
            continue
        if rate is None:
            return None
        total += rate * tokens / _MILLION
    return total


@lru_cache(maxsize=1024)
def _published(base_url: str, sent_name: str, _hour: int) -> Rates | Literal["by size"] | None:
    """Published rates; `"by size"` where they depend on the prompt's length; None where unknown.

    Cached, because a look-up takes a fraction of a millisecond, too long for a gateway with thousands
    of exchanges a second.
    """
    price = _calculation(base_url, sent_name, 1_000, 1_000)
    if price is None:
        return None
    # No price list has a tier above ten million tokens, or one below a thousand.
    large = _calculation(base_url, sent_name, 10_000_000, 1_000)
    if large is None or large.input_price != price.input_price * 10_000 or large.output_price != price.output_price:
        return "by size"
    return Rates(float(price.input_price) * 1_000, float(price.output_price) * 1_000)


def _look_up(base_url: str, sent_name: str, prompt: int, completion: int) -> float | None:
    price = _calculation(base_url, sent_name, prompt, completion)
    return None if price is None else float(price.total_price)


def _calculation(base_url: str, sent_name: str, prompt: int, completion: int) -> "PriceCalculation | None":
    try:
        import genai_prices  # noqa: PLC0415 - loads megabytes of prices; needed only where the user has set none
    except ImportError:  # not part of the base install
        return None
    usage = genai_prices.Usage(input_tokens=prompt, output_tokens=completion)
    try:  # the address identifies the provider …
        return genai_prices.calc_price(usage, sent_name, provider_api_url=base_url)
    except LookupError:
        pass
    try:  # … unless it is a company's own proxy
        found = genai_prices.calc_price(usage, sent_name)
    except LookupError:
        return None
    is_exclusive = found.provider.id in _EXCLUSIVE_PROVIDERS and _OPEN_WEIGHTS not in found.model.id
    return found if is_exclusive else None
