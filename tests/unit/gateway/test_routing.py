import json

import pytest

from shadow.errors import ConfigError
from shadow.gateway.routing import Router
from shadow.settings import Settings
from tests.support.gateways import settings_for

SETTINGS = settings_for("http://frontier")


def body(**fields: object) -> bytes:
    return json.dumps({"messages": [], **fields}).encode()


@pytest.mark.parametrize(
    ("request_body", "own"),
    [
        (body(model="intent-model"), {}),
        (body(model="gpt-x", metadata={"shadow_task": "intent"}), {}),
        (body(model="gpt-x"), {"x-shadow-task": "intent"}),
    ],
)
def test_a_request_that_names_a_task_goes_to_its_frontier(request_body: bytes, own: dict[str, str]):
    route = Router(SETTINGS).route("chat", request_body, own)
    assert (route.task, route.arm, route.target.name, route.unmirrored) == ("intent", "frontier", "big", None)


@pytest.mark.parametrize("ours", ["intent-model", "big", "small"])
def test_a_configured_name_is_replaced_by_the_endpoints_and_no_other_byte_changes(ours: str):
    sent = b'{"seed":18446744073709551617, "model": "%s","temperature":1.0,"x":[1e400,0.10]}' % ours.encode()
    route = Router(SETTINGS).route("chat", sent, {"x-shadow-task": "intent"})
    assert route.body == b'{"seed":18446744073709551617,"model":"gpt-x","temperature":1.0,"x":[1e400,0.10]}'


@pytest.mark.parametrize("model", ["gpt-x", "gpt-x-2026-01-01", "text-embedding-3", ""])
def test_a_real_models_name_passes_with_the_whole_body_as_it_came(model: str):
    sent = b'{ "model" : "%s" , "a":1, "a":2 }\n' % model.encode()
    assert Router(SETTINGS).route("chat", sent, {"x-shadow-task": "intent"}).body == sent


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b"null", b'"text"', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_goes_out_untouched_and_is_not_mirrored(broken: bytes):
    route = Router(SETTINGS).route("chat", broken, {"x-shadow-task": "intent"})
    assert (route.body, route.task, route.unmirrored, route.target.name) == (broken, None, "bad_json", "big")


def test_a_request_with_half_a_character_is_mirrored_and_renamed_as_servers_accept_it():
    text = rb'{"messages":[{"role":"user","content":"cut \ud83d"}],"model":"%s"}'
    real = Router(SETTINGS).route("chat", text % b"gpt-x", {"x-shadow-task": "intent"})
    assert (real.body, real.task, real.unmirrored) == (text % b"gpt-x", "intent", None)
    renamed = Router(SETTINGS).route("chat", text % b"intent-model", {})
    assert renamed.body == (text % b"gpt-x").replace(rb"\ud83d", rb"\ufffd")
    assert (renamed.task, renamed.unmirrored) == ("intent", None)


def test_a_request_without_a_task_goes_to_the_configured_upstream():
    assert Router(SETTINGS).route("chat", body(model="gpt-y"), {}).unmirrored == "no_task"
    elsewhere = settings_for("http://frontier", gateway={"upstream": "small"})
    assert Router(SETTINGS).route("chat", body(model="gpt-y"), {}).target.name == "big"
    assert Router(elsewhere).route("chat", body(model="gpt-y"), {}).target.name == "small"


def test_a_configured_model_without_a_task_is_asked_directly():
    route = Router(SETTINGS).route("chat", body(model="small"), {})
    assert (route.target.name, route.task) == ("small", None)


def test_only_endpoints_that_tasks_are_served_by_get_the_credentials_of_clients():
    router = Router(SETTINGS)
    assert router.route("chat", body(model="intent-model"), {}).target.public
    assert router.route_unread({}).public
    assert not router.route("chat", body(model="small"), {}).target.public


def test_a_task_that_is_not_configured_is_served_but_not_mirrored():
    route = Router(SETTINGS).route("chat", body(model="gpt-x"), {"x-shadow-task": "no-such-task"})
    assert (route.target.name, route.task, route.unmirrored) == ("big", None, "unknown_task")


def test_the_unit_comes_from_the_header_or_the_body():
    sent = body(model="intent-model", user="anna")
    assert Router(SETTINGS).route("chat", sent, {}).unit == "anna"
    assert Router(SETTINGS).route("chat", sent, {"x-shadow-unit": "u7"}).unit == "u7"


def test_settings_without_an_endpoint_are_refused_at_the_start():
    with pytest.raises(ConfigError, match="gateway"):
        Router(Settings())


@pytest.mark.parametrize("odd", [{"model": 5}, {"model": ["intent-model"]}, {"metadata": "x"}, {"user": 7}])
def test_fields_of_odd_types_are_the_endpoints_to_judge(odd: dict[str, object]):
    sent = body(**odd)
    route = Router(SETTINGS).route("chat", sent, {"x-shadow-task": "intent"})
    assert (route.body, route.task, route.unit) == (sent, "intent", None)


def test_a_response_made_in_the_background_is_served_but_not_mirrored_for_its_answer_comes_later():
    sent = body(model="intent-model", background=True)
    route = Router(SETTINGS).route("responses", sent, {})
    assert (route.task, route.target.name, route.unmirrored) == ("intent", "big", "background")
    assert Router(SETTINGS).route("responses", body(model="intent-model", background=False), {}).unmirrored is None
    assert Router(SETTINGS).route("chat", sent, {}).unmirrored is None
