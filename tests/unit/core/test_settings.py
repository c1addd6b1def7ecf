"""Promises of the settings: every problem is reported with file, key and fix, and no secret stands in a file."""

import json

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shadow import settings
from shadow.errors import ConfigError
from tests import reference

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
def _no_settings_from_the_environment(monkeypatch, tmp_path):
    for name, value in vars(settings).items():
        if name.endswith("_VARIABLE"):
            monkeypatch.delenv(value, raising=False)
    monkeypatch.chdir(tmp_path)


def written(tmp_path, text):
    path = tmp_path / "shadow.toml"
    path.write_text(text)
    return path


def problems(tmp_path, text):
    with pytest.raises(ConfigError) as caught:
        settings.load(written(tmp_path, text))
    return str(caught.value).splitlines()


def test_without_a_file_the_defaults_apply():
    assert settings.load() == settings.Settings()


def test_the_file_in_the_working_directory_is_found(tmp_path):
    written(tmp_path, GOOD)
    assert settings.load().tasks["intent"].candidates == ("small",)


def test_a_file_that_was_named_must_exist(tmp_path, monkeypatch):
    monkeypatch.setenv("SHADOW_CONFIG", str(tmp_path / "nowhere.toml"))
    with pytest.raises(ConfigError, match="no such file; create it"):
        settings.load()


def test_every_problem_is_reported_at_once_with_its_key(tmp_path):
    lines = problems(
        tmp_path,
        GOOD.replace('candidates = ["small"]', "candidate = 3\nmirror_rate = 2") + "[kafka]\nbootstrap_servers = 'x'",
    )
    assert len(lines) == 3
    assert all(line.startswith(str(tmp_path)) for line in lines)
    assert any("tasks.intent.candidate: unknown key; did you mean candidates?" in line for line in lines)
    assert any("tasks.intent.mirror_rate: is out of range; must be a number from 0 to 1" in line for line in lines)
    assert any("kafka.bootstrap_servers: entry 1 is not host:port; write host:port" in line for line in lines)


def test_an_unknown_name_is_reported_whatever_else_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setenv("SHADOW_KAFKA", "nonsense")
    wrong = GOOD.replace('frontier = "big"', 'frontier = "bigg"\nmirror_rate = 2').replace(
        '"small"]', '"small", "x", 3]'
    )
    lines = problems(tmp_path, wrong + '[models.broken]\n[gateway]\nupstream = "nobody"')
    assert sorted(line.removeprefix(f"{tmp_path}/shadow.toml: ").partition(";")[0] for line in lines) == [
        "environment: SHADOW_KAFKA: entry 1 is not host:port",
        "gateway.upstream: is not in [models]",
        "models.broken.base_url: is missing",
        "tasks.intent.candidates: entry 2 is not in [models]",
        "tasks.intent.candidates: entry 3 is a number",
        "tasks.intent.frontier: is not in [models]",
        "tasks.intent.mirror_rate: is out of range",
    ]


CAPABLE = '[models.x]\nbase_url = "http://x/v1"\n'


