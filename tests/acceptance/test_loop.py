"""The whole loop through its public doors: a question goes in, evidence comes out, and every one is accounted for."""

import asyncio
from hashlib import blake2b

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam

from shadow.devstack.model_servers.models import SimulatedServer
from shadow.records import Reply, Usage
from tests.acceptance.stack import evidence, stack

TASK = """
[tasks.intent]
frontier = "frontier"
candidates = ["candidate"]
kind = "classification"
segments = ["locale"]
"""
LABELS = ("refund", "delivery", "login")
QUESTIONS = [(f"question number {n}", ("de", "en", "fr")[n % 3]) for n in range(240)]


def label(text: str) -> str:
    return LABELS[blake2b(text.encode(), digest_size=1).digest()[0] % 3]


def goes_wrong(text: str) -> bool:
    """The candidate is wrong about every fourth question in German, and no other."""
    number = int(text.rsplit(" ", 1)[1])
    return number % 12 == 0


def model(name: str, *, candidate: bool) -> SimulatedServer:
    def answer(body, _number):
        text = body["messages"][-1]["content"]
        output = "other" if candidate and goes_wrong(text) else label(text)
        return Reply(
            model=name,
            content=output,
            finish_reason="stop",
            usage=Usage(prompt_tokens=9, completion_tokens=1),
            latency_ms=1,
        )

    return SimulatedServer(name, answer, keep=10_000)


@pytest.mark.timeout(240)
async def test_every_question_is_answered_mirrored_compared_and_counted_where_it_belongs(
    tmp_path, broker, topics, postgres_url, serve
):
    servers = {"frontier": model("frontier", candidate=False), "candidate": model("candidate", candidate=True)}
    urls = {name: serve(server) for name, server in servers.items()}
    with stack(tmp_path, broker=broker, topics=topics, postgres_url=postgres_url, models=urls, task=TASK) as platform:
        answers = await ask_all(platform.gateway)
        assert answers == [label(text) for text, _ in QUESTIONS]  # the user got the frontier's answer, each time

        settled = await asyncio.to_thread(platform.settled, len(QUESTIONS))
        assert (settled.accepted, settled.published, settled.mirrored) == (240, 240, 240)
        assert (settled.compared, settled.expired, settled.in_flight) == (240, 0, 0)
        assert settled.dropped == settled.unscored == settled.dead_lettered == {}
        assert servers["candidate"].requests == 240  # asked once each
        assert "authorization" not in servers["candidate"].seen[0].headers  # the user's key is not the candidate's

        report = await asyncio.to_thread(platform.shadow, "report", "--json", str(tmp_path / "evidence.json"))
        assert report.returncode == 0, report.stderr
        (found,) = evidence(tmp_path / "evidence.json")["tasks"]
        assert (found["task"], found["candidate"], found["n"]) == ("intent", "candidate", 240)
        wrong = sum(goes_wrong(text) for text, _ in QUESTIONS)
        assert found["agreement"]["estimate"] == pytest.approx(1 - wrong / 240, abs=1e-6)
        assert found["regret"] is None  # there is no source that knows which reply is right
        by_locale = {s["value"]: s for s in found["segments"] if s["dimension"] == "locale"}
        assert by_locale["de"]["agreement"]["estimate"] == pytest.approx(0.75, abs=1e-6)
        assert by_locale["en"]["agreement"]["estimate"] == by_locale["fr"]["agreement"]["estimate"] == 1
        assert found["segments"][0]["value"] == "de"  # worst first


async def ask_all(gateway: str) -> list[str | None]:
    """Every question with the official client, a third of them streamed, sixteen at a time."""
    slots = asyncio.Semaphore(16)
    async with openai.AsyncOpenAI(base_url=f"{gateway}/v1", api_key="sk-user-secret", max_retries=0) as client:

        async def ask(number: int, text: str, locale: str) -> str | None:
            messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": text}]
            headers = {"x-shadow-task": "intent", "x-shadow-segment": f"locale={locale}"}
            async with slots:
                if number % 3:
                    whole = await client.chat.completions.create(
                        model="frontier", messages=messages, extra_headers=headers
                    )
                    return whole.choices[0].message.content
                parts = []
                async for chunk in await client.chat.completions.create(
                    model="frontier", messages=messages, extra_headers=headers, stream=True
                ):
                    parts += [choice.delta.content or "" for choice in chunk.choices]
                return "".join(parts)

        return await asyncio.gather(*(ask(n, text, locale) for n, (text, locale) in enumerate(QUESTIONS)))
