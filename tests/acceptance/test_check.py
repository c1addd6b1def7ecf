"""Promises of `shadow check`: each error names the file, the key and the fix, and none is a traceback."""

import json
import os
import socket
import subprocess
import sys
from contextlib import ExitStack
from functools import partial

import psycopg
import pytest
import uvicorn

from shadow.devstack.model_servers.models import echo_app
from shadow.devstack.services.processes import free_port
from tests.support.certificate import CERTIFICATE, KEY
from tests.support.services import serving

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
def check(shadow, monkeypatch, tmp_path, broker, postgres_url):
    """Run `shadow check` with a written configuration; stdout and stderr together, and the exit code."""

    def run(*arguments, big, small, small_more="", task_more="", kafka=broker, postgres=postgres_url, keys=()):
        path = tmp_path / "shadow.toml"
        path.write_text(CONFIG.format(big=big, small=small, small_more=small_more, task_more=task_more))
        for name, value in {"SHADOW_KAFKA": kafka, "SHADOW_POSTGRES": postgres, **dict(keys)}.items():
            monkeypatch.setenv(name, value)
        done = shadow("check", "--config", path, *arguments)
        return done.out + done.err, done.code

    return run


@pytest.fixture
def big(serve):
    return serve(echo_app(name="big"))


def test_without_problems_every_line_is_ok_and_it_exits_zero(check, serve, big):
    text, code = check(big=big, small=serve(echo_app(name="small")))
    assert code == 0, text
    assert "ERROR" not in text
    for part in (
        "file: 2 models, 1 tasks",
        "kafka:",
        "postgres: the schema is this version's",
        "models.big",
        "models.small",
    ):
        assert part in text


def errors_of(text):
    """The reported errors, each on one line with its place and its fix."""
    lines = text.splitlines()
    assert all(line.startswith(("ok    ", "ERROR ")) for line in lines), text
    errors = [line.removeprefix("ERROR ") for line in lines if line.startswith("ERROR ")]
    assert all(line.startswith(("environment: SHADOW_", "/")) and "; " in line for line in errors), text
    return errors


def error_of(text):
    (error,) = errors_of(text)
    return error


def test_every_problem_is_named_at_once_with_its_fix(check, big, tmp_path):
    nowhere = f"127.0.0.1:{free_port()}"
    text, code = check(
        big=big,
        small=f"http://{nowhere}",
        task_more='scorer = "sentiment"\nmirror_rate = 0',
        kafka=nowhere,
        postgres=f"postgresql://nobody:hunter2@{nowhere}/x",
    )
    assert code == 1
    file = tmp_path / "shadow.toml"
    scorer, rate, broker, database, model = errors_of(text)
    assert scorer.startswith(f"{file}: tasks.intent.scorer: unknown scorer 'sentiment'; must be one of: ")
    assert rate.startswith(f"{file}: tasks.intent.mirror_rate: 0 mirrors nothing; set a share")
    assert broker.startswith(f"environment: SHADOW_KAFKA: Kafka at {nowhere} does not answer")
    assert broker.endswith("; is the broker up, and the address right?")
    assert database.startswith("environment: SHADOW_POSTGRES: PostgreSQL at 127.0.0.1")
    assert database.endswith("Connection refused; is the server up, and are host, port, database and user right?")
    assert model.startswith(f"{file}: models.small.base_url: http://{nowhere}/v1 cannot be reached (")
    assert model.endswith("; check that it runs, and the address")
    assert "hunter2" not in text


def test_a_problem_with_a_value_of_the_file_names_the_file(check, big, tmp_path):
    nowhere = f"127.0.0.1:{free_port()}"
    services = f'[kafka]\nbootstrap_servers = "{nowhere}"\n[postgres]\nurl = "postgresql://{nowhere}/x"'
    text, code = check(big=big, small=big, small_more='model = "big"', task_more=services, kafka="", postgres="")
    assert code == 1
    broker, database = errors_of(text)
    assert broker.startswith(f"{tmp_path}/shadow.toml: kafka.bootstrap_servers: Kafka at {nowhere} does not answer")
    assert database.startswith(f"{tmp_path}/shadow.toml: postgres.url: PostgreSQL at 127.0.0.1")


