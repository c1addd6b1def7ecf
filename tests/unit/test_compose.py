"""Promises of docker-compose.yml, kept by reading it: no engine is needed to catch a broken file."""

from pathlib import Path

import pytest
import yaml

from shadow.cli import COMMANDS

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def test_every_service_of_ours_runs_a_command_that_exists(compose):
    ours = {name: s for name, s in compose["services"].items() if str(s["image"]).startswith("shadow-regret")}
    assert set(ours) == {"migrate", "gateway", "worker", "scorer", "judge", "monitor", "dashboard"}
    for service in ours.values():
        assert service["command"][0] in COMMANDS


def test_the_gateway_waits_for_nothing(compose):
    assert "depends_on" not in compose["services"]["gateway"]


def test_judge_and_monitor_wait_for_the_schema_and_not_for_kafka(compose):
    for name in ("judge", "monitor"):
        assert compose["services"][name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_the_judge_is_run_and_only_when_asked_for(compose):
    assert compose["services"]["judge"]["command"] == ["judge", "run"]
    assert compose["services"]["judge"]["profiles"] == ["judge"]


def test_every_dependency_and_volume_is_defined(compose):
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        named = {str(v).split(":")[0] for v in service.get("volumes", []) if not str(v).startswith(".")}
        assert named <= set(compose["volumes"])


def test_a_dependency_on_health_has_a_health_check(compose):
    for service in compose["services"].values():
        for name, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in compose["services"][name]


def test_every_published_port_is_on_loopback(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_no_password_stands_in_the_file(compose):
    for service in compose["services"].values():
        for key, value in service.get("environment", {}).items():
            if any(word in key for word in ("PASSWORD", "KEY", "TOKEN")):
                assert str(value).startswith("${"), key


def test_vllm_is_only_started_when_asked_for(compose):
    assert compose["services"]["vllm"]["profiles"] == ["vllm"]


def test_the_image_holds_everything_the_wheel_is_built_from(compose):
    recipe = compose["services"]["gateway"]["build"]["dockerfile_inline"]
    for folder in ("shadow", "consumers", "scoring", "dashboard", "migrations"):
        assert f"COPY {folder} {folder}" in recipe
    assert "--require-hashes" in recipe
