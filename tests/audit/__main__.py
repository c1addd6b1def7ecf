"""`make audit-scorers`: print the table of false agreements and disagreements, and write it into docs/scorers.md."""

import sys
from pathlib import Path
from typing import Final

from tests.audit.audit import Count, audit, meets_bars, totals, unsure
from tests.audit.cases import generate

PAGE: Final = Path(__file__).parents[2] / "docs" / "scorers.md"
MARK: Final = "<!-- measured -->"
SEED: Final = 20_261_201
EACH: Final = 1_000


def table(counts: dict[tuple[str, str], Count]) -> str:
    rows = [
        "| scorer | kind | must differ | agree falsely | must agree | disagree falsely | unscored |",
        "|---|---|---|---|---|---|---|",
        *(_row(scorer, kind, count) for (scorer, kind), count in sorted(counts.items())),
        *(_row(f"**{scorer}**", "all", count) for scorer, count in sorted(totals(counts).items())),
    ]
    return "\n".join(rows)


def _row(scorer: str, kind: str, count: Count) -> str:
    return (
        f"| {scorer} | {kind} | {count.differ:,} | {_share(count.false_agreement, count.differ)} "
        f"| {count.agree:,} | {_share(count.false_disagreement, count.agree)} "
        f"| {_share(count.unscored, count.agree)} |"
    )


def _share(n: int, of: int) -> str:
    return f"{n / of:.2%}" if of else "–"


def main() -> int:
    counts = audit(generate(SEED, EACH))
    written = table(counts)
    say = sys.stdout.write
    say(f"{written}\n\n")
    for (scorer, kind), count in sorted(counts.items()):
        for case in count.examples:
            a, b = (reply.content or str(reply.tool_calls) for reply in (case.a, case.b))
            must = "agree" if case.must_agree else "differ"
            say(f"{scorer}, {kind}: must {must}: {a!r} | {b!r} {dict(case.options) or ''}\n")
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(f"{page.partition(MARK)[0]}{MARK}\n\n{written}\n", encoding="utf-8")
    missed = [
        scorer for scorer, count in totals(counts).items() if not meets_bars(count, unsure=unsure(counts, scorer))
    ]
    say(f"bars missed: {', '.join(missed)}\n" if missed else "every bar is met\n")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(main())