def test_a_file_with_mistakes_is_reported_with_all_of_them_and_no_secret(check, tmp_path):
    text, code = check(
        big="http://me:hunter2@big.example",
        small="http://small.example",
        small_more='api_key = "sk-hunter2"\napi_key_env = "sk-hunter2"',
        task_more='aliases = "x"\nmirror_rate = 2\njudge = "hunter2"\n[postgres]\nurl = "postgresql://me:hunter2@x/y"',
        kafka="sasl://me:hunter2@x:1",
    )
    assert code == 1
    assert sorted(line.removeprefix(f"{tmp_path}/shadow.toml: ").partition(": ")[0] for line in errors_of(text)) == [
        "environment",
        "models.big.base_url",
        "models.small.api_key",
        "models.small.api_key_env",
        "postgres.url",
        "tasks.intent.aliases",
        "tasks.intent.judge",
        "tasks.intent.mirror_rate",
    ]
    assert "hunter2" not in text


def answering(status, body=b"", *, to_question=None):
    """An app that answers everything with `status`, or what is posted with `to_question`."""

    async def app(scope, receive, send):
        if scope["type"] == "http":
            code = to_question if to_question and scope["method"] == "POST" else status
            await send({"type": "http.response.start", "status": code, "headers": []})
            await send({"type": "http.response.body", "body": body})

    return app


def test_a_model_the_endpoint_does_not_serve_is_reported_with_those_it_does(check, big, serve, tmp_path):
    text, code = check(big=big, small=serve(echo_app(name="something-else")))
    assert code == 1
    assert f"{tmp_path}/shadow.toml: models.small.model: " in error_of(text)
    assert "does not serve 'small'; it serves something-else" in text


@pytest.mark.parametrize(("served", "declared", "ok"), [(8192, 32_768, False), (8192, 8192, True), (None, 8192, True)])
def test_a_context_longer_than_the_server_has_is_reported(check, big, serve, tmp_path, served, declared, ok):
    listing = {"data": [{"id": "small", "max_model_len": served}]}
    app = answering(200, json.dumps(listing).encode())
    text, code = check(big=big, small=serve(app), small_more=f"context_tokens = {declared}")
    assert code == (0 if ok else 1), text
    if not ok:
        assert error_of(text).startswith(f"{tmp_path}/shadow.toml: models.small.context_tokens: ")
        assert error_of(text).endswith(" serves a context of 8192 tokens; write at most that")


@pytest.mark.parametrize(
    ("app", "key", "fix"),
    [
        (answering(401), "api_key_env: HTTP 401", "; name the variable that holds its key"),
        (answering(404), "base_url: HTTP 404", "; check the address, which usually ends in /v1"),
        (answering(404, to_question=403), "api_key_env: HTTP 403", "; name the variable that holds its key"),
        (answering(308), "base_url: HTTP 308", "; check the address, which usually ends in /v1"),
        (answering(200, b"<html>"), "base_url: ", "/models does not answer with JSON; check the address, which"),
        (
            answering(200, b'{"data": [{"id": "x\\n\\u001b[31mok    y"}]}'),
            "model: ",
            "does not serve 'small'; it serves x\ufffd",
        ),
    ],
)
def test_the_answer_of_a_wrong_endpoint_is_reported_with_key_and_fix(check, big, serve, tmp_path, app, key, fix):
    text, code = check(big=big, small=serve(app))
    assert code == 1
    error = error_of(text)
    assert error.startswith(f"{tmp_path}/shadow.toml: models.small.{key}")
    assert fix in error


def test_an_endpoint_without_a_list_of_models_that_answers_requests_is_ok(check, big, serve):
    text, code = check(big=big, small=serve(answering(404, to_question=422)))
    assert code == 0, text


