"""Promises of the documentation: what it shows is typed as it stands, page by page, and works."""

import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tomlkit

from shadow import settings as names
from shadow.cli.runtime.supervisor import is_ready
from shadow.devstack.model_servers.models import echo_app
from shadow.devstack.services.processes import free_port, poll_until
from shadow.settings import Settings, TopicSettings, load
from shadow.store.schema import engine
from tests.acceptance.documented import ELSEWHERE, IN_TEXT, PAGES, ROOT, name_of, shell_lines, tokens
from tests.support.services import TEMPLATE, fresh_database
from tests.support.store_samples import exchange, scored, store

pytestmark = pytest.mark.timeout(300)

INTEGRATOR = ROOT / "docs" / "integrator.md"
EXAMPLE = ROOT / "docs" / "shadow.example.toml"


class Reader:
    """Somebody who reads a page in a folder of their own, and types what it shows.

    What the page says to edit is edited: the models are local ones, and the ports free.
    """

    def __init__(self, folder: Path, env: dict[str, str], edited: Callable[[str], str]) -> None:
        self.folder = folder
        self._env = env
        self._edited = edited
        self._config = folder / "shadow.toml"

    def types(self, line: str) -> str:
        """Run a line in a shell until it ends well, or does its work until Ctrl-C; what it printed."""
        if line.startswith("export "):
            known = {value for name, value in vars(names).items() if name.endswith("_VARIABLE")}
            assert line.split()[1].partition("=")[0] in known
        ready_url = self._ready_url(line)
        printed = self.folder / "printed.txt"
        with printed.open("wb") as file:
            # A session of its own, as of a terminal: Ctrl-C here must not reach the tests.
            process = subprocess.Popen(
                ["bash", "-c", f"exec {line}" if ready_url else line],
                cwd=self.folder,
                env=self._env,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )
        try:
            if ready_url:
                poll_until(partial(is_ready, ready_url), timeout=90, alive=lambda: process.poll() is None)
                process.send_signal(signal.SIGINT)
            assert process.wait(120) == 0, f"{line}\n{printed.read_text()}"
        except TimeoutError:
            pytest.fail(f"{line}\n{printed.read_text()}")
        finally:
            process.kill()
        if line.startswith("cp "):
            self.edits()
        return printed.read_text()

    def edits(self, text: str | None = None) -> None:
        self._config.write_text(self._edited(text or self._config.read_text()))

    def _ready_url(self, line: str) -> str | None:
        """Where a service says that it is ready; None for what ends by itself."""
        settings = load(self._config) if self._config.exists() else Settings()
        match line.split():
            case ["shadow", "gateway", *_]:
                return f"http://127.0.0.1:{settings.gateway.port}/readyz"
            case ["shadow", "dashboard", *_]:
                return f"http://127.0.0.1:{settings.dashboard.port}/_stcore/health"
            case ["shadow", "worker" | "scorer" as name, *options]:
                port = options[1] if options else getattr(settings, name).health_port
                return f"http://127.0.0.1:{port}/readyz"
        return None


@pytest.fixture
def reader(tmp_path, broker, topics, postgres_server, migrated_template, serve) -> Iterator[Callable[..., Reader]]:
    """`reader(page)`: in a folder with what the page takes for granted."""

    def begin(page: Path) -> Reader:
        installs = "shadow migrate" in shell_lines(page)
        template = "template1" if installs else TEMPLATE
        url = stack.enter_context(fresh_database(postgres_server, template=template))
        env = {name: value for name, value in os.environ.items() if not name.startswith("SHADOW_")}
        env |= {
            "PATH": f"{Path(sys.executable).parent}:{env['PATH']}",
            "SHADOW_KAFKA": broker,
            "SHADOW_POSTGRES": url,
            "OPENAI_API_KEY": "test",
        }
        (tmp_path / "docs").symlink_to(ROOT / "docs")
        (tmp_path / "pairs.jsonl").write_text(json.dumps(the_pair_shown()) + "\n")
        found = Reader(tmp_path, env, partial(edited, topics=topics, serve=serve))
        if not installs:
            found.edits(EXAMPLE.read_text())
            pairs = [scored(exchange=exchange(n, label="tie", judge="tie"), agreement=0.0) for n in range(20)]
            database = engine.connect(url)
            store(database, [*pairs, scored(20, agreement=0.0)])
            database.dispose()
            line = {"id": "x000020", "label": "frontier", "reviewer": "ana"}
            (tmp_path / "labels.jsonl").write_text(json.dumps(line) + "\n")
        return found

    with ExitStack() as stack:
        yield begin


def edited(text: str, *, topics: TopicSettings, serve: Callable[[Any], str]) -> str:
    """`text` with the addresses, topics and consumer groups of this test."""
    raw = tomllib.loads(text)
    for name, model in raw["models"].items():
        model["base_url"] = f"{serve(echo_app(name=model.get('model', name)))}/v1"
    own = topics.exchanges.rpartition(".")[2]
    raw["kafka"] |= {"group_prefix": own, "session_timeout_s": 6, "topics": topics.model_dump()}
    for service in ("gateway", "dashboard"):
        raw.setdefault(service, {})["port"] = free_port()
    for service in ("worker", "scorer", "judge", "monitor"):
        raw.setdefault(service, {})["health_port"] = free_port()
    raw["monitor"] |= {"every_s": 0.1, "settle_s": 0.2}
    return tomlkit.dumps(raw)


def the_pair_shown() -> Any:
    (shown,) = [token.content for token in tokens(INTEGRATOR) if token.type == "fence" and token.info.strip() == "json"]
    return json.loads(shown)


def to_type(page: Path) -> list[str]:
    return [line for line in shell_lines(page) if line not in ELSEWHERE]


@pytest.mark.parametrize("page", [page for page in PAGES if to_type(page)], ids=name_of)
def test_every_command_of_a_page_works_unchanged_and_in_the_order_of_the_page(page, reader):
    typing = reader(page)
    for line in to_type(page):
        typing.types(line)


def test_every_command_named_in_the_text_works(reader):
    typing = reader(ROOT / "README.md")
    for line in dict.fromkeys(IN_TEXT.values()):
        taken = re.search(r"--health-port (\d+)", line)
        typing.types(line.replace(taken[1], str(free_port())) if taken else line)


def test_the_pair_shown_is_scored_by_the_commands_shown_below_it(reader):
    typing = reader(INTEGRATOR)
    for line in to_type(INTEGRATOR):
        if line.startswith("shadow replay"):
            typing.types(line)
    (task,) = json.loads((typing.folder / "evidence.json").read_text())["tasks"]
    assert (task["task"], task["n"], task["agreement"]["n"]) == ("gsm8k", 1, 1)
    assert not any(task["unscored"].values())
    assert (task["agreement"]["estimate"], task["regret"]["estimate"]) == (0, 1)
