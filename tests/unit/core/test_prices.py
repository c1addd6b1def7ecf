import sys

import pytest

from shadow.prices import cost_usd
from shadow.records import Usage
from shadow.settings import ModelSettings

USAGE = Usage(prompt_tokens=1_000, completion_tokens=100)


def test_the_users_own_price_comes_first():
    model = ModelSettings(base_url="https://api.openai.com/v1", input_usd_per_million=1.0, output_usd_per_million=10.0)
    assert cost_usd(model, "gpt-4o", USAGE) == pytest.approx(0.002)


def test_a_published_price_is_found_by_address_and_by_name():
    direct = ModelSettings(base_url="https://api.openai.com/v1")
    proxied = ModelSettings(base_url="http://llm-proxy.internal/v1")
    assert cost_usd(direct, "gpt-4o", USAGE) == cost_usd(proxied, "gpt-4o", USAGE) == pytest.approx(0.0035)


def test_a_price_that_depends_on_the_prompts_length_is_looked_up_for_that_length():
    model = ModelSettings(base_url="https://generativelanguage.googleapis.com/v1beta/openai")
    short = cost_usd(model, "gemini-2.5-pro", Usage(prompt_tokens=100_000, completion_tokens=0))
    long = cost_usd(model, "gemini-2.5-pro", Usage(prompt_tokens=1_000_000, completion_tokens=0))
    assert short is not None
    assert long is not None
    assert long > 10 * short


@pytest.mark.parametrize("name", ["small-7b", "gpt-oss-20b", "deepseek-r1-distill-7b", "Qwen/Qwen2.5-7B-Instruct"])
def test_self_hosted_open_weights_have_no_published_price(name: str):
    assert cost_usd(ModelSettings(base_url="http://127.0.0.1:8000/v1"), name, USAGE) is None


def test_a_simulated_model_has_no_known_cost_whatever_its_name():
    assert cost_usd(ModelSettings(base_url="http://127.0.0.1:1/v1", simulated=True), "gpt-4o", USAGE) is None


def test_without_a_price_list_a_price_that_is_not_set_is_unknown(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    assert cost_usd(ModelSettings(base_url="http://no-list.internal/v1"), "gpt-4o", USAGE) is None


@pytest.mark.parametrize("usage", [None, Usage(prompt_tokens=5), Usage(completion_tokens=5), Usage()])
def test_unknown_token_counts_give_no_cost_rather_than_zero(usage: Usage | None):
    model = ModelSettings(base_url="http://x/v1", input_usd_per_million=1.0, output_usd_per_million=1.0)
    assert cost_usd(model, "x", usage) is None


def test_half_a_price_is_enough_only_where_the_other_half_is_not_needed():
    model = ModelSettings(base_url="http://x/v1", input_usd_per_million=2.0)
    assert cost_usd(model, "x", USAGE) is None
    assert cost_usd(model, "x", Usage(prompt_tokens=500_000, completion_tokens=0)) == pytest.approx(1.0)
