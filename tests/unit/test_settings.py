"""Promises of the settings: every mistake is named with file, key and mend, and no secret sits in a file."""

import pytest

from shadow import settings
from shadow.errors import ConfigError

GOOD = """
[models.big]
base_url = "https://models.example/v1/"
api_key_env = "BIG_KEY"

[models.small]
base_url = "http://localhost:8000/v1"
model = "small-7b"

[tasks.intent]
frontier = "big"
candidates = ["small"]
kind = "classification"
aliases = ["intent"]
"""


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch, tmp_path):
    for name in (settings.CONFIG_VARIABLE, settings.KAFKA_VARIABLE, settings.POSTGRES_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def written(tmp_path, text):
    path = tmp_path / "shadow.toml"
    path.write_text(text)
    return path


def mistakes(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        settings.load(written(tmp_path, text))
    return str(caught.value).splitlines()


def test_without_a_file_the_defaults_hold():
    assert settings.load() == settings.Settings()


def test_the_file_in_the_working_directory_is_found(tmp_path):
    written(tmp_path, GOOD)
    assert settings.load().tasks["intent"].candidates == ("small",)


def test_a_file_that_was_named_must_exist(tmp_path, monkeypatch):
    monkeypatch.setenv("SHADOW_CONFIG", str(tmp_path / "nowhere.toml"))
    with pytest.raises(ConfigError, match="no such file; create it"):
        settings.load()


def test_every_mistake_is_told_at_once_with_its_key(tmp_path):
    lines = mistakes(
        tmp_path,
        GOOD.replace('candidates = ["small"]', "candidate = 3\nmirror_rate = 2") + "[kafka]\nbootstrap_servers = 'x'",
    )
    assert len(lines) == 3
    assert all(line.startswith(str(tmp_path)) for line in lines)
    assert any("tasks.intent.candidate: unknown key" in line for line in lines)
    assert any("tasks.intent.mirror_rate: Input should be less than or equal to 1" in line for line in lines)
    assert any("kafka.bootstrap_servers: 'x' is not host:port" in line for line in lines)


def test_a_model_nobody_defined_is_named_with_those_that_are(tmp_path):
    (line,) = mistakes(tmp_path, GOOD.replace('frontier = "big"', 'frontier = "bgi"'))
    assert line.endswith("tasks.intent.frontier: 'bgi' is not in [models] (known: big, small)")


def test_an_alias_means_one_task_only(tmp_path):
    (line,) = mistakes(tmp_path, GOOD + '[tasks.other]\nfrontier = "big"\naliases = ["intent"]')
    assert "'intent' already means task 'intent'" in line


def test_broken_toml_is_one_line(tmp_path):
    (line,) = mistakes(tmp_path, "[models")
    assert "not valid TOML" in line


@pytest.mark.parametrize(
    ("section", "advice"),
    [
        ('[postgres]\nurl = "postgresql://me:hunter2@db/x"', "must not contain a password; set PGPASSWORD"),
        ('[models.leaky]\nbase_url = "https://me:hunter2@host/v1"', "must not contain credentials"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path, section, advice):
    (line,) = mistakes(tmp_path, section)
    assert advice in line
    assert "hunter2" not in line


def test_a_user_pattern_that_is_no_regular_expression_is_named(tmp_path):
    (line,) = mistakes(tmp_path, '[redaction.patterns]\nticket = "("')
    assert "redaction.patterns: ticket: not a regular expression" in line


def test_the_environment_overrides_broker_and_database(monkeypatch):
    monkeypatch.setenv("SHADOW_KAFKA", "broker:9093")
    monkeypatch.setenv("SHADOW_POSTGRES", "postgresql://me:hunter2@db/x")
    loaded = settings.load()
    assert loaded.kafka.bootstrap_servers == "broker:9093"
    assert loaded.postgres_url() == "postgresql://me:hunter2@db/x"


def test_a_wrong_broker_in_the_environment_names_the_variable(monkeypatch):
    monkeypatch.setenv("SHADOW_KAFKA", "nonsense")
    with pytest.raises(ConfigError, match="environment: SHADOW_KAFKA"):
        settings.load()


def test_keys_come_from_the_environment_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("BIG_KEY", "sk-secret")
    models = settings.load(written(tmp_path, GOOD)).models
    assert models["big"].api_key() == "sk-secret"
    assert models["small"].api_key() is None
    assert models["big"].base_url == "https://models.example/v1"


def test_a_model_is_known_by_its_own_name_and_by_the_name_it_is_sent(tmp_path):
    loaded = settings.load(written(tmp_path, GOOD))
    assert [loaded.role_of("intent", m) for m in ("big", "small", "small-7b", "other")] == [
        "frontier",
        "candidate",
        "candidate",
        None,
    ]


def test_no_database_says_what_to_set():
    with pytest.raises(ConfigError, match="SHADOW_POSTGRES"):
        settings.Settings().postgres_url()


def test_every_setting_says_what_it_is_or_is_named_for_what_it_is():
    plain = {"host", "port", "enabled", "pool_size", "health_host", "health_port", "exchanges", "trials", "deadletters"}
    sections = [s for s in vars(settings).values() if isinstance(s, type) and issubclass(s, settings.Section)]
    for section in sections:
        for key, field in section.model_fields.items():
            if section is not settings.Settings and key not in plain:
                assert field.description or key == "topics", f"{section.__name__}.{key} has no description"
