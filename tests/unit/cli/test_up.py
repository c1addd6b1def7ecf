"""What `shadow up` starts: every service that the settings have work for."""

from pathlib import Path

from shadow.cli.runtime.services import services_of
from shadow.settings import Settings

MODELS = {name: {"base_url": "http://127.0.0.1:9/v1"} for name in ("frontier", "small", "judge")}
TASK = {"frontier": "frontier", "candidates": ["small"]}


def services(**task: str) -> dict[str, tuple[str, ...]]:
    settings = Settings.model_validate({"models": MODELS, "tasks": {"intent": {**TASK, **task}}})
    return {service.name: service.arguments for service in services_of(settings, Path("here.toml"))}


def test_everything_is_started_with_the_same_settings():
    found = services(judge="judge")
    assert set(found) == {"scorer", "worker", "judge", "monitor", "gateway", "dashboard"}
    assert found.pop("judge") == ("run", "--config", "here.toml")
    assert set(found.values()) == {("--config", "here.toml")}


def test_a_judge_is_started_only_where_a_task_names_one():
    assert set(services()) == {"scorer", "worker", "monitor", "gateway", "dashboard"}


def test_every_service_says_where_it_is_ready():
    settings = Settings.model_validate({"models": MODELS, "tasks": {"intent": {**TASK, "judge": "judge"}}})
    found = services_of(settings, None)
    assert len({service.port for service in found}) == len(found)
    assert all(f":{service.port}/" in service.ready_url for service in found)
