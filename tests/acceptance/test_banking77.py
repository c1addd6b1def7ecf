"""1,500 real customer questions to a bank go through the gateway, and all 1,500 are accounted for."""

import asyncio
import json
import os
from pathlib import Path

import openai
import pytest

from shadow.devstack.model_servers.models import SimulatedServer
from shadow.records import Reply, Usage
from tests.acceptance.stack import evidence, stack

#: Where the recorded questions lie; they are not part of this project.
DATA = Path(os.environ.get("SHADOW_SAMPLE_DATA", Path(__file__).parents[3] / "shared" / "data"))
QUESTIONS = DATA / "banking77_requests.jsonl"

TASK = """
[tasks.bank-intent]
frontier = "frontier"
candidates = ["candidate"]
kind = "classification"
"""


def model(name: str, intents: dict[str, str], *, wrong_every: int = 0) -> SimulatedServer:
    numbers = {text: number for number, text in enumerate(intents)}

    def answer(body, _number):
        text = body["messages"][-1]["content"]
        wrong = wrong_every and numbers[text] % wrong_every == 0
        usage = Usage(prompt_tokens=20, completion_tokens=5)
        content = "none of these" if wrong else intents[text]
        return Reply(model=name, content=content, finish_reason="stop", usage=usage, latency_ms=2)

    return SimulatedServer(name, answer)


@pytest.mark.skipif(not QUESTIONS.exists(), reason="the recorded questions are not here (set SHADOW_SAMPLE_DATA)")
@pytest.mark.timeout(300)
async def test_every_real_question_is_accounted_for(tmp_path, broker, topics, postgres_url, serve):
    rows = [json.loads(line) for line in QUESTIONS.read_text().splitlines()]
    intents = {row["text"]: row["intent"] for row in rows}
    urls = {
        "frontier": serve(model("frontier", intents)),
        "candidate": serve(model("candidate", intents, wrong_every=10)),
    }
    with stack(tmp_path, broker=broker, topics=topics, postgres_url=postgres_url, models=urls, task=TASK) as platform:
        async with openai.AsyncOpenAI(base_url=f"{platform.gateway}/v1", api_key="k", max_retries=0) as client:
            slots = asyncio.Semaphore(32)

            async def ask(row):
                async with slots:
                    answer = await client.chat.completions.create(
                        model="frontier",
                        messages=[{"role": "user", "content": row["text"]}],
                        extra_headers={"x-shadow-task": "bank-intent", "x-shadow-unit": row["id"]},
                    )
                return answer.choices[0].message.content

            answers = await asyncio.gather(*(ask(row) for row in rows))
        assert answers == [intents[row["text"]] for row in rows]

        settled = await asyncio.to_thread(platform.settled, len(rows))
        assert settled.accepted == settled.published == settled.mirrored == settled.compared == len(rows)
        assert settled.dropped == settled.unscored == settled.dead_lettered == {}

        report = await asyncio.to_thread(platform.shadow, "report", "--json", str(tmp_path / "evidence.json"))
        assert report.returncode == 0, report.stderr
        (found,) = evidence(tmp_path / "evidence.json")["tasks"]
        wrong = sum(list(intents).index(row["text"]) % 10 == 0 for row in rows)
        assert found["n"] == len(rows)
        assert found["agreement"]["estimate"] == pytest.approx(1 - wrong / len(rows), abs=1e-6)
