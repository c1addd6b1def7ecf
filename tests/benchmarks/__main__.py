"""`make bench`: run every benchmark, print the table, write docs/benchmarks.md.

A benchmark is a module here with `measure() -> [(what, figure, goal)]`. Figures are ratios
measured side by side in one run wherever they can be, because machines differ and ratios
less so. `python -m tests.benchmarks gateway store` runs some of them and writes nothing.
Each runs in a process of its own: threads, caches and garbage of one are no part of another.
"""

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

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"

INTRODUCTION = """# Benchmarks

Written by `make bench`; run it on your own machine. Ratios compare two things measured in the same run.
"""


def main(names):
    here = pkgutil.iter_modules([str(Path(__file__).parent)])
    every = [found.name for found in here if not found.name.startswith("_")]
    unknown = sorted(set(names) - set(every))
    if unknown:
        sys.exit(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(every)}")
    if len(names) == 1:
        measure(names[0])
        return
    sections = []
    for name in names or every:
        sys.stderr.write(f"measuring {name} …\n")
        own = [sys.executable, "-m", "tests.benchmarks", name]
        section = subprocess.run(own, check=True, stdout=subprocess.PIPE, text=True).stdout
        sys.stdout.write(section)
        sys.stdout.flush()
        sections.append(section)
    if not names:
        PAGE.write_text("\n".join([INTRODUCTION, machine(), "", *sections]).rstrip() + "\n", encoding="utf-8")
        sys.stderr.write("wrote docs/benchmarks.md\n")


def measure(name):
    module = import_module(f"tests.benchmarks.{name}")
    with redirect_stdout(sys.stderr):  # what is measured may log, and the page is no place for that
        rows = module.measure()
    sys.stdout.write(table(name, (module.__doc__ or "").strip().splitlines()[0], rows) + "\n")


def table(name, about, rows):
    lines = [f"## {name.replace('_', ' ').capitalize()}", "", about, "", "| what | measured | goal |", "|---|---|---|"]
    lines += [f"| {what} | {figure} | {goal} |" for what, figure, goal in rows]
    return "\n".join([*lines, ""])


def machine():
    cores, python = os.cpu_count(), platform.python_version()
    when = datetime.now(UTC).date().isoformat()
    ours = version("shadow-regret")
    # Machines differ, and a shared one from hour to hour: this says how fast it was.
    adding = timeit("for i in range(10_000_000): x += i", "x = 0", number=1)
    return (
        f"Measured on {when}: {cores} cores, {platform.machine()}, Python {python}, shadow-regret {ours}; "
        f"ten million additions in Python took {adding:.2f} s."
    )


main(sys.argv[1:])
