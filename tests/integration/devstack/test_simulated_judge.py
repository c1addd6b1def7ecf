"""The simulated judge: what is measured of it is what it states, and it answers like a real endpoint."""

import asyncio
from typing import Any

import pytest
from openai import OpenAI

from scoring.judge import Judge, JudgeVerdict, build_question, price_of
from scoring.judge.prompt import messages
from scoring.stats.judges import judge_quality
from shadow.devstack.model_servers.judge import Traits, judge_app
from shadow.devstack.model_servers.process import SimulatedModels
from shadow.settings import ModelSettings
from shadow.upstream import Endpoint
from tests.support.injections import WORLD, a_trial, asks, known_pairs

TASK = "reply-draft"


async def test_the_measured_error_rates_of_the_simulated_judge_are_its_stated_ones(serve):
    stated = Traits(sensitivity=0.8, specificity=0.95, position_bias=0.1)
    url = serve(judge_app(WORLD, traits=stated))
    model = ModelSettings(base_url=f"{url}/v1", input_usd_per_million=0, output_usd_per_million=0)
    truth, questions = [], []
    for body in asks(TASK, 400):
        pairs = known_pairs(body)
        truth += [1, 0]
        questions += [build_question(a_trial(body, *pairs["frontier"])), build_question(a_trial(body, *pairs["tie"]))]
    async with Endpoint("judge", model) as endpoint:
        asked = Judge(endpoint.ask, price_of("judge", model))
        judgements = await asyncio.gather(*(asked.judge(question, None) for question in questions))
    worse = [isinstance(j.outcome, JudgeVerdict) and j.outcome.preference == "frontier" for j in judgements]
    found = judge_quality(truth, [float(is_worse) for is_worse in worse])
    # The place decides in a tenth of the answers, and both orders turn that into a tie.
    assert found.sensitivity.low < 0.8 * 0.9 < found.sensitivity.high
    assert found.sensitivity.estimate == pytest.approx(0.8 * 0.9, abs=0.06)
    assert found.specificity.estimate == pytest.approx(0.95, abs=0.03)


def test_the_judge_of_the_demo_answers_beside_its_models(tmp_path):
    models = SimulatedModels(WORLD, log=tmp_path / "models.log")
    try:
        models.start()
        body: dict[str, Any] = {
            "messages": messages(build_question(a_trial(asks(TASK, 1)[0], "one", "other")), None, swapped=False)
        }
        with OpenAI(base_url=models.url("judge"), api_key="unused", max_retries=0, timeout=10) as client:
            raw = client.chat.completions.with_raw_response.create(model="simulated-judge", **body)
        assert raw.headers["x-shadow-simulated"] == "true"
        assert "simulated: both are wrong" in str(raw.parse().choices[0].message.content)
    finally:
        models.stop()