@pytest.mark.parametrize(
    ("text", "key", "what", "fix"),
    [
        ("models = 3", "models", "is a number", "must be a table, [models.NAME]"),
        ('[models]\nx = "http://x/v1"', "models.x", "is a string", "must be a table, [models.x]"),
        ('[models.x]\nmodel = "y"', "models.x.base_url", "is missing", "write a string in quotes: Address up to"),
        ('[models."x\\ny"]', 'models."x\\ny".base_url', "is missing", "write a string in quotes"),
        ('[models.x]\nbase_url = "x"', "models.x.base_url", "must be an http:// or https:// address", "write it as in"),
        ('[models.x]\nbase_url = "http://x:y/"', "models.x.base_url", "is not a valid address", "write it as in"),
        ('[models.x]\nbase_url = "http://x /v1"', "models.x.base_url", "is not a valid address", "write it as"),
        ('[models.x]\nbase_url = "http://x/?a=b"', "models.x.base_url", "must not have a query or fragment", "remove"),
        (CAPABLE + "apis = []", "models.x.apis", "is empty, so that nothing would be asked", "name at least one"),
        (CAPABLE + 'apis = ["chats"]', "models.x.apis", "entry 1 unknown value", "did you mean chat?"),
        (CAPABLE + 'modalities = "text"', "models.x.modalities", "is a string", "must be a list of strings"),
        (CAPABLE + 'modalities = ["text", "pdf"]', "models.x.modalities", "entry 2 unknown value", "must be one of"),
        (
            CAPABLE + "context_tokens = 0",
            "models.x.context_tokens",
            "is out of range",
            "must be an integer of at least 1",
        ),
        (CAPABLE + 'tools = "perhaps"', "models.x.tools", "is a string", "must be true or false"),
        ("[kafka]\npartitions = 1.5", "kafka.partitions", "is a number", "must be an integer of at least 1"),
        ('[kafka]\npartitions = "x"', "kafka.partitions", "is a string", "must be an integer of at least 1"),
        ("[kafka]\npartitions = 0", "kafka.partitions", "is out of range", "must be an integer of at least 1"),
        ("[kafka]\ntopics = 2027-01-01", "kafka.topics", "is a date or time", "must be a table, [kafka.topics]"),
        ('[kafka]\nbootstrap_servers = "x:1,[::1:2"', "kafka.bootstrap_servers", "entry 2 is not host:port", "write"),
        ('[kafka]\nbootstrap_servers = "x:70000"', "kafka.bootstrap_servers", "entry 1 is not host:port", "write"),
        ('[kafka]\nbootstrap_servers = "x:²"', "kafka.bootstrap_servers", "entry 1 is not host:port", "write"),
        ("[monitor]\nmost_dropped = nan", "monitor.most_dropped", "is out of range", "must be a number from 0 to 1"),
        ('[monitor]\nevry_s = "x"', "monitor.evry_s", "unknown key", "did you mean every_s?"),
        ("[dashboard]\nxyz = 1", "dashboard.xyz", "unknown key", "write one of: host, port"),
        ('[redaction]\nenabled = "perhaps"', "redaction.enabled", "is a string", "must be true or false"),
        ("[redaction.patterns]\nx = 3", "redaction.patterns.x", "is a number", "must be a string in quotes"),
        ('[postgres]\nurl = "mysql://x"', "postgres.url", "must start with postgresql://", "write it as in"),
        ('[postgres]\nurl = "postgresql://x:y/z"', "postgres.url", "is not a valid address", "write it as in"),
        ("[tasks.x]", "tasks.x.frontier", "is missing", "write a string in quotes: Name in [models]"),
        ('[tasks.x]\nfrontier = "y"', "tasks.x.frontier", "is not in [models]", "add a [models.NAME] table"),
        (
            GOOD + 'kind = "clasification"',
            "tasks.intent.kind",
            "unknown value",
            "did you mean classification?",
        ),
        (
            GOOD + 'kind = "x"',
            "tasks.intent.kind",
            "unknown value",
            "must be one of: classification, extraction",
        ),
        (GOOD + 'segments = "x"', "tasks.intent.segments", "is a string", "must be a list of strings"),
        (GOOD + 'owners = ["x", 3]', "tasks.intent.owners", "entry 2 is a number", "must be a string in quotes"),
        (
            GOOD + "regret_limit = 1",
            "tasks.intent.regret_limit",
            "is out of range",
            "must be a number above 0 and below 1",
        ),
        (GOOD + "scorer_options = 3", "tasks.intent.scorer_options", "is a number", "must be a table"),
    ],
)
def test_a_problem_is_one_line_with_file_key_and_fix(tmp_path, text, key, what, fix):
    (line,) = problems(tmp_path, text.replace('kind = "classification"\n', "") if "kind" in key else text)
    assert line.startswith(f"{tmp_path}/shadow.toml: {key}: {what}; {fix}")


SECRET = "sk-hunter2"


