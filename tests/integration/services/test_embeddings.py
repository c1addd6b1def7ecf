"""Embeddings from a real server that answers, fails or answers nonsense, and the pairs that are compared by them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from consumers.embedding_models import EmbeddingModels
from consumers.kafka.messages import IncomingMessage
from consumers.scored_rows import ScoredPair, read_row, texts_of
from scoring.scorers.meaning.fetched import Text
from shadow import wire
from shadow.cli.replay.run import run
from shadow.records import Exchange, Reply, Trial
from shadow.settings import ModelSettings, Settings, TaskSettings
from shadow.upstream.embeddings import EmbeddingEndpoint
from tests.support import scripted
from tests.support.scripted import ScriptedEndpoint

AT = datetime(2026, 9, 1, tzinfo=UTC)
#: A direction for each subject that a text may have.
SUBJECTS = {"refund": [3.0, 0.0, 0.0], "parcel": [0.0, 2.0, 0.0]}


class EmbeddingServer:
    """Answers `/embeddings` by the subjects of texts, in reverse order; refuses a batch with a text in `refused`."""

    def __init__(self, refused: str = "refused") -> None:
        self.refused = refused
        self.batches: list[list[str]] = []
        self.paths: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        texts = json.loads(body)["input"]
        self.batches.append(texts)
        self.paths.append(scope["path"])
        if self.refused in texts:
            answer = scripted.whole(b'{"error": {"message": "too many tokens"}}', status=400)
        else:
            data = [{"index": index, "embedding": vector(text)} for index, text in enumerate(texts)]
            answer = scripted.whole(json.dumps({"object": "list", "data": data[::-1]}).encode())
        await answer(receive, send)


def vector(text: str) -> list[float]:
    return next((value for subject, value in SUBJECTS.items() if subject in text), [0.0, 0.0, 5.0])


@pytest.fixture
def endpoint(serve: Callable[[Any], str]):
    def make(app: Any, **model: Any) -> EmbeddingEndpoint:
        return EmbeddingEndpoint("embedder", ModelSettings(base_url=serve(app) + "/v1", **model))

    return make


async def test_every_text_gets_its_own_vector_whatever_the_order_of_the_answer(endpoint):
    app = EmbeddingServer()
    texts = [f"{subject} {n}" for n in range(150) for subject in ("refund", "parcel")]
    async with endpoint(app, model="text-embedding") as model:
        found = await model.embed(texts)
    assert found == [tuple(vector(text)) for text in texts]
    assert [len(batch) for batch in app.batches] == [128, 128, 44]
    assert set(app.paths) == {"/v1/embeddings"}


async def test_a_text_that_is_refused_costs_no_other_text_its_vector(endpoint):
    async with endpoint(EmbeddingServer()) as model:
        found = await model.embed(["refund", "parcel", "refused", "refund"])
    assert found[:2] == [tuple(SUBJECTS["refund"]), tuple(SUBJECTS["parcel"])]
    assert found[2].startswith(("rejected: ", "ineligible: "))
    assert "too many tokens" in found[2]
    assert found[3] == tuple(SUBJECTS["refund"])


async def test_a_failure_that_may_pass_is_tried_again_and_a_lasting_one_is_a_reason(endpoint):
    good = scripted.whole(b'{"data": [{"index": 0, "embedding": [1, 0]}]}')
    app = ScriptedEndpoint([scripted.whole(b"{}", status=503), good])
    async with endpoint(app) as model:
        assert await model.embed(["a"]) == [(1.0, 0.0)]
    async with endpoint(ScriptedEndpoint([scripted.whole(b"{}", status=503)]), retries=0) as model:
        (reason,) = await model.embed(["a"])
    assert reason.startswith("endpoint_error: HTTP 503")


@pytest.mark.parametrize(
    "body", [b"no JSON", b"{}", b'{"data": []}', b'{"data": [{"index": 0, "embedding": [0, 0]}]}', b'{"error": "full"}']
)
async def test_an_answer_without_a_vector_is_a_reason_and_never_a_vector(endpoint, body):
    async with endpoint(ScriptedEndpoint([scripted.whole(body)])) as model:
        (reason,) = await model.embed(["a"])
    assert reason.startswith("malformed: ")


def settings(url: str) -> Settings:
    options = {"model": "embedder", "strict": False}
    return Settings(
        models={"big": ModelSettings(base_url=url), "embedder": ModelSettings(base_url=f"{url}/v1", retries=0)},
        tasks={"help": TaskSettings(frontier="big", scorer="meaning", scorer_options=options)},
    )


def trial(a: str, b: str) -> Trial:
    request = {"messages": [{"role": "user", "content": "?"}]}
    exchange = Exchange(id="1", task="help", at=AT, request=request, reply=Reply(model="big", content=a))
    return Trial(exchange=exchange, kind="shadow", candidate="small", reply=Reply(model="small", content=b), at=AT)


async def test_the_scorer_asks_for_embeddings_once_for_each_text_and_compares_by_them(serve):
    app = EmbeddingServer()
    configured = settings(serve(app))
    pairs = [
        ("Your refund is on its way.", "We sent a refund to you, it arrives soon."),
        ("Your refund is on its way.", "The parcel was lost somewhere."),
        ("Your refund is on its way.", "refused"),
    ]
    topic = configured.kafka.topics.trials
    messages = [
        IncomingMessage(topic=topic, partition=0, offset=n, value=wire.encode(trial(*pair), source="test").value)
        for n, pair in enumerate(pairs)
    ]
    async with EmbeddingModels(configured, configured.tasks) as models:
        embeddings = await models.fetch(texts_of(messages, configured))
    rows = [read_row(message, configured, embeddings).content for message in messages]
    found = [row.comparison for row in rows if isinstance(row, ScoredPair)]
    assert [(each.agreement, each.unscored) for each in found] == [(1, None), (0, None), (None, "meaning_not_embedded")]
    assert "too many tokens" in found[2].detail["problem"]
    assert app.batches[0] == list(dict.fromkeys(text for pair in pairs for text in pair))
    assert Text("embedder", "refused") in embeddings


def test_replay_compares_by_an_endpoint_and_leaves_pairs_unscored_where_it_fails(serve, tmp_path):
    app = EmbeddingServer()
    file = tmp_path / "pairs.jsonl"
    lines = [
        {"frontier": "Your refund is on its way.", "candidate": "We sent a refund to you, it arrives soon."},
        {"frontier": "Your refund is on its way.", "candidate": "refused"},
    ]
    common = {"task": "help", "at": AT.isoformat(), "request": {"messages": []}}
    file.write_text(
        "\n".join(
            json.dumps(
                {"id": str(n), **common, **{role: {"model": role, "content": text} for role, text in line.items()}}
            )
            for n, line in enumerate(lines)
        )
    )
    (evidence,) = run([file], settings(serve(app)), task="help").evidence
    assert evidence.agreement is not None
    assert (evidence.agreement.n, evidence.agreement.estimate) == (1, 1)
    assert evidence.unscored == {"meaning_not_embedded": 1}
