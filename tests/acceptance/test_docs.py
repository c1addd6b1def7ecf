"""Promises of the documentation: what it shows can be typed, and what it links to is there."""

import json
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from shadow.cli import COMMANDS
from shadow.settings import Settings, load

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])


def blocks(language):
    """(page:line, text) of every fenced block in `language`."""
    return [
        pytest.param(token.content, id=f"{page.relative_to(ROOT)}:{(token.map or [0])[0] + 1}")
        for page in PAGES
        for token in MarkdownIt().parse(page.read_text())
        if token.type == "fence" and token.info.strip() == language
    ]


def shell_lines():
    for parameter in blocks("sh"):
        for line in parameter.values[0].splitlines():
            command = line.split("#")[0].strip()
            if command:
                yield pytest.param(command, id=f"{parameter.id} {command[:40]}")


@cache
def help_of(*name):
    done = subprocess.run(
        [sys.executable, "-m", "shadow", *name, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": "200"},
    )
    return done.stdout


@pytest.mark.parametrize("command", list(shell_lines()))
def test_every_command_shown_exists_with_its_options(command):
    words = command.split()
    match words:
        case ["shadow", name, *options]:
            assert name in COMMANDS
            shown = help_of(name)
            if (
                options
                and not options[0].startswith("-")
                and re.search(rf"^│ {re.escape(options[0])} ", shown, re.MULTILINE)
            ):
                shown = help_of(name, options[0])  # a command of a group, such as `shadow label import`
            for option in options:
                if option.startswith("--"):
                    assert re.search(rf"{re.escape(option)}\b", shown), f"{option} is not an option of shadow {name}"
        case ["make", *targets]:
            makefile = (ROOT / "Makefile").read_text()
            for target in targets:
                assert "=" in target or re.search(rf"^{target}:", makefile, re.MULTILINE)
        case [variable, "make", target] if "=" in variable:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case ["cp", source, _]:
            assert (ROOT / source).exists()
        case ["pip", "install", name]:
            assert name.strip("'").partition("[")[0] == "shadow-regret"
        case ["export", assignment]:
            assert assignment.startswith("SHADOW_")
        case ["git", "clone", *_] | ["cd", _]:
            pass
        case _:
            pytest.fail(f"nothing tests this command: {command}")


@pytest.mark.parametrize("snippet", blocks("toml"))
def test_every_configuration_shown_is_valid(snippet):
    Settings.model_validate(tomllib.loads(snippet))


def test_the_example_configuration_is_valid():
    assert load(ROOT / "docs" / "shadow.example.toml").tasks


@pytest.mark.parametrize("snippet", blocks("json"))
def test_every_json_shown_is_json(snippet):
    json.loads(snippet)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


PYTHON = blocks("python")


@pytest.mark.parametrize("snippet", PYTHON)
def test_every_snippet_runs_against_a_real_server(snippet, serve, monkeypatch, tmp_path):
    """Snippets of one page build on each other, so each is run after those before it on its page."""
    from shadow.devstack.models import echo_app

    url = serve(echo_app())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    monkeypatch.delenv("SHADOW_KAFKA", raising=False)
    page = next(p.id.partition(":")[0] for p in PYTHON if p.values[0] == snippet)
    before = [p.values[0] for p in PYTHON if p.id.partition(":")[0] == page]
    code = "\n".join(before[: before.index(snippet) + 1])
    for address in ("http://127.0.0.1:8080", "http://localhost:8000"):  # the gateway's, and a candidate's
        code = code.replace(address, url)
    exec(code, {})