@pytest.mark.parametrize("setting", reference.settings(), ids=lambda setting: f"{setting.table}.{setting.name}")
def test_no_setting_accepts_or_repeats_a_value_of_the_wrong_type(tmp_path, setting):
    table = setting.table.replace("NAME", "x")
    key = f"{table}.{setting.name}"
    refused = 0
    for value in (
        f'"{SECRET}"',
        "[1]",
        f'["{SECRET}", 1]',
        f'{{ x = 1, y = "{SECRET}" }}',
        "-1.5",
        "2027-01-01",
        "nan",
    ):
        path = written(tmp_path, f"[{table}]\n{setting.name} = {value}")
        try:
            settings.load(path)
        except ConfigError as error:
            message = str(error)
        else:
            continue
        about = [line for line in message.splitlines() if line.startswith(f"{path}: {key}")]
        refused += bool(about)
        assert all("; " in line for line in about)
        assert SECRET not in message
    assert refused


#: TOML escapes one UTF-16 unit as JSON does, but no pair of them.
TEXT = st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=3)


@hypothesis.settings(deadline=None)  # writes and reads a file, which takes longer on a busy machine
@given(st.dictionaries(TEXT, TEXT, min_size=1), st.sampled_from(["tasks", "models", "kafka"]))
def test_whatever_a_key_is_called_its_problem_is_one_line(tmp_path_factory, table, name):
    keys = "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in table.items())
    path = written(tmp_path_factory.getbasetemp(), f"[{name}]\n{keys}".replace("\x7f", r"\u007f"))
    with pytest.raises(ConfigError) as caught:
        settings.load(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(table)
    assert all(line.startswith(f"{path}: {name}.") and "; " in line for line in lines)


def test_an_undefined_model_is_reported_with_the_defined_ones(tmp_path):
    (line,) = problems(tmp_path, GOOD.replace('frontier = "big"', 'frontier = "bgi"'))
    assert line.endswith("tasks.intent.frontier: is not in [models]; did you mean big? (known: big, small)")


def test_settings_made_in_python_are_checked_for_unknown_names_and_reveal_no_secret():
    model = settings.ModelSettings(base_url="http://x/v1")
    with pytest.raises(ValidationError, match=r"tasks.x.frontier\n  is not in \[models\]; write one of: big"):
        settings.Settings(models={"big": model}, tasks={"x": settings.TaskSettings(frontier=SECRET)})
    with pytest.raises(ValidationError) as caught:
        settings.ModelSettings(base_url=SECRET)
    assert SECRET not in str(caught.value)


def test_an_empty_judge_is_no_judge(tmp_path):
    assert not settings.load(written(tmp_path, GOOD + 'judge = ""')).tasks["intent"].judge


def test_an_alias_belongs_to_one_task_only(tmp_path):
    (line,) = problems(tmp_path, GOOD + '[tasks.other]\nfrontier = "big"\naliases = ["intent"]')
    assert "tasks.other.aliases: entry 1 already belongs to task 'intent'; remove it from one of the two" in line


def test_broken_toml_is_one_line(tmp_path):
    (line,) = problems(tmp_path, "[models")
    assert "not valid TOML" in line
    assert "; put strings in quotes" in line


@pytest.mark.parametrize(
    ("content", "problem"), [(None, "cannot be read (Is a directory); "), (b"\xff", "not UTF-8 (")]
)
def test_a_file_that_is_not_text_is_one_line_with_its_fix(tmp_path, content, problem):
    path = tmp_path / "shadow.toml"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        settings.load()
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"shadow.toml: {problem}")
    assert "; " in line


