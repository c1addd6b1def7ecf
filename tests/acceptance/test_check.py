"""Promises of `shadow check`: each fault is named with its key and its mend, and none is a traceback."""

import os
import subprocess
import sys

import pytest

from shadow.devstack.models import echo_app
from shadow.devstack.processes import free_port

CONFIG = """
[models.big]
base_url = "{big}/v1"
[models.small]
base_url = "{small}/v1"
{small_more}
[tasks.intent]
frontier = "big"
candidates = ["small"]
{task_more}
"""


@pytest.fixture
def check(tmp_path, broker, postgres_url):
    """Run `shadow check` with a written configuration; stdout and stderr together, and the exit code."""

    def run(*arguments, big, small, small_more="", task_more="", kafka=broker, postgres=postgres_url, keys=()):
        path = tmp_path / "shadow.toml"
        path.write_text(CONFIG.format(big=big, small=small, small_more=small_more, task_more=task_more))
        env = {**os.environ, "SHADOW_KAFKA": kafka, "SHADOW_POSTGRES": postgres, **dict(keys)}
        argv = [sys.executable, "-m", "shadow", "check", "--config", str(path), *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, timeout=60)
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr, done.returncode

    return run


@pytest.fixture
def big(serve):
    return serve(echo_app(name="big"))


def test_when_everything_is_well_it_says_so_and_exits_zero(check, serve, big):
    said, code = check(big=big, small=serve(echo_app(name="small")))
    assert code == 0, said
    assert "FAULT" not in said
    for part in (
        "file: 2 models, 1 tasks",
        "kafka:",
        "postgres: the schema is this version's",
        "models.big",
        "models.small",
    ):
        assert part in said


def test_every_fault_is_named_at_once_with_its_mend(check, big):
    nowhere = f"127.0.0.1:{free_port()}"
    said, code = check(
        big=big,
        small=f"http://{nowhere}",
        task_more='scorer = "sentiment"\nmirror_rate = 0',
        kafka=nowhere,
        postgres=f"postgresql://nobody:hunter2@{nowhere}/x",
    )
    assert code == 1
    faults = [line for line in said.splitlines() if line.startswith("FAULT")]
    assert any("tasks.intent.scorer: 'sentiment' is not a scorer; there are:" in line for line in faults)
    assert any("tasks.intent.mirror_rate: 0 mirrors nothing" in line for line in faults)
    assert any("kafka.bootstrap_servers" in line and "is the broker up" in line for line in faults)
    assert any("models.small.base_url" in line and "cannot be reached" in line for line in faults)
    assert len(faults) == 5
    assert "hunter2" not in said


def test_a_model_the_endpoint_does_not_serve_is_told_with_those_it_does(check, big, serve):
    said, code = check(big=big, small=serve(echo_app(name="something-else")))
    assert code == 1
    assert "does not serve 'small'; it serves something-else" in said


def test_a_key_that_is_not_set_is_named(check, big, serve):
    said, code = check(big=big, small=serve(echo_app(name="small")), small_more='api_key_env = "NO_SUCH_KEY"')
    assert code == 1
    assert "models.small.api_key_env: NO_SUCH_KEY is not set; export it" in said


def test_a_judge_that_could_never_judge_is_told_with_what_keeps_it(check):
    judged = 'judge = "small"\njudge_rate = 0'
    said, code = check("--file-only", big="http://big.example", small="http://small.example", task_more=judged)
    assert code == 1
    assert "models.small.input_usd_per_million: no price is known, so a judge's budget cannot be kept" in said
    assert "tasks.intent.judge_rate: 0 shows the judge nothing" in said
    penniless = 'judge = "small"\njudge_usd_per_day = 0'
    priced = "input_usd_per_million = 1\noutput_usd_per_million = {}"
    where = {"big": "http://big.example", "small": "http://small.example", "task_more": penniless}
    assert "judge_usd_per_day: 0 pays for no verdict" in check("--file-only", **where, small_more=priced.format(1))[0]
    free = "input_usd_per_million = 0\noutput_usd_per_million = 0"
    assert check("--file-only", **where, small_more=free)[1] == 0


def test_a_database_without_our_schema_says_how_to_make_it(check, big, serve, postgres_server):
    said, code = check(big=big, small=serve(echo_app(name="small")), postgres=postgres_server.url)
    assert code == 1
    assert "shadow migrate" in said


def test_the_file_alone_can_be_checked_where_nothing_runs(check):
    said, code = check("--file-only", big="http://big.example", small="http://small.example", kafka="none:1")
    assert code == 0, said


def test_where_nothing_is_configured_it_says_so_and_how_to_begin(shadow, monkeypatch):
    monkeypatch.delenv("SHADOW_KAFKA", raising=False)
    for options in ([], ["--file-only"]):
        done = shadow("check", *options)
        assert done.code == 1
        assert "ok " not in done.out
        (said,) = done.err.splitlines()
        assert "there is no shadow.toml here" in said
        assert "[models.NAME]" in said


def test_settings_from_the_environment_alone_are_checked_as_such(shadow, monkeypatch, broker):
    monkeypatch.setenv("SHADOW_KAFKA", broker)
    done = shadow("check")
    assert "environment: SHADOW_KAFKA; there is no shadow.toml here" in done.out
    assert f"kafka: {broker} answers" in done.out
    assert done.code == 1  # nothing is compared
    assert "tasks: none is configured" in done.err
