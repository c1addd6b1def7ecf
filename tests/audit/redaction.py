"""`make audit-redaction`: print recall and precision of redaction, and write them into docs/redaction.md.

A case of `private.txt` counts as found if everything between its marks is replaced, whatever the placeholder,
and everything else of the text stays. A case of `harmless.txt` counts as false if anything of it changes.
JSON is redacted twice: as a value, and as a text that holds it.
"""

import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shadow.redact import Redactor

ROOT: Final = Path(__file__).parents[2]
CORPUS: Final = ROOT / "tests" / "golden" / "redaction"
PAGE: Final = ROOT / "docs" / "redaction.md"
MARK: Final = "<!-- measured -->"
#: The least recall and precision of every kind.
BAR: Final = 0.98

_BY_CODE: Final = re.compile(r"\\u\{([0-9a-f]+)\}")
_PRIVATE: Final = re.compile("⟦.*?⟧", re.DOTALL)
_NUMBER: Final = re.compile("⟦#(.*?)⟧")
_PLACEHOLDER: Final = r"\[(?:email|phone|card|iban|secret)\]"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A line of the corpus. `marked` is its text with the marks around what is private."""

    kind: str
    where: str
    is_json: bool
    marked: str

    @property
    def text(self) -> str:
        """What is redacted."""
        return _NUMBER.sub(r"\1", self.marked).replace("⟦", "").replace("⟧", "")

    @property
    def expected(self) -> str:
        """The text with the marks around whole JSON values, also where these were numbers."""
        return _NUMBER.sub(r'"⟦\1⟧"', self.marked)


def read(name: str) -> list[Case]:
    """The cases of `private.txt` or `harmless.txt`."""
    cases = []
    for line in (CORPUS / name).read_text(encoding="utf-8").split("\n"):
        if line and not line.startswith("#"):
            kind, where, form, marked = (part.strip() for part in line.split(" | ", 3))
            text = marked if form == "json" else _BY_CODE.sub(lambda match: chr(int(match[1], 16)), marked)
            cases.append(Case(kind=kind, where=where, is_json=form == "json", marked=text))
    return cases


def is_right(case: Case, redactor: Redactor) -> bool:
    """Whether exactly what is private in `case` is replaced."""
    if not case.is_json:
        return _matches(case.expected, redactor.text(case.text))
    expected = json.loads(case.expected)
    return _same(expected, redactor.value(json.loads(case.text))) and _same(
        expected, json.loads(redactor.text(case.text))
    )


def _same(expected: Any, clean: Any) -> bool:
    match expected:
        case dict():
            return (
                isinstance(clean, dict)
                and expected.keys() == clean.keys()
                and all(_same(item, clean[key]) for key, item in expected.items())
            )
        case list():
            return len(expected) == len(clean) and all(map(_same, expected, clean))
        case str() if expected[:1] in ("{", "[") and isinstance(clean, str) and clean[:1] == expected[:1]:
            return _same(json.loads(expected), json.loads(clean))
        case str():
            return isinstance(clean, str) and _matches(expected, clean)
        case _:
            return bool(expected == clean)


def _matches(expected: str, clean: str) -> bool:
    return re.fullmatch(_PLACEHOLDER.join(map(re.escape, _PRIVATE.split(expected))), clean) is not None


def table() -> tuple[str, list[str], float]:
    """The table of the page, the texts of the cases that are wrong, and the lowest figure in the table."""
    redactor = Redactor()
    private, harmless = read("private.txt"), read("harmless.txt")
    wrong = [case for case in (*private, *harmless) if not is_right(case, redactor)]
    missed = Counter(case.kind for case in wrong if "⟦" in case.marked)
    false = Counter(case.kind for case in wrong if "⟦" not in case.marked)
    rows = ["| kind | must go | found | recall | places |", "|---|---|---|---|---|"]
    lowest = 1.0
    for kind, n in [*sorted(Counter(case.kind for case in private).items()), ("**all**", len(private))]:
        found = n - (missed[kind] if kind in missed or not kind.startswith("*") else missed.total())
        where = sorted({case.where for case in private if case.kind == kind and case.where != "any"})
        rows.append(f"| {kind} | {n} | {found} | {found / n:.1%} | {', '.join(where)} |")
        lowest = min(lowest, found / n)
    rows += ["", "| looks like it | must stay | changed |", "|---|---|---|"]
    for kind, n in [*sorted(Counter(case.kind for case in harmless).items()), ("**all**", len(harmless))]:
        rows.append(f"| {kind} | {n} | {false.total() if kind.startswith('*') else false[kind]} |")
    found = len(private) - missed.total()
    precision = found / (found + false.total())
    rows += ["", f"Precision, of all that was replaced: {precision:.1%}."]
    return "\n".join(rows), [case.marked for case in wrong], min(lowest, precision)


def main() -> int:
    written, wrong, lowest = table()
    sys.stdout.write("\n".join([written, "", *(f"wrong: {text}" for text in wrong), ""]))
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(f"{page.partition(MARK)[0]}{MARK}\n\n{written}\n", encoding="utf-8")
    sys.stdout.write("every bar is met\n" if lowest >= BAR else f"a figure is below {BAR:.0%}\n")
    return lowest < BAR


if __name__ == "__main__":
    sys.exit(main())
