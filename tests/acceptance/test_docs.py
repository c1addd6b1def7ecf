"""Promises of the documentation: what it shows can be typed, and what it links to is there."""

import importlib
import json
import re
import shlex
import tomllib
from functools import cache
from typing import Any

import pytest
import typer
from openai import OpenAI
from typer.core import TyperGroup

from shadow.cli import COMMANDS, application
from shadow.settings import Settings, load
from tests.acceptance.documented import (
    ELSEWHERE,
    IN_TEXT,
    PAGES,
    ROOT,
    RUN,
    inline_commands,
    name_of,
    shell_lines,
    tokens,
)


def blocks(language):
    """(page:line, text) of every fenced block in `language`."""
    return [
        pytest.param(token.content, id=f"{name_of(page)}:{(token.map or [0])[0] + 1}")
        for page in PAGES
        for token in tokens(page)
        if token.type == "fence" and token.info.strip() == language
    ]


@cache
def command_line(name):
    """A sub-command of `shadow`, as it understands what is typed."""
    assert name in COMMANDS, f"there is no `shadow {name}`"
    command = importlib.import_module(f"shadow.cli.{name}").command
    whole = typer.main.get_command(application.build(name, command))
    assert isinstance(whole, TyperGroup)
    return whole.commands[name]


def understood(command):
    """The sub-command of `shadow` that a command runs, and the options it is given."""
    _, name, *rest = command.split()
    found = command_line(name)
    if rest and (own := getattr(found, "commands", {}).get(rest[0])):
        found = own
    return found, [word for word in rest if word.startswith("-")]


def test_a_command_that_is_not_run_with_its_page_is_run_by_a_test_that_exists():
    for reason in ELSEWHERE.values():
        assert not reason.startswith("tests/") or (ROOT / reason).is_file(), reason


def test_the_lists_name_no_command_that_no_page_shows():
    shown = {command for page in PAGES for command in (*shell_lines(page), *inline_commands(page))}
    assert {*ELSEWHERE, *IN_TEXT} <= shown


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_of_a_page_is_run_by_a_test_or_listed_with_the_reason_why_not(page):
    typed = [line for each in PAGES for line in shell_lines(each)]
    for command in inline_commands(page):
        assert command in {*typed, *IN_TEXT, *ELSEWHERE}, f"nothing runs `{command}`"
    for line in shell_lines(page):
        assert line in ELSEWHERE or line.split()[0] in RUN, f"nothing runs `{line}`"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_option_shown_exists(page):
    for command in {*inline_commands(page), *shell_lines(page)}:
        to_demo = re.fullmatch(r'make demo DEMO="(.*)"', command)
        words = f"shadow demo {to_demo[1]}" if to_demo else command
        if words.startswith("shadow "):
            known, options = understood(words)
            assert set(options) <= {option for each in known.params for option in each.opts}, command


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_target_and_package_named_exists(page):
    makefile = (ROOT / "Makefile").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for command in {*inline_commands(page), *shell_lines(page)}:
        words = [word for word in shlex.split(command) if not re.match(r"[A-Z_]+=", word)]
        match words:
            case ["make", *targets]:
                for target in targets:
                    assert re.search(rf"^{target}:", makefile, re.MULTILINE), command
            case ["pip", "install", *wanted]:
                for each in wanted:
                    name, _, extras = each.rstrip("]").partition("[")
                    assert name == project["name"], command
                    assert {extra for extra in extras.split(",") if extra} <= set(project["optional-dependencies"])


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_path_named_in_the_text_exists(page):
    """A path is what starts with a folder of this one, or is a file of it by its ending."""
    for token in tokens(page):
        for child in token.children or ():
            if child.type == "code_inline" and re.fullmatch(
                r"\.?[\w-]+(/[\w.*-]*)+|[\w.-]+\.(lock|yml)", child.content
            ):
                top = child.content.partition("/")[0]
                if "." in top or (ROOT / top).is_dir():
                    exists = (ROOT / child.content).exists() or child.content.startswith(".shadow/")
                    assert exists, child.content


def test_the_architecture_page_names_every_folder_of_the_code():
    page = (ROOT / "docs" / "architecture.md").read_text()
    packages = [path for top in ("shadow", "scoring", "consumers", "dashboard") for path in (ROOT / top).iterdir()]
    folders = [f"{path.relative_to(ROOT)}/" for path in packages if (path / "__init__.py").exists()]
    assert [folder for folder in folders if f"`{folder}`" not in page] == []


def test_a_recipe_names_only_what_is_in_the_files_that_it_names():
    """A name in a paragraph "To add …" occurs in a file, or in a file of a folder, that the paragraph names."""
    for token in tokens(ROOT / "docs" / "architecture.md"):
        if not token.content.startswith("**To "):
            continue
        spans = [child.content for child in token.children or () if child.type == "code_inline"]
        paths = [span for span in spans if (ROOT / span).exists()]
        folders = [file for path in paths for file in (ROOT / path).glob("*.py")]
        files = [*folders, *(ROOT / path for path in paths if (ROOT / path).is_file())]
        known = {word for file in files for word in re.findall(r"\w+", file.read_text())}
        names = [span for span in spans if "/" not in span and span not in (*paths, "shadow.toml")]
        for name in names:
            is_command = name.startswith(("make ", "shadow "))
            assert is_command or set(re.findall(r"[A-Za-z_]\w*", name)) <= known, name


@pytest.mark.parametrize("snippet", blocks("toml"))
def test_every_configuration_shown_is_valid(snippet):
    Settings.model_validate(tomllib.loads(snippet))


def test_the_example_configuration_is_valid():
    assert load(ROOT / "docs" / "shadow.example.toml").tasks


@pytest.mark.parametrize("snippet", blocks("json"))
def test_every_json_shown_is_json(snippet):
    json.loads(snippet)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


PYTHON = blocks("python")


@pytest.mark.parametrize("snippet", PYTHON)
def test_every_snippet_runs_against_a_real_server(snippet, serve, monkeypatch, tmp_path):
    """Snippets of one page build on each other, so each is run after those before it on its page."""
    from shadow.devstack.model_servers.models import echo_app

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
    names: dict[str, Any] = {}
    try:
        exec(code, names)
    finally:
        for client in [value for value in names.values() if isinstance(value, OpenAI)]:
            client.close()  # else its connections are open until they are collected as garbage, in some other test