@pytest.mark.parametrize(
    ("section", "advice"),
    [
        ('[postgres]\nurl = "postgresql://me:hunter2@db/x"', "must not contain a password; set PGPASSWORD"),
        ('[postgres]\nurl = "postgresql://me:1/hunter2@db/x"', "must not contain a password; set PGPASSWORD"),
        ('[postgres]\nurl = "postgresql://me@db/x?password=hunter2"', "must not contain a password; set PGPASSWORD"),
        ('[postgres]\nurl = "postgresql://me:hunter2/@db/x"', "is not a valid address; write it as in"),
        ('[models.leaky]\nbase_url = "https://me:hunter2@host/v1"', "must not contain credentials; name a variable"),
        ('[models.leaky]\nbase_url = "https://host/v1?key=hunter2"', "remove what follows the ? or #"),
        ('[models.leaky]\nbase_url = "sk-hunter2"', "must be an http:// or https:// address; write it as in"),
        (
            '[models.leaky]\nbase_url = "http://x/v1"\napi_key_env = "sk-hunter2"',
            "is not the name of an environment variable; name the",
        ),
        ('[models.leaky]\nbase_url = "http://x/v1"\napi_key = "hunter2"', "unknown key; did you mean api_key_env?"),
        ('[kafka]\nbootstrap_servers = "sasl://me:hunter2@db:9092"', "entry 1 is not host:port; write host:port"),
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(tmp_path, section, advice):
    (line,) = problems(tmp_path, section)
    assert advice in line
    assert "hunter2" not in line


def test_an_invalid_user_pattern_is_reported(tmp_path):
    (line,) = problems(tmp_path, '[redaction.patterns]\nticket = "("')
    assert "redaction.patterns: ticket: not a valid regular expression" in line


@pytest.mark.parametrize("pattern", [r"\\d*", "a|", "(x)?"])
def test_a_user_pattern_that_matches_the_empty_string_is_refused(tmp_path, pattern):
    (line,) = problems(tmp_path, f'[redaction.patterns]\nticket = "{pattern}"')
    assert "redaction.patterns: ticket: matches the empty string; require at least one character" in line


def test_the_environment_overrides_broker_and_database(monkeypatch):
    monkeypatch.setenv("SHADOW_KAFKA", "broker:9093")
    monkeypatch.setenv("SHADOW_POSTGRES", "postgresql://me:hunter2@db/x")
    loaded = settings.load()
    assert loaded.kafka.bootstrap_servers == "broker:9093"
    assert loaded.postgres_url() == "postgresql://me:hunter2@db/x"


def test_one_variable_sets_the_address_of_every_health_page(tmp_path, monkeypatch):
    written(tmp_path, '[worker]\nhealth_host = "10.0.0.7"')
    monkeypatch.setenv("SHADOW_HEALTH_HOST", "0.0.0.0")
    loaded = settings.load()
    with_health = {name: section for name, section in loaded if hasattr(section, "health_host")}
    assert set(with_health) == {"worker", "scorer", "judge", "monitor"}
    assert {section.health_host for section in with_health.values()} == {"0.0.0.0"}
    assert with_health["worker"].health_port == 8081


def test_a_wrong_broker_in_the_environment_names_the_variable(monkeypatch):
    monkeypatch.setenv("SHADOW_KAFKA", "nonsense")
    with pytest.raises(ConfigError, match=r"^environment: SHADOW_KAFKA: entry 1 is not host:port; write host:port"):
        settings.load()


def test_keys_come_from_the_environment_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("BIG_KEY", "sk-secret")
    models = settings.load(written(tmp_path, GOOD)).models
    assert models["big"].api_key() == "sk-secret"
    assert models["small"].api_key() is None
    assert models["big"].base_url == "https://models.example/v1"


def test_a_model_is_known_by_its_table_name_and_by_the_name_sent_to_its_endpoint(tmp_path):
    loaded = settings.load(written(tmp_path, GOOD))
    assert [loaded.role_of("intent", m) for m in ("big", "small", "small-7b", "other")] == [
        "frontier",
        "candidate",
        "candidate",
        None,
    ]


def test_a_missing_database_names_the_variable_to_set():
    with pytest.raises(ConfigError, match="SHADOW_POSTGRES"):
        settings.Settings().postgres_url()


def test_every_setting_has_a_description():
    sections = [s for s in vars(settings).values() if isinstance(s, type) and issubclass(s, settings.Section)]
    for section in sections:
        for key, field in section.model_fields.items():
            is_table = section is settings.Settings or key == "topics"
            assert is_table or field.description, f"{section.__name__}.{key} has no description"
