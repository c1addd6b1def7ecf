"""A seeded database, the real dashboard over it, and a real browser."""

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from shadow.devstack.services.postgres import EmbeddedPostgres
from shadow.devstack.services.processes import free_port
from shadow.settings import CONFIG_VARIABLE
from tests.browser import seed, world
from tests.support import services

_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Served:
    """A running dashboard: its address, and its process."""

    url: str
    pid: int


@pytest.fixture(scope="session")
def seeded_url(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """A database with three weeks of `world` in it; no test may change it."""
    with services.fresh_database(postgres_server, template=migrated_template) as url:
        seed.fill(url)
        yield url


@pytest.fixture(scope="session")
def dashboard(seeded_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`shadow dashboard` over the seeded database."""
    file = tmp_path_factory.mktemp("dashboard") / "shadow.toml"
    file.write_text(world.toml(seeded_url), encoding="utf-8")
    with serving(file) as served:
        yield served


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str | None], None]:
    """`configure(url)` writes a shadow.toml with this database and points the pages to it."""

    def write(url: str | None) -> None:
        file = tmp_path / "shadow.toml"
        file.write_text(world.toml(url), encoding="utf-8")
        monkeypatch.setenv(CONFIG_VARIABLE, str(file))

    return write


# By module and not by session: while it is open, Playwright's event loop counts as running.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; skips the test where there is none."""
    program = os.environ.get("SHADOW_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium found: install it, or name it in SHADOW_CHROMIUM")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, args=list(_FLAGS))
        yield launched
        launched.close()


@contextmanager
def serving(config: Path) -> Iterator[Served]:
    """The real command, on a free port, with `config` as its shadow.toml."""
    port = free_port()
    command = [sys.executable, "-m", "shadow", "dashboard", "--port", str(port), "--config", str(config)]
    log = config.with_name("dashboard.log")
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            _wait(f"http://127.0.0.1:{port}/_stcore/health", process, log)
            yield Served(url=f"http://127.0.0.1:{port}", pid=process.pid)
        finally:
            process.terminate()


def _wait(address: str, process: subprocess.Popen[bytes], log: Path, timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            with urllib.request.urlopen(address, timeout=2):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the dashboard did not start: {log.read_text()[-2_000:]}") from None
            time.sleep(0.1)
