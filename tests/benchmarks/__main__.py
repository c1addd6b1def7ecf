"""`make bench`: run every benchmark, print the table, write docs/benchmarks.md.

A benchmark is a module here with `measure() -> [(what, figure, goal)]`; the first paragraph of its
docstring and the table go on the page. Where a figure is a median, `ROUNDS` says of how many rounds.
Figures are ratios measured side by side in one run wherever possible, because absolute times differ more
between machines. Each benchmark runs in its own process, so that it shares no threads, caches or garbage
with the others.

`python -m tests.benchmarks gateway store` runs the named ones and does not write the page.
"""

import logging
import os
import pkgutil
import platform
import subprocess
import sys
from contextlib import redirect_stdout
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from timeit import timeit

import structlog

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"

INTRODUCTION = """# Benchmarks

Written by `make bench`; run it on your own machine. Ratios compare two things measured in the same run.
"""


def main(names):
    modules = pkgutil.iter_modules([str(Path(__file__).parent)])
    available = [module.name for module in modules if not module.name.startswith("_")]
    unknown = sorted(set(names) - set(available))
    if unknown:
        sys.exit(f"no benchmark is called {', '.join(unknown)}; choose from {', '.join(available)}")
    if len(names) == 1:
        measure(names[0])
        return
    sections = []
    for name in names or available:
        sys.stderr.write(f"measuring {name} …\n")
        command = [sys.executable, "-m", "tests.benchmarks", name]
        section = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        sys.stdout.write(section)
        sys.stdout.flush()
        sections.append(section)
    if not names:
        PAGE.write_text("\n".join([INTRODUCTION, machine(), "", *sections]).rstrip() + "\n", encoding="utf-8")
        sys.stderr.write("wrote docs/benchmarks.md\n")


def measure(name):
    # Services report that they start and stop; here only warnings are of interest.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    module = import_module(f"tests.benchmarks.{name}")
    with redirect_stdout(sys.stderr):  # what the measured code prints does not belong on the page
        rows = module.measure()
    introduction = " ".join((module.__doc__ or "").strip().partition("\n\n")[0].split())
    if rounds := getattr(module, "ROUNDS", None):
        introduction += f" Medians of {rounds} rounds."
    sys.stdout.write(table(name, introduction, rows) + "\n")


def table(name, introduction, rows):
    lines = [f"## {name.capitalize()}", "", introduction, "", "| what | measured | goal |", "|---|---|---|"]
    lines += [f"| {what} | {figure} | {goal} |" for what, figure, goal in rows]
    return "\n".join([*lines, ""])


def machine():
    cores, python = os.cpu_count(), platform.python_version()
    today = datetime.now(UTC).date().isoformat()
    release = version("shadow-regret")
    # Says how fast the machine was: a shared one differs from hour to hour.
    addition_s = timeit("for i in range(10_000_000): x += i", "x = 0", number=1)
    return (
        f"Measured on {today}: {cores} cores, {platform.machine()}, Python {python}, shadow-regret {release}; "
        f"ten million additions in Python took {addition_s:.2f} s."
    )


main(sys.argv[1:])