def test_a_refused_key_is_reported_only_by_its_variable(check, big, serve, tmp_path):
    more = 'api_key_env = "SMALL_KEY"'
    text, code = check(big=big, small=serve(answering(401)), small_more=more, keys={"SMALL_KEY": "sk-hunter2"})
    assert code == 1
    assert error_of(text).startswith(f"{tmp_path}/shadow.toml: models.small.api_key_env: HTTP 401 from ")
    assert error_of(text).endswith("; check the key in SMALL_KEY")
    assert "hunter2" not in text


def test_an_untrusted_certificate_is_reported_with_what_to_do(check, big, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_text(CERTIFICATE)
    key.write_text(KEY)
    secured = partial(uvicorn.Config, ssl_certfile=str(certificate), ssl_keyfile=str(key))
    with serving(echo_app(name="small"), configured=secured) as url:
        safe = url.replace("http:", "https:")
        text, code = check(big=big, small=safe)
        # In a process of its own, for the certificates that are trusted are read but once.
        argv = [sys.executable, "-m", "shadow", "check", "--config", str(tmp_path / "shadow.toml")]
        env = {**os.environ, "SSL_CERT_FILE": str(certificate)}
        trusted = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, timeout=60)
    assert code == 1
    assert error_of(text).startswith(f"{tmp_path}/shadow.toml: models.small.base_url: {safe}/v1 has a certificate")
    assert error_of(text).endswith(
        "; use the host name it was issued for, or set SSL_CERT_FILE to the authority that signed it"
    )
    assert trusted.returncode == 0, trusted.stderr


def test_tls_to_a_server_without_it_is_reported_with_what_to_do(check, big):
    text, code = check(big=big, small=big.replace("http:", "https:"))
    assert code == 1
    assert "models.small.base_url" in error_of(text)
    assert error_of(text).endswith("; if it serves plain HTTP, write http://")


def test_a_silent_endpoint_is_reported_with_its_url(check, big):
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        silent = f"http://127.0.0.1:{listening.getsockname()[1]}"
        text, code = check(big=big, small=silent)
    assert code == 1
    assert (
        f"models.small.base_url: {silent}/v1 does not answer within 5 s; check that it runs, and the address"
        in error_of(text)
    )


def test_a_key_that_is_not_set_is_named(check, big, serve):
    text, code = check(big=big, small=serve(echo_app(name="small")), small_more='api_key_env = "NO_SUCH_KEY"')
    assert code == 1
    assert "models.small.api_key_env: NO_SUCH_KEY is not set; export it" in error_of(text)


def test_a_key_in_the_place_of_its_variable_is_not_repeated(check, big, serve):
    text, code = check(big=big, small=serve(echo_app(name="small")), small_more='api_key_env = "hf_hunter2"')
    assert code == 1
    assert "models.small.api_key_env: the variable named here (its name, never the key) is not set; " in error_of(text)
    assert "hunter2" not in text


def test_a_key_that_no_header_can_hold_is_reported_by_its_variable(check, big, serve):
    more = 'api_key_env = "SMALL_KEY"'
    text, code = check(
        big=big, small=serve(echo_app(name="small")), small_more=more, keys={"SMALL_KEY": "sk-hunter2\n"}
    )
    assert code == 1
    assert "models.small.api_key_env: the value of SMALL_KEY is not a key; export it without line breaks" in error_of(
        text
    )
    assert "hunter2" not in text


def test_a_judge_that_could_never_judge_is_reported_with_the_reason(check):
    judged = 'judge = "small"\njudge_rate = 0'
    text, code = check("--file-only", big="http://big.example", small="http://small.example", task_more=judged)
    assert code == 1
    assert "models.small.input_usd_per_million: no price is known, so a judge's budget cannot be kept" in text
    assert "tasks.intent.judge_rate: 0 shows the judge nothing" in text
    penniless = 'judge = "small"\njudge_usd_per_day = 0'
    priced = "input_usd_per_million = 1\noutput_usd_per_million = {}"
    where = {"big": "http://big.example", "small": "http://small.example", "task_more": penniless}
    assert "judge_usd_per_day: 0 pays for no verdict" in check("--file-only", **where, small_more=priced.format(1))[0]
    free = "input_usd_per_million = 0\noutput_usd_per_million = 0"
    assert check("--file-only", **where, small_more=free)[1] == 0


