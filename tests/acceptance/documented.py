"""The commands that the pages show, and which of them cannot be run where tests run."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])

#: First words that distinguish a command in the text from a name.
PROGRAMS: Final = ("shadow", "make", "pip", "docker", "vllm", "export", "cp", "git", "curl", "psql", "uv", "python")

#: First words of the lines that are run with their page, as they stand.
RUN: Final = ("shadow", "cp", "export")

#: Commands of the text, by what is typed to run them: their arguments are left out, or have a name there.
IN_TEXT: Final = {
    "shadow migrate": "shadow migrate",
    "shadow migrate --check": "shadow migrate --check",
    "shadow migrate --sql": "shadow migrate --sql",
    "shadow check --file-only": "shadow check --file-only",
    "shadow export": "shadow export --out exported.jsonl.gz",
    "shadow replay": "shadow replay pairs.jsonl",
    "shadow replay --candidate NAME": "shadow replay pairs.jsonl --candidate small-7b",
    "shadow replay --dry-run --scorer numeric": "shadow replay --dry-run --scorer numeric pairs.jsonl",
    "shadow report": "shadow report",
    "shadow label import": "shadow label import labels.jsonl",
    "shadow judge calibrate": "shadow judge calibrate --task ticket-intent",
    "shadow monitor": "shadow monitor --once",
    "shadow monitor --once": "shadow monitor --once",
    "shadow monitor --relearn TASK": "shadow monitor --relearn ticket-intent",
    "shadow scorer": "shadow scorer",
    "shadow scorer --health-port 18082": "shadow scorer --health-port 18082",
    "shadow worker": "shadow worker",
    "shadow dashboard": "shadow dashboard",
    "shadow dashboard --host": "shadow dashboard --host 127.0.0.1",
    "shadow gateway": "shadow gateway",
    "shadow gateway --host": "shadow gateway --host 127.0.0.1",
    "shadow prune": "shadow prune",
}

#: Commands that are not run with the pages: the test that runs them, or why none does.
ELSEWHERE: Final = {
    "make demo": "tests/acceptance/test_demo.py",
    'make demo DEMO="--candidate-url http://localhost:8000/v1 --candidate-model my-7b"': "it needs a model of your own",
    "make test": "it is what runs the tests",
    "SHADOW_KAFKA=localhost:9092 make test": "it is what runs the tests, with another Kafka",
    "make check": "it is run beside the tests",
    "make bench": "it measures for many minutes",
    "make simulate": "it simulates for many minutes; a part of it is in tests/simulation",
    "make audit-scorers": "tests/unit/scoring/test_audit.py",
    "make audit-redaction": "tests/unit/core/test_redaction_corpus.py",
    "make reference": "tests/unit/core/test_reference.py",
    "make kafka": "tests/integration/devstack/test_kafka.py",
    "make lock": "it needs the package index, and changes what the tests run with",
    "pip install shadow-regret": "tests/acceptance/test_packaging.py",
    "pip install 'shadow-regret[meaning]'": "it downloads a wheel; the locks hold it, and tests/unit/scoring uses it",
    "vllm serve MODEL": "another program, on a GPU",
    "export SHADOW_POSTGRES_PASSWORD=anything OPENAI_API_KEY=yours": "tests/unit/core/test_compose.py",
    "docker compose up --build": "tests/unit/core/test_compose.py",
    "docker compose ps": "there is no engine where tests run",
    "docker compose run --rm scorer prune": "there is no engine where tests run",
    "shadow demo": "tests/acceptance/test_demo.py",
    "shadow up": "tests/acceptance/test_up.py",
    "shadow judge run": "tests/integration/services/test_judge_service.py",
    "shadow replay --judge NAME": "tests/acceptance/test_judge.py",
}


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def tokens(page: Path) -> list[Token]:
    return MarkdownIt().parse(page.read_text(encoding="utf-8"))


def shell_lines(page: Path) -> list[str]:
    """What a reader of the page types, in order."""
    fences = (t.content for t in tokens(page) if t.type == "fence" and t.info.strip() == "sh")
    lines = (line.partition(" #")[0].strip() for fence in fences for line in fence.splitlines())
    return [line for line in lines if line]


def inline_commands(page: Path) -> Iterator[str]:
    """What the text of a page mentions as a command."""
    for token in tokens(page):
        for child in token.children or ():
            words = [word for word in child.content.split() if not re.fullmatch(r"[A-Z_]+=\S+", word)]
            if child.type == "code_inline" and len(words) > 1 and words[0] in PROGRAMS:
                yield child.content
