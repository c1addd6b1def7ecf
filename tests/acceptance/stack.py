"""The platform as an operator runs it: every service its own process, reached through its public door."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shadow.cli.runtime.services import services_of
from shadow.cli.runtime.supervisor import Service, running
from shadow.devstack.services.processes import ServerProcess, free_port
from shadow.settings import TopicSettings, load
from shadow.store.read import ledger
from shadow.store.read.ledger import Ledger
from shadow.store.schema import engine


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A running platform: where its doors are, and its processes by name."""

    config: Path
    env: Mapping[str, str]
    gateway: str
    dashboard: str
    processes: Mapping[str, ServerProcess]

    def ledger(self, task: str | None = None) -> Ledger:
        database = engine.connect(self.env["SHADOW_POSTGRES"])
        try:
            with database.connect() as connection:
                return ledger.read(connection, task=task)
        finally:
            database.dispose()

    def settled(self, mirrored: int, *, timeout: float = 90.0) -> Ledger:
        """The ledger once `mirrored` exchanges have arrived, none is in flight, and capture has reported its counts."""
        deadline = time.monotonic() + timeout
        while True:
            now = self.ledger()
            if now.mirrored >= mirrored and now.in_flight == 0 and now.published >= mirrored:
                return now
            assert time.monotonic() < deadline, f"not settled after {timeout} s: {now}\n{self.logs()}"
            time.sleep(0.2)

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{p.log.read_text()[-2_000:]}" for name, p in self.processes.items())

    def shadow(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `shadow ARGUMENTS` with this platform's configuration."""
        argv = [sys.executable, "-m", "shadow", *arguments, "--config", str(self.config)]
        env = {**os.environ, **self.env}
        return subprocess.run(argv, env=env, capture_output=True, text=True, check=False, timeout=100)


@contextmanager
def stack(
    folder: Path,
    *,
    broker: str,
    topics: TopicSettings,
    postgres_url: str,
    models: Mapping[str, str],
    task: str,
    services: tuple[str, ...] = ("scorer", "worker", "gateway"),
) -> Iterator[Stack]:
    """Write a shadow.toml into `folder` and run `services` with it.

    `models` maps the names `frontier` and `candidate` to base URLs; `task` is the [tasks.…] part.
    """
    ports = {name: free_port() for name in ("gateway", "worker", "scorer", "dashboard")}
    config = folder / "shadow.toml"
    lines = [f'[models.{name}]\nbase_url = "{url}/v1"\nconcurrency = 64' for name, url in models.items()]
    lines.append(task)
    lines.append('[kafka]\nbootstrap_servers = "set:9092"\nsession_timeout_s = 6')
    lines.append(
        f'[kafka.topics]\nexchanges = "{topics.exchanges}"\ntrials = "{topics.trials}"\n'
        f'deadletters = "{topics.deadletters}"'
    )
    lines.append("[publisher]\ncounts_every_s = 0.5")
    lines.append(f"[gateway]\nport = {ports['gateway']}\n[dashboard]\nport = {ports['dashboard']}")
    lines.append(f"[worker]\nhealth_port = {ports['worker']}\n[scorer]\nhealth_port = {ports['scorer']}")
    config.write_text("\n\n".join(lines))
    env = {"SHADOW_KAFKA": broker, "SHADOW_POSTGRES": postgres_url}
    wanted = [
        Service(name=s.name, port=s.port, ready_url=s.ready_url, arguments=s.arguments, env=env)
        for s in services_of(load(config), config)
        if s.name in services
    ]
    with ExitStack() as stack_:
        children = stack_.enter_context(running(wanted, logs=folder / "logs", announce=lambda _: None))
        yield Stack(
            config=config,
            env=env,
            gateway=f"http://127.0.0.1:{ports['gateway']}",
            dashboard=f"http://127.0.0.1:{ports['dashboard']}",
            processes={service.name: child for service, child in zip(wanted, children, strict=True)},
        )


def evidence(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found
