"""The command line, run as its users run it."""

import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from shadow import cli
from shadow.settings import CONFIG_VARIABLE, POSTGRES_VARIABLE
from tests.acceptance.commands import Result


@pytest.fixture
def shadow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Callable[..., Result]]:
    """`shadow(*arguments)` runs the real command line in an empty folder."""
    handlers, level = logging.root.handlers[:], logging.root.level
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    monkeypatch.delenv(POSTGRES_VARIABLE, raising=False)

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["shadow", *map(str, arguments)])
        code: Any = 0
        try:
            cli.main()
        except SystemExit as leaving:
            code = leaving.code
        printed = capsys.readouterr()
        return Result(int(code or 0), printed.out, printed.err)

    yield run
    # A command sends logs to its own standard error, which for later tests is a closed file.
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