@pytest.fixture
def check_database(check, big):
    """Run `shadow check` with a database that has one error; returns its line."""

    def run(url, **keys):
        text, code = check(big=big, small=big, small_more='model = "big"', postgres=url, keys=keys)
        assert code == 1
        assert "hunter2" not in text
        return error_of(text)

    return run


def test_a_database_without_our_schema_is_reported_with_the_command_that_creates_it(check_database, postgres_server):
    error = check_database(postgres_server.url)
    assert error == "environment: SHADOW_POSTGRES: the database has no tables of ours yet; run: shadow migrate"


def test_a_missing_database_url_is_reported_with_where_to_set_it(check_database, tmp_path):
    assert check_database("").startswith(
        f"{tmp_path}/shadow.toml: postgres.url: no database is named; set its URL here"
    )


@pytest.mark.parametrize(
    ("url", "what", "fix"),
    [
        ("postgresql://me:hunter2@[::1/x", "the database's address cannot be read", "it looks like postgresql://"),
        ("mysql://me:hunter2@db/x", "the database's address starts with mysql://", "it must be postgresql://"),
        ("postgresql://me:pass@hunter2@db/x", "the database's address has an @ too many", "write %40"),
        ("postgresql://me:pass@hun/ter2@db/x", "the database's address has an @ too many", "write %40"),
    ],
)
def test_an_invalid_database_url_is_reported_with_a_valid_form(check_database, url, what, fix):
    error = check_database(url)
    assert error.startswith(f"environment: SHADOW_POSTGRES: {what}; {fix}")
    assert "ter2" not in error


def test_an_unknown_role_or_database_is_reported_with_its_fix(check_database, postgres_url):
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    for url in (postgres_url.replace(name, "nothing_here"), postgres_url.replace("postgres@", "nobody:hunter2@")):
        assert "does not exist; create it on the server, or name another" in check_database(url)


def test_a_role_without_permissions_is_reported_with_where_they_are_listed(check_database, postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE without_rights LOGIN")
        try:
            error = check_database(postgres_url.replace("postgres@", "without_rights@"))
        finally:
            connection.execute("DROP ROLE without_rights")
    assert "permission denied for table" in error
    assert error.endswith("; grant its role what docs/operator.md lists under Permissions")


def test_a_changed_schema_is_reported_change_by_change(check_database, postgres_url):
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE somebody_elses (id int)")
    error = check_database(postgres_url)
    assert error.startswith("environment: SHADOW_POSTGRES: remove table somebody_elses: differs from the migrations; ")


def test_the_file_alone_can_be_checked_where_nothing_runs(check):
    text, code = check("--file-only", big="http://big.example", small="http://small.example", kafka="none:1")
    assert code == 0, text


def test_without_any_configuration_the_error_describes_how_to_begin(shadow, monkeypatch):
    monkeypatch.delenv("SHADOW_KAFKA", raising=False)
    for options in ([], ["--file-only"]):
        done = shadow("check", *options)
        assert done.code == 1
        assert "ok " not in done.out
        (text,) = done.err.splitlines()
        assert "there is no shadow.toml here" in text
        assert "[models.NAME]" in text


def test_settings_that_come_only_from_the_environment_are_checked(shadow, monkeypatch, broker):
    monkeypatch.setenv("SHADOW_KAFKA", broker)
    done = shadow("check")
    assert "environment: SHADOW_KAFKA; there is no shadow.toml here" in done.out
    assert f"kafka: {broker} answers" in done.out
    assert done.code == 1  # nothing is compared
    assert "tasks: none is configured" in done.err
