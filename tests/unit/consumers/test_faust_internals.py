"""The private members of Faust, mode and aiokafka that we use are there, and what they were when we used them."""

import ast
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiokafka
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.consumer.subscription_state import SubscriptionState
from faust.app.base import App
from faust.transport.drivers.aiokafka import Consumer

import consumers
from consumers.kafka.faust_internals import (
    AIOKAFKA_CONSUMER,
    APP,
    CONSUMER,
    CONSUMER_THREAD,
    COORDINATOR,
    INTERNALS,
    TRANSPORT,
    Internal,
)
from tests.support.faust_consumer import a_faust_consumer

#: Members that we override, which are compared on the classes that they override.
OVERRIDDEN: Mapping[tuple[str, str], type] = {
    (APP, "_create_directories"): App,
    (CONSUMER, "_drain_messages"): Consumer,
}


def shape_of(owner: Any, name: str) -> str:
    member = getattr(owner, name)
    if inspect.isclass(member):
        return "class"
    if inspect.isroutine(member):
        parameters = [parameter for parameter in inspect.signature(member).parameters if parameter != "self"]
        return f"{'async ' if inspect.iscoroutinefunction(member) else ''}def({', '.join(parameters)})"
    return f"{type(member).__module__}.{type(member).__qualname__}"


def difference(member: Internal, owner: Any) -> str | None:
    """What has changed about a member, and what breaks by it; None where nothing has."""
    owner = OVERRIDDEN.get((member.owner, member.name), owner)
    try:
        found = shape_of(owner, member.name)
    except AttributeError:
        found = "missing"
    if found == member.shape:
        return None
    return f"{member.owner}.{member.name} is {found}, was {member.shape}. Used for: {member.used_for}"


@pytest.fixture
async def owners():
    """An object of each class whose members we use; none needs a broker."""
    app: Any = a_faust_consumer(lambda _messages, _generation: None)._app
    reader = aiokafka.AIOKafkaConsumer(group_id="g")
    coordinator = GroupCoordinator(AIOKafkaClient(), SubscriptionState(), group_id="g")
    yield {
        APP: app,
        TRANSPORT: app.transport,
        CONSUMER: app.consumer,
        CONSUMER_THREAD: app.consumer._thread,
        AIOKAFKA_CONSUMER: reader,
        COORDINATOR: coordinator,
    }
    reader._closed = True  # it was never started, and warns where it is not closed
    await coordinator.close()


async def test_every_internal_member_is_what_it_was(owners):
    differences = [text for member in INTERNALS if (text := difference(member, owners[member.owner]))]
    assert not differences, "see consumers/kafka/faust_internals.py:\n" + "\n".join(differences)


async def test_a_member_that_changed_is_named_with_what_it_is_used_for(owners):
    renamed = Internal(CONSUMER, "_commit_all", "async def(offsets)", "committing")
    assert difference(renamed, owners[CONSUMER]) == (
        f"{CONSUMER}._commit_all is missing, was async def(offsets). Used for: committing"
    )
    changed = Internal(CONSUMER, "_commit", "async def(offsets, metadata)", "committing")
    text = difference(changed, owners[CONSUMER])
    assert text is not None
    assert "_commit is async def(offsets), was async def(offsets, metadata)" in text


def test_no_other_file_reaches_into_private_members():
    """Every `x._member` outside that file is one's own, or a named tuple's public method."""
    folder = Path(str(consumers.__file__)).parent
    for path in folder.rglob("*.py"):
        if path.name == "faust_internals.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__"):
                own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
                assert own or node.attr in ("_asdict", "_replace", "_exit"), f"{path}:{node.lineno} {node.attr}"


def test_every_private_member_in_that_file_is_listed():
    path = Path(str(consumers.__file__)).parent / "kafka" / "faust_internals.py"
    listed = {member.name for member in INTERNALS}
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            assert node.attr in listed or node.attr == "_seek_to_committed", node.attr
